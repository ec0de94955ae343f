"""Files of parameters that MXNet writes (.params): plain numbers behind a header, no code."""
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from segkit.checkpoint.integrity import compare_hash
from segkit.errors import CheckpointError, DamagedCheckpointError

# The layout is that of NDArray::Save in MXNet's src/ndarray/ndarray.cc, little-endian: 0x112 and 0, eight bytes each;
# the count of arrays and the arrays; the count of names and the names.
START = struct.pack('<QQ', 0x112, 0)
ARRAY = (0xF993FAC9, 0xF993FACA)  # MXNet 1's mark of an array, and the one where a shape may be empty
TYPES = {0: np.float32, 1: np.float64, 2: np.float16, 3: np.uint8, 4: np.int32, 5: np.int8, 6: np.int64}
MOST_AXES = 8


def recognised(path: Path) -> bool:
    """Whether a file begins as MXNet's do."""
    with open(path, 'rb') as file:
        return file.read(len(START)) == START


def load(path: Path) -> dict[str, torch.Tensor]:
    """The arrays of a file by name, without the ``arg:`` and ``aux:`` of exported networks.

    Raises:
        DamagedCheckpointError: If it is cut short or holds something else.
        CheckpointError: If it holds sparse arrays, or no names.
    """
    compare_hash(path)
    with open(path, 'rb') as file:
        file.seek(len(START))
        count, = _numbers(file, 'Q', path)
        arrays = [_array(file, path) for _ in range(count)]
        named, = _numbers(file, 'Q', path)
        if named != count:
            raise CheckpointError(f'{path} names {named} of its {count} arrays; a file of save_parameters names all.')
        names = []
        for _ in range(named):
            length, = _numbers(file, 'Q', path)
            names.append(_bytes(file, length, path).decode('utf-8', errors='replace'))
    return {name.removeprefix('arg:').removeprefix('aux:'): array for name, array in zip(names, arrays)}


def _array(file: BinaryIO, path: Path) -> torch.Tensor:
    mark, kind, axes = _numbers(file, 'IiI', path)
    if mark not in ARRAY or axes > MOST_AXES:
        raise _damaged(path, f'no array begins {file.tell() - 12:,} bytes behind the start')
    if kind != 0:
        raise CheckpointError(f'{path} holds a sparse array; networks of GluonCV have none.')
    shape = _numbers(file, f'{axes}q', path)
    _, _, number = _numbers(file, 'iii', path)  # the device it was on, and what a number is
    if number not in TYPES or min(shape, default=1) < 0:
        raise _damaged(path, f'no array begins {file.tell() - 24 - 8 * axes:,} bytes behind the start')
    dtype = np.dtype(TYPES[number])
    size = int(np.prod(shape, dtype=object)) if shape else 1
    return torch.from_numpy(np.frombuffer(bytearray(_bytes(file, size * dtype.itemsize, path)), dtype).reshape(shape))


def _numbers(file: BinaryIO, form: str, path: Path) -> tuple[int, ...]:
    return struct.unpack(f'<{form}', _bytes(file, struct.calcsize(f'<{form}'), path))


def _bytes(file: BinaryIO, count: int, path: Path) -> bytes:
    left = path.stat().st_size - file.tell()
    if count > left:
        raise _damaged(path, f'{count:,} bytes should follow at {file.tell():,}, and {left:,} do')
    return file.read(count)


def _damaged(path: Path, reason: str) -> DamagedCheckpointError:
    return DamagedCheckpointError(f'{path} ({path.stat().st_size:,} bytes) begins as a file of MXNet and is damaged: '
                                  f'{reason}.\nIt may be cut short; copy or download it again.')
