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


class DamagedCheckpointError(CheckpointError):
    """A checkpoint whose bytes are not those that were written."""


def refuse_uncalled(cls: type, methods: dict[str, str]) -> None:
    """Refuse a subclass with a method that MMSegmentation would call and segkit does not.

    Its code would never run, and nothing would say so. Meant for ``__init_subclass__``.

    Args:
        cls: The new class.
        methods: Name of a method -> what to write instead.

    Raises:
        ConfigError: Naming the first of these methods that the class defines.
    """
    for name, instead in methods.items():
        if name in vars(cls):
            raise ConfigError(f'{cls.__module__}.{cls.__name__} defines {name}(), which MMSegmentation calls and '
                              f'segkit does not.\n{instead}\ndocs/migrate.md shows the methods that are called.')
