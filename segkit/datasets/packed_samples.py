"""The files of samples that are packed: reading them, and comparing them with what was packed; no registered class."""
import os
import zlib
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple, Optional

import numpy as np

from segkit.datasets.listing import is_local
from segkit.datasets.packed_records import COLORS, FORMATS, IMAGE, MASK, ROW
from segkit.datasets.parallel import in_pieces, map_in_order
from segkit.datasets.progress import show_progress
from segkit.datasets.transforms.image_file import check_whole, content_header, decode_image, decode_mask, read_bytes
from segkit.errors import DataError

AT_ONCE = 16  # samples that a process gets; those of Cityscapes are 2.5 MB each


class Sample(NamedTuple):
    """The files of a sample, and their names in a pack; those of the mask are '' where there is none."""

    img_path: str
    seg_path: str
    img_name: str
    seg_name: str
    backend_args: Optional[dict]

    @property
    def names(self) -> list[str]:
        """The names as an index keeps them."""
        return [self.img_name, self.seg_name]


class ReadSamples(NamedTuple):
    """Some samples: their rows, (image, mask) of each, and why those without usable files are left out."""

    rows: np.ndarray
    contents: list[tuple[bytes, bytes]]
    reasons: list[str]


def read_samples(samples: Sequence[Sample], skips: bool) -> ReadSamples:
    """Read the files of some samples, and look whether each is whole.

    Args:
        samples: The samples.
        skips: Leave out what cannot be used, instead of raising.

    Raises:
        DataError: If a file cannot be used.
    """
    rows, contents, reasons = np.zeros(len(samples), ROW), [], []
    for row, sample in zip(rows, samples):
        try:
            for kind, path in ((IMAGE, sample.img_path), (MASK, sample.seg_path)):
                row[kind]['mtime_ns'] = _size_and_time(path, sample.backend_args)[1] if path else 0
            contents.append((_read(row[IMAGE], sample.img_path, False, sample.backend_args),
                             _read(row[MASK], sample.seg_path, True, sample.backend_args) if sample.seg_path else b''))
            reasons.append('')
        except DataError as error:
            if not skips:
                raise
            reasons.append(' '.join(str(error).split()))
            contents.append((b'', b''))
            for kind in (IMAGE, MASK):
                row[kind]['size'] = 0
    return ReadSamples(rows, contents, reasons)


def difference(samples: Sequence[Sample], rows: np.ndarray, names: Sequence[Sequence[str]],
               processes: Optional[int] = None) -> Optional[tuple[int, str]]:
    """The first sample that differs from its row, and in what; None where all are as they were packed.

    A file of the same size and time is taken for the same; of one with another time the bytes are compared.

    Args:
        samples: The samples, in order.
        rows: (N,) of :data:`ROW`, those that were packed.
        names: Their names.
        processes: As for :func:`map_in_order`.
    """
    for number, (sample, there) in enumerate(zip(samples, names)):
        if sample.names != list(there[:2]):
            return number, f'sample {number} is {there[0]} in it and {sample.img_name} in the config'
    count = min(len(samples), len(rows))
    pieces = zip(in_pieces(islice(samples, count), AT_ONCE),
                 (rows[start:start + AT_ONCE] for start in range(0, count, AT_ONCE)))
    bar, number = iter(show_progress(range(count), 'samples compared')), 0
    for found in map_in_order(_compare, pieces, processes):
        if found is not None:
            return number + found[0], f'{found[1]} has changed since it was packed'
        number += sum(1 for _ in islice(bar, AT_ONCE))
    next(bar, None)
    return None if len(samples) == len(rows) else (count, f'it has {len(rows)} samples, the config {len(samples)}')


def bytes_of(samples: Sequence[Sample]) -> list[int]:
    """The sizes of all files; of those that are no local files, that of some is taken for the others."""
    files = [(path, one.backend_args) for one in samples for path in (one.img_path, one.seg_path) if path]
    local = [(path, args) for path, args in files if is_local(path, args)]
    others = [one for one in files if not is_local(*one)]
    sizes = [_size_and_time(*one)[0] for one in local]
    some = [len(read_bytes(*others[i])) for i in np.unique(np.linspace(0, len(others) - 1, 32).astype(int))] \
        if others else []
    return sizes + [int(np.mean(some))] * len(others) if others else sizes


def _size_and_time(path: str, backend_args: Optional[dict]) -> tuple[int, int]:
    """Bytes and time of a file; zeros where it is none of its own, or is missing, which reading it says."""
    if not is_local(path, backend_args):
        return 0, 0
    try:
        state = os.stat(path)
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


def _read(facts: np.void, path: str, mask: bool, backend_args: Optional[dict]) -> bytes:
    """The bytes of a file; what is known of it goes into ``facts``."""
    data = read_bytes(path, backend_args)
    check_whole(data, path)
    header = content_header(data)
    if header is None:  # of a format that only decoders read
        shape = (decode_mask if mask else decode_image)(data, path).shape
        facts['height'], facts['width'] = shape[:2]
    else:
        facts['height'], facts['width'], facts['orientation'] = header.height, header.width, header.orientation
        facts['format'] = FORMATS.index(header.format)
        facts['color'] = COLORS.index(header.color if header.color in COLORS else 'unknown')
    facts['size'], facts['crc32'] = len(data), zlib.crc32(data)
    return data


def _compare(piece: tuple[Sequence[Sample], np.ndarray]) -> Optional[tuple[int, str]]:
    for number, (sample, row) in enumerate(zip(*piece)):
        left_out = row[IMAGE]['size'] == 0
        for kind, path in ((IMAGE, sample.img_path), (MASK, sample.seg_path)):
            if path and not _unchanged(row[kind], path, sample.backend_args, left_out):
                return number, path
    return None


def _unchanged(facts: np.void, path: str, backend_args: Optional[dict], left_out: bool) -> bool:
    size, time = _size_and_time(path, backend_args)
    if left_out:
        return time == facts['mtime_ns']
    if time and size != facts['size']:
        return False
    if time and time == facts['mtime_ns']:
        return True
    try:
        data = read_bytes(path, backend_args)
    except DataError:
        return False
    return len(data) == facts['size'] and zlib.crc32(data) == facts['crc32']
