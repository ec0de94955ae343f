"""Reading one array out of a MATLAB file, without SciPy.

Reference: "MAT-File Format", The MathWorks, version 5: a header of 128 bytes, then data elements, each a tag (type and
length) and its bytes; an array is an element that holds elements.
"""
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple, Optional

import numpy as np

from segkit.errors import DataError

_MATRIX, _COMPRESSED = 14, 15
_TYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 9: 'f8', 12: 'i8', 13: 'u8'}
_STRUCT, _NUMBERS = 2, range(6, 16)  # classes of arrays


class _Array(NamedTuple):
    kind: int
    shape: tuple[int, ...]
    name: str
    parts: list[tuple[int, bytes]]  # what follows the name


def read_mat(data: bytes, path: str, *names: str) -> np.ndarray:
    """Read an array of integers.

    Args:
        data: The file's content.
        path: For error messages.
        *names: The variable, and the field in it if it is a struct: 'GTcls', 'Segmentation'.

    Returns:
        The array, with the shape it has in MATLAB; floating point becomes int64.

    Raises:
        DataError: If this is no such file, is damaged, or has no such array of whole numbers.
    """
    if data[:10] == b'MATLAB 7.3' or data[:4] == b'\x89HDF':
        raise DataError(f'{path} is a MATLAB 7.3 file (HDF5); a version 5 file was expected.\n'
                        "Save it with '-v7' in MATLAB.")
    order = {b'IM': '<', b'MI': '>'}.get(data[126:128])
    if order is None:
        raise DataError(f'{path} is no MATLAB file of version 5, or was cut short.')
    try:
        found = _find(data, order, names)
    except (struct.error, ValueError, IndexError, KeyError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f'{path} is damaged or cut short ({error}).') from error
    if found is None:
        raise DataError(f'{path} has no array {".".join(names)} of numbers.')
    if found.dtype.kind == 'f':
        whole = found.astype(np.int64)
        if not np.array_equal(whole, found):
            raise DataError(f'{path}: {".".join(names)} holds fractions; expected whole numbers.')
        return whole
    return found


def _find(data: bytes, order: str, names: tuple[str, ...]) -> Optional[np.ndarray]:
    for kind, body in _elements(data[128:], order, padded=False):
        if kind == _COMPRESSED:
            kind, body = next(_elements(zlib.decompress(body), order))
        if kind != _MATRIX:
            continue
        array = _array(body, order)
        if array.name == names[0]:
            for name in names[1:]:
                array = _field(array, name, order)
            return None if array is None else _numbers(array, order)
    return None


def _elements(data: bytes, order: str, padded: bool = True) -> Iterator[tuple[int, bytes]]:
    """The type and bytes of each element. Those of an array are padded to 8 bytes, compressed ones are not."""
    position = 0
    while position + 8 <= len(data):
        kind, size = struct.unpack_from(f'{order}II', data, position)
        if kind >> 16:  # four bytes or fewer, in the tag itself
            kind, size = kind & 0xFFFF, kind >> 16
            yield kind, data[position + 4:position + 4 + size]
            position += 8
            continue
        body = data[position + 8:position + 8 + size]
        if len(body) < size:
            raise ValueError(f'an element of {size} bytes has {len(body)}')
        yield kind, body
        position += 8 + size + (-size % 8 if padded or kind != _COMPRESSED else 0)


def _array(body: bytes, order: str) -> _Array:
    parts = list(_elements(body, order))
    if len(parts) < 3:  # an empty field
        return _Array(0, (0, 0), '', [])
    flags = struct.unpack_from(f'{order}I', parts[0][1])[0]
    shape = struct.unpack(f'{order}{len(parts[1][1]) // 4}i', parts[1][1])
    return _Array(flags & 0xFF, shape, parts[2][1].decode(), parts[3:])


def _field(array: Optional[_Array], name: str, order: str) -> Optional[_Array]:
    """A field of a struct; None if it has none of that name."""
    if array is None or array.kind != _STRUCT:
        return None
    length = struct.unpack(f'{order}i', array.parts[0][1])[0]
    names = array.parts[1][1]
    fields = [names[i:i + length].split(b'\0')[0].decode() for i in range(0, len(names), length)]
    return _array(array.parts[2 + fields.index(name)][1], order) if name in fields else None


def _numbers(array: _Array, order: str) -> Optional[np.ndarray]:
    """The values; they are stored column by column, in the smallest type that takes them."""
    if array.kind not in _NUMBERS:
        return None
    kind, values = array.parts[0]
    stored = np.frombuffer(values, np.dtype(_TYPES[kind]).newbyteorder(order))
    return stored.reshape(array.shape, order='F').astype(stored.dtype.newbyteorder('='))
