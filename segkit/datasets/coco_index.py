"""The masks of an instances file, painted once and kept in one file; no registered class lives here.

The file lies in a cache folder. It is a sequence of blocks, each with its length and a checksum: first the facts it
depends on, then blocks of photos, at the end one that closes it. While it is made it grows block by block under
another name, so that one that was interrupted is gone on with; it gets its name when it is whole. Whoever reads it
later needs neither the annotations nor the memory they take: a mask is read from its place in the file.
"""
import hashlib
import json
import logging
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, Optional

import numpy as np
from mmengine.logging import print_log

from segkit.datasets.coco_annotations import read_instances, require_instances_file
from segkit.datasets.coco_masks import Photo, render_labels
from segkit.datasets.parallel import in_pieces, map_in_order
from segkit.datasets.progress import show_progress
from segkit.datasets.transforms.label_runs import encode_runs
from segkit.errors import DataError

VERSION = 1
PHOTOS_PER_BLOCK = 200
_BLOCK = struct.Struct('<4sQI')  # kind, length and checksum of what follows
_FACTS, _PHOTOS, _END = b'FACT', b'PHOT', b'END '
# What is known of a photo; begin and size are the place of its mask in the file.
ROW = np.dtype([('id', 'i8'), ('height', 'i4'), ('width', 'i4'), ('pixels', 'i8'), ('area', 'f8'), ('begin', 'i8'),
                ('size', 'i4')])


class CocoIndex(NamedTuple):
    """What a whole file holds: its path, a row for each photo (:data:`ROW`), and their file names as bytes.

    ``pixels`` counts those that are not background; ``area`` adds up what the annotations state. ``by_name`` sorts
    the names.
    """

    path: str
    rows: np.ndarray
    names: np.ndarray
    by_name: np.ndarray

    def row_of(self, name: str) -> np.void:
        """The row of the photo with that file name.

        Raises:
            KeyError: If there is none.
        """
        key = name.encode()
        place = int(np.searchsorted(self.names, key, sorter=self.by_name))
        if place == len(self.names) or self.names[self.by_name[place]] != key:
            raise KeyError(name)
        return self.rows[self.by_name[place]]


class DamagedIndexError(DataError):
    """A file of masks whose bytes are not those that were written, or that belongs to other annotations."""


def cache_folder() -> str:
    """Where indexes are kept unless a folder is named: below XDG_CACHE_HOME, or ~/.cache."""
    return str(Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'segkit' / 'coco_masks')


def require_index(ann_file: str, rule: str, folder: Optional[str] = None, processes: Optional[int] = None) -> CocoIndex:
    """The index of an instances file, made if there is none, or none that is whole and of this file and rule.

    One process at a time makes it, others that want it wait; this holds for the processes of a distributed run too.

    Args:
        ann_file: A local file.
        rule: As in :func:`~segkit.datasets.coco_masks.render_labels`.
        folder: Where indexes are kept; None takes :func:`cache_folder`.
        processes: As in :func:`~segkit.datasets.parallel.map_in_order`.

    Raises:
        DataError: If the annotations cannot be used, or the folder cannot be written.
    """
    require_instances_file(ann_file)
    state = os.stat(ann_file)
    facts = dict(version=VERSION, rule=rule, size=state.st_size,
                 sha256=_sha256(os.path.abspath(ann_file), state.st_size, state.st_mtime_ns))
    folder = cache_folder() if folder is None else folder
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
    stem = f'{Path(ann_file).stem}-{rule}-'
    path = os.path.abspath(os.path.join(folder, f'{stem}{key}.masks'))
    try:
        return open_index(path, facts)
    except (OSError, DamagedIndexError):
        pass  # looked at again below, where no other process works on it
    try:
        os.makedirs(folder, exist_ok=True)
        with _alone(path):
            found = _usable(path, facts)
            if found is None:
                _say_of_others(folder, stem, ann_file)
                _make(path, facts, ann_file, processes)
                found = open_index(path, facts)
    except OSError as error:
        raise DataError(f'The masks of {ann_file} cannot be kept in {folder}: {error.strerror or error}.\n'
                        'Name another folder with cache_dir (160 MB for train2017).') from error
    return found


def open_index(path: str, facts: Optional[dict] = None) -> CocoIndex:
    """Read an index and check every byte of it; again only if the file has changed.

    Args:
        path: The file.
        facts: What it must have been made from; None where that is known.

    Raises:
        DamagedIndexError: If it is not whole, or is of something else.
        OSError: If there is none.
    """
    state = os.stat(path)
    index, of = _read(path, state.st_size, state.st_mtime_ns)
    if facts is not None and of != facts:
        other = next(name for name in facts if of.get(name) != facts[name])
        raise DamagedIndexError(f'{path} is of another {other}: {of.get(other)} instead of {facts[other]}')
    return index


@lru_cache(maxsize=16)
def _read(path: str, size: int, mtime: int) -> tuple[CocoIndex, dict]:
    rows, names, facts, ended = [], [], {}, False
    with open(path, 'rb') as file:
        for kind, begin, body in _blocks(file):
            if kind == _FACTS:
                facts = json.loads(body)
            elif kind == _PHOTOS:
                block_rows, block_names = _rows_of(body, begin)
                rows.append(block_rows)
                names += block_names
            ended = kind == _END and begin + len(body) == size
    if not ended:
        raise DamagedIndexError(f'{path} is damaged or cut short')
    packed = np.array([name.encode() for name in names])
    return CocoIndex(path, np.concatenate(rows), packed, packed.argsort(kind='stable')), facts


