"""Reading a checkpoint without running code from it."""
import pickle
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Union

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from segkit.checkpoint.fetching import fetch
from segkit.errors import CheckpointError


def load_file(source: Union[str, Path], map_location: Any = 'cpu', unsafe: bool = False) -> dict:
    """Read a checkpoint; what the file asks for beyond tensors, numbers and text is refused, not run.

    Args:
        source: A file, or an address as :func:`fetch` takes it.
        map_location: Where the tensors go, as for ``torch.load``.
        unsafe: Let the file run whatever code it names. Only for files you made yourself.

    Returns:
        What was saved: the weights themselves, or a dict that has them in ``'state_dict'``.

    Raises:
        CheckpointError: If the file is missing, damaged, asks for code, or holds no dict.
    """
    path = fetch(source)
    try:
        if unsafe:
            checkpoint = torch.load(path, map_location=map_location, weights_only=False)
        else:
            with torch.serialization.safe_globals(_allowed()):
                checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r'GLOBAL (\S+)|unrecognized function (.+)', str(error))
        if asked is None:
            raise CheckpointError(_damaged(path, error)) from error
        raise CheckpointError(
            f"{path} asks for '{asked[1] or asked[2]}', which weights do not need; nothing of it was run.\n"
            'If you made this file yourself, read it with unsafe=True and save its weights alone.') from error
    except Exception as error:  # damaged bytes make torch raise anything, a KeyError for one
        raise CheckpointError(_damaged(path, error)) from error
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(f'{path} holds a {type(checkpoint).__name__}; a dict of weights was expected.\n'
                              'Save model.state_dict() instead.')
    return checkpoint


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
