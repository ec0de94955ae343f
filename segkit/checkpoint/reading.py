"""Reading a checkpoint without running code from it."""
import pickle
import re
import sys
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Union

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log

from segkit.checkpoint import foreign_file, safetensors_file, trust
from segkit.checkpoint.fetching import fetch
from segkit.checkpoint.integrity import compare_hash
from segkit.errors import CheckpointError, DamagedCheckpointError


def load_file(source: Union[str, Path], map_location: Any = 'cpu', unsafe: bool = False) -> dict:
    """Read a checkpoint; what the file asks for beyond tensors, numbers and text is refused, not run.

    Where a hash lies beside the file, it is compared first.

    Args:
        source: A file that torch.save wrote, or one of safetensors; or an address as :func:`fetch` takes it.
        map_location: Where the tensors go, as for ``torch.load``.
        unsafe: Let the file run the code it names, if it names some; that is said. Only for files you made or trust.

    Returns:
        What was saved: the weights themselves, or a dict that has them in ``'state_dict'``.

    Raises:
        DamagedCheckpointError: If its bytes are not those that were written, or no checkpoint's.
        CheckpointError: If it is missing, is of another kind, asks for code, or holds no dict.
    """
    path = fetch(source)
    _recognised(path)
    try:
        checkpoint = (safetensors_file.load(path, map_location) if safetensors_file.recognised(path) else
                      _read(path, map_location))
    except _AsksForCode as refused:
        if not (unsafe or trust.trusts()):
            raise CheckpointError(f"{path} asks for '{refused}', which weights do not need; nothing of it was run.\n"
                                  f'{trust.HOW}') from refused
        print_log(f"{path} asks for '{refused}': it is trusted as you said, and its code runs", 'current', level=30)
        checkpoint = _read(path, map_location, trusted=True)
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(f'{path} holds a {type(checkpoint).__name__}; a dict of weights was expected.\n'
                              'Save model.state_dict() instead.')
    return checkpoint


def verify(path: Union[str, Path]) -> None:
    """Check a checkpoint: by the hash beside it, and where there is none by reading the whole of it.

    Raises:
        DamagedCheckpointError: If its bytes are not those that were written, or no checkpoint's.
        CheckpointError: If it is missing or cannot be read for another reason.
    """
    path = fetch(path)
    if not _recognised(path):
        load_file(path)


def _recognised(path: Path) -> bool:
    """Compare a file with its hash, and refuse what is no checkpoint; returns whether there is a hash."""
    try:
        has_hash = compare_hash(path)
        other = foreign_file.describe(path)
    except OSError as error:
        raise CheckpointError(f'{path} cannot be read: {error.strerror}.\nCheck its rights.') from error
    if other is not None:
        raise DamagedCheckpointError(f'{path} is {other}')
    return has_hash


class _AsksForCode(Exception):
    """A file names a class or function that is not on the list."""


def _read(path: Path, map_location: Any, trusted: bool = False) -> Any:
    try:
        if trusted:
            return torch.load(path, map_location=map_location, weights_only=False)
        with torch.serialization.safe_globals(_allowed()), warnings.catch_warnings():
            warnings.filterwarnings('ignore', message='Detected pickle protocol')
            return torch.load(path, map_location=map_location, weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes make torch raise anything, a KeyError for one
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise
        asked = re.search(r'GLOBAL (\S+)|unrecognized function (.+)', str(error))
        name = asked and (asked[1] or asked[2])
        if isinstance(error, pickle.UnpicklingError) and name and not trusted and _may_exist(name):
            raise _AsksForCode(name) from error
        raise DamagedCheckpointError(_damaged(path, error)) from error


def _may_exist(name: str) -> bool:
    """Whether a dotted name may be something's; not where its module is loaded and has no such name, as in a file whose
    bytes changed."""
    module, _, attribute = name.partition(' ')[0].rpartition('.')
    return module not in sys.modules or hasattr(sys.modules[module], attribute)


def _damaged(path: Path, error: Exception) -> str:
    # torch wraps the reason in advice to read the file unsafely, which nobody should follow for a damaged file
    inner = re.search(r'WeightsUnpickler error:\s*(.+)', str(error))
    reason = (inner[1] if inner else str(error) or type(error).__name__).splitlines()[0][:200]
    return (f'{path} ({path.stat().st_size:,} bytes) is not a checkpoint that PyTorch can read: {reason}\n'
            'It may be cut short or something else; copy or download it again.')


def _statistic(owner: Any, name: str) -> Any:
    """Stand for ``getattr`` while a checkpoint is read: MMEngine's log buffers name their four statistics so."""
    if owner is HistoryBuffer and name in ('min', 'max', 'mean', 'current'):
        return getattr(owner, name)
    raise pickle.UnpicklingError(f'GLOBAL builtins.getattr of {owner!r}')


@cache
def _allowed() -> list:
    """What a checkpoint may name besides torch's own list: MMEngine's log buffers, and numpy's numbers and arrays."""
    multiarray = getattr(np, '_core', None) or np.core
    allowed = [HistoryBuffer, (_statistic, 'builtins.getattr'), np.ndarray, np.dtype]
    allowed += {type(np.dtype(kind)) for kind in 'f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 ? U'.split()}
    for name in ('scalar', '_reconstruct'):  # numpy 2 renamed the module, and files of both ages are about
        function = getattr(multiarray.multiarray, name)
        allowed += [(function, f'numpy.{core}.multiarray.{name}') for core in ('core', '_core')]
    return allowed
