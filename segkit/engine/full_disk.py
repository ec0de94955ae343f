"""What to do where a run finds no room on its disk."""
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segkit.checkpoint import FULL
from segkit.engine.last_checkpoint import find_last_checkpoint
from segkit.errors import ConfigError, SegkitError


@contextmanager
def full_disk_explained(folder: str, training: bool) -> Iterator[None]:
    """Say how much room there is and how to go on where something cannot be written inside.

    Args:
        folder: The run folder.
        training: Whether there may be a checkpoint to go on from.

    Raises:
        SegkitError: In the place of the system's error.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        place = error.filename or folder
        free = shutil.disk_usage(place if Path(place).is_dir() else Path(place).parent).free
        raise SegkitError(f'{place} could not be written: {error.strerror}. {free / 1e6:,.1f} MB are free on that '
                          f'disk.\n{way_on(folder) if training else "Make room and start again."}') from error


def way_on(folder: str) -> str:
    """How to go on with a run that stopped for want of room, in one line."""
    try:
        return f'{find_last_checkpoint(folder)} is whole: make room, then go on from it with --resume.'
    except ConfigError:
        return f'There is no checkpoint in {folder} yet: make room and start again.'
