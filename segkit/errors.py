"""Errors that a user can act on.

Every message says what was expected, what came and what to do, in at most four lines, and names the
config key or the file. The command-line tools print it without a stack trace and exit with status 2.
"""


class SegkitError(Exception):
    """Something the user can put right."""


class ConfigError(SegkitError):
    """A config file, an override or a registered name that cannot be used."""


class DataError(SegkitError):
    """An image, a mask, a list of samples or a folder that cannot be used."""


class CheckpointError(SegkitError):
    """A checkpoint that cannot be read or does not fit the model."""


class LostProcessError(SegkitError):
    """Another process of the run that is gone or does not answer; what that one says is the reason."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint whose bytes are not those that were written."""
