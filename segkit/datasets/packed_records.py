"""What a file of packed records holds, and how it is written down; no registered class lives here.

The file is an LMDB file with one table:

- ``000000012/image`` and ``000000012/mask``: the bytes of sample 12's two files, unchanged.
- ``index/000003``: rows (:data:`ROW`) and names of some samples, in order; behind each other they tell of all.
- ``header``: JSON: what the records are of, how labels are meant, and a sha256 of the index; ``header_sha256`` is its
  own. A file that is being written has none.
- ``claim``: a sha256 of what is packed, by which a file that is being written is known again.
"""
import hashlib
import json
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from segkit.datasets.image_header import ImageHeader

FORMAT, VERSION = 'segkit pack', 1
SUFFIX = '.lmdb'
HEADER, HEADER_SUM, CLAIM = b'header', b'header_sha256', b'claim'
IMAGE, MASK = 'image', 'mask'
# Packs hold places in these two; what is new goes to the end.
FORMATS = ('', 'JPEG', 'PNG', 'run lengths')  # '' is any other that decoders read
COLORS = ('', 'grey', 'RGB', 'palette', 'grey and alpha', 'RGBA', 'unknown', 'CMYK')
# A file: its bytes, their CRC-32, when it was last changed (0 if it was no file of its own), and what its header says.
FILE = np.dtype([('size', '<u4'), ('crc32', '<u4'), ('mtime_ns', '<i8'), ('height', '<i4'), ('width', '<i4'),
                 ('format', 'u1'), ('color', 'u1'), ('orientation', 'u1')])
# A sample; an image of 0 bytes is that of a sample whose files could not be used, and are not in the pack.
ROW = np.dtype([(IMAGE, FILE), (MASK, FILE)])
_BLOCK = struct.Struct('<II')  # samples, bytes of their names


class PackFacts(NamedTuple):
    """What the records are of, and how their labels are meant.

    Attributes:
        dataset: Name of the dataset class that they were packed from.
        classes: Its classes, as that dataset was configured.
        palette: RGB of each.
        label_map: Stored label to class index, or None.
        reduce_zero_label: Whether label 0 is void and class k is stored as k + 1.
        ignore_index: The label of pixels that do not count.
        masks: Whether there are masks.
    """

    dataset: str
    classes: tuple[str, ...]
    palette: list[list[int]]
    label_map: Optional[dict[int, int]]
    reduce_zero_label: bool
    ignore_index: int
    masks: bool

    def plain(self) -> dict[str, Any]:
        """The same as JSON keeps it."""
        pairs = None if self.label_map is None else [list(pair) for pair in self.label_map.items()]
        return {**self._asdict(), 'classes': list(self.classes), 'label_map': pairs}

    @classmethod
    def of_plain(cls, plain: dict[str, Any]) -> 'PackFacts':
        """From :meth:`plain`, other entries aside."""
        own = {key: plain[key] for key in cls._fields}
        pairs = own['label_map']
        return cls(**{**own, 'classes': tuple(own['classes']), 'label_map': None if pairs is None else dict(pairs)})


def record_key(number: int, kind: str) -> bytes:
    """The key of the image or mask of a sample."""
    return b'%09d/%s' % (number, kind.encode())


def block_key(number: int) -> bytes:
    """The key of a block of the index."""
    return b'index/%06d' % number


def sealed(facts: dict[str, Any]) -> tuple[bytes, bytes]:
    """A header and its checksum."""
    header = json.dumps(facts, indent=1).encode()
    return header, checksum(header)


def checksum(data: bytes) -> bytes:
    """The sha256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest().encode()


def encode_block(rows: np.ndarray, names: Sequence[Sequence[str]]) -> bytes:
    """A block of the index: the rows (:data:`ROW`), and for each sample the names of its two files.

    A third text behind them says why the files of that sample could not be used.
    """
    text = json.dumps(list(names)).encode()
    return _BLOCK.pack(len(rows), len(text)) + rows.tobytes() + text


def decode_block(data: bytes) -> tuple[np.ndarray, list[list[str]]]:
    """The rows and names of :func:`encode_block`."""
    count, _ = _BLOCK.unpack_from(data)
    rows = np.frombuffer(data, ROW, count, offset=_BLOCK.size)
    return rows, json.loads(data[_BLOCK.size + rows.nbytes:])


def image_header(facts: np.void) -> Optional[ImageHeader]:
    """The header of a file, from its row (:data:`FILE`); None for formats whose header is not read."""
    kind = FORMATS[facts['format']]
    if not kind:
        return None
    return ImageHeader(kind, int(facts['width']), int(facts['height']), COLORS[facts['color']], True,
                       int(facts['orientation']))