@lru_cache(maxsize=16)
def _sha256(path: str, size: int, mtime: int) -> str:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _usable(path: str, facts: dict) -> Optional[CocoIndex]:
    """The index, or None if it has to be made; of one that is no good, which is said, the sound start is kept."""
    try:
        return open_index(path, facts)
    except FileNotFoundError:
        return None
    except DamagedIndexError as error:
        print_log(f'{error}: it is made anew.', 'current', logging.WARNING)
        os.replace(path, f'{path}.part')
        return None


def _say_of_others(folder: str, stem: str, ann_file: str) -> None:
    others = [name for name in sorted(os.listdir(folder)) if name.startswith(stem) and name.endswith('.masks')]
    if others:
        print_log(f'{ann_file} is not the file that {folder}/{others[0]} was made from: its masks are made now. The '
                  'old ones can be deleted if that file is gone.', 'current')


@contextmanager
def _alone(path: str) -> Iterator[None]:
    """Hold what only one process at a time may; the system lets go of it when a process ends, however it ends."""
    import fcntl  # not on Windows
    with open(f'{path}.lock', 'a') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print_log(f'Another process makes {path}; waiting for it.', 'current')
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(path: str, facts: dict, ann_file: str, processes: Optional[int]) -> None:
    """Write the index, from where an interrupted one ends."""
    print_log(f'Painting the masks of {ann_file} once, for this and later runs ({path}).', 'current')
    photos = read_instances(ann_file)
    part = f'{path}.part'
    with open(part, 'a+b') as file:
        end, done = _sound_part(file, facts)
        file.truncate(end)
        if not end:
            _append(file, _FACTS, json.dumps(facts).encode())
        if done:
            print_log(f'{done} of {len(photos)} photos were painted before.', 'current')
        bar = iter(show_progress(range(len(photos)), 'photos', done))
        painted = map_in_order(partial(_paint, rule=facts['rule'], source=ann_file),
                               in_pieces(photos[done:], PHOTOS_PER_BLOCK), processes)
        for body, count in painted:
            _append(file, _PHOTOS, body)
            file.flush()
            for _ in islice(bar, count):
                pass
        next(bar, None)
        _append(file, _END, b'')
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _sound_part(file: BinaryIO, facts: dict) -> tuple[int, int]:
    """Where the whole blocks of an unfinished index end, and how many photos they hold; 0 if it is of other facts."""
    end = done = 0
    file.seek(0)
    for kind, begin, body in _blocks(file):
        if kind == _END or (kind == _FACTS) != (end == 0) or (kind == _FACTS and json.loads(body) != facts):
            break
        done += len(_rows_of(body, begin)[0]) if kind == _PHOTOS else 0
        end = begin + len(body)
    return end, done


def _paint(photos: Sequence[Photo], rule: str, source: str) -> tuple[bytes, int]:
    """The body of a block, and how many photos it holds; ``begin`` of its rows counts from the first mask."""
    rows, masks = np.zeros(len(photos), ROW), []
    for i, photo in enumerate(photos):
        try:
            labels = render_labels(photo, rule)
        except DataError as error:
            raise DataError(f'{source}: {error}\nDownload the file again, or take the annotation out of it.') from error
        mask = encode_runs(labels)
        begin = rows[i - 1]['begin'] + rows[i - 1]['size'] if i else 0
        rows[i] = (photo.id, photo.height, photo.width, np.count_nonzero(labels),
                   sum(instance.area for instance in photo.instances), begin, len(mask))
        masks.append(mask)
    names = json.dumps([photo.file_name for photo in photos]).encode()
    return b''.join([struct.pack('<II', len(photos), len(names)), rows.tobytes(), names, *masks]), len(photos)


def _rows_of(body: bytes, begin: int) -> tuple[np.ndarray, list[str]]:
    """The rows and file names in the body of a block that starts at byte ``begin`` of the file."""
    count, length = struct.unpack_from('<II', body)
    rows = np.frombuffer(body, ROW, count, offset=8).copy()
    first = 8 + rows.nbytes + length
    rows['begin'] += begin + first
    return rows, json.loads(body[8 + rows.nbytes:first])


def _append(file: BinaryIO, kind: bytes, body: bytes) -> None:
    file.write(_BLOCK.pack(kind, len(body), zlib.crc32(body, zlib.crc32(kind))) + body)


def _blocks(file: BinaryIO) -> Iterator[tuple[bytes, int, bytes]]:
    """Kind, first byte and body of each block, up to the first that is damaged or cut short."""
    size = os.fstat(file.fileno()).st_size
    while len(head := file.read(_BLOCK.size)) == _BLOCK.size:
        kind, length, checksum = _BLOCK.unpack(head)
        begin = file.tell()
        if begin + length > size:
            return
        body = file.read(length)
        if zlib.crc32(body, zlib.crc32(kind)) != checksum:
            return
        yield kind, begin, body
