"""Reading a file of packed records; no registered class lives here.

The records are read by their place, not through LMDB's map of the file. A map ends the process (SIGBUS) where the file
is cut short in use or a network disk fails, which a read tells by an error; it must not be carried into another
process; and records in any order suit it badly: with its readahead the disk reads several times what is asked for,
without it each 4 KB alone (measured in docs/packed.md). The package ``lmdb`` is only needed to write.
"""
import json
import os
import zlib
from typing import Any, NamedTuple

import numpy as np

from segkit.datasets.packed_pages import DamagedPackError, read_pages
from segkit.datasets.packed_records import (
    CLAIM,
    FORMAT,
    HEADER,
    HEADER_SUM,
    IMAGE,
    MASK,
    VERSION,
    PackFacts,
    block_key,
    checksum,
    decode_block,
    record_key,
)
from segkit.errors import DataError

TOOL = 'tools/dataset_converters/pack.py'
AGAIN = f'Copy the pack again, or make it anew: {TOOL} CONFIG OUT_DIR --overwrite.'
_opened: dict[str, 'Pack'] = {}


class Names(NamedTuple):
    """What a sample's files were called below their data root; the mask's is '' where there is none."""

    image: str
    mask: str


class Pack:
    """A file of packed records. What it says of itself is checked when it is opened, a record when it is read.

    Attributes:
        path: The file.
        facts: What the records are of.
        rows: What is known of each sample (:data:`~segkit.datasets.packed_records.ROW`).
        left_out: Samples whose files could not be used when the pack was made, and why: they have no records.
        identity: The sha256 of its index; packs of other files have another one.

    Args:
        path: The file.

    Raises:
        DamagedPackError: If its bytes are not those that were written, as far as they are no records.
        DataError: If there is no such file, or it is no finished pack of this version.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._file = open(path, 'rb', buffering=0)
        except OSError as error:
            raise DataError(f'The pack {path} cannot be read: {error.strerror} (dataset key ann_file).\n'
                            f'Correct ann_file or data_root, or make it: {TOOL} CONFIG OUT_DIR.') from error
        self.state = _state(os.fstat(self._file.fileno()))
        try:
            self._values = read_pages(self._file, path)
            self._read_index(self._read_header())
        except DamagedPackError as error:
            raise DamagedPackError(f'{error}\n{AGAIN}') from None
        if hasattr(os, 'posix_fadvise'):  # in any order: else the disk reads three times what is asked for
            os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)

    def __len__(self) -> int:
        return len(self.rows)

    def names(self, number: int) -> Names:
        """The names of a sample's files."""
        return Names(*(os.fsdecode(bytes(names[number])) for names in self._names))

    def read(self, number: int, kind: str) -> bytes:
        """The bytes of a sample's image or mask.

        Raises:
            DamagedPackError: If they are not those that were packed; it says by what that is told, not of which record.
            OSError: If the file cannot be read.
        """
        size = int(self.rows[kind]['size'][number])
        data = self._read_at(int(self._begins[kind][number]), size)
        if len(data) < size:
            raise DamagedPackError(f'the file was cut short: {len(data):,} of its {size:,} bytes are there')
        crc32, packed = zlib.crc32(data), int(self.rows[kind]['crc32'][number])
        if crc32 != packed:
            raise DamagedPackError(f'its checksum is {crc32:08x} instead of {packed:08x}')
        return data

    def _read_at(self, begin: int, size: int) -> bytes:
        if hasattr(os, 'pread'):
            return os.pread(self._file.fileno(), size, begin)
        with open(self.path, 'rb') as file:  # Windows, where threads would share one place in the file
            file.seek(begin)
            return file.read(size)

    def _value(self, key: bytes) -> bytes:
        return self._read_at(*self._values[key]) if key in self._values else b''

    def _read_header(self) -> dict[str, Any]:
        if HEADER not in self._values:
            raise DataError(
                f'The pack {self.path} is not finished: its converter was stopped, or the file is damaged.\nStart that '
                'command again; it goes on from there.' if CLAIM in self._values else
                f'{self.path} is an LMDB file, but no pack of segkit: it has no header.\nPacks are made by {TOOL}.')
        text = self._value(HEADER)
        if self._value(HEADER_SUM) != checksum(text):
            raise DamagedPackError(f'The pack {self.path} is damaged: the checksum of its header is wrong.')
        header = json.loads(text)
        if header.get('format') != FORMAT or header.get('version') != VERSION:
            raise DataError(f'{self.path} is a pack of version {header.get("version")}; this segkit reads version '
                            f'{VERSION}.\nMake it anew ({TOOL} CONFIG OUT_DIR --overwrite), or use the segkit that '
                            'made it.')
        self.facts = PackFacts.of_plain(header)
        return header

    def _read_index(self, header: dict[str, Any]) -> None:
        blocks = [self._value(block_key(k)) for k in range(header['blocks'])]
        self.identity = checksum(b''.join(blocks)).decode()
        if self.identity != header['index_sha256']:
            raise DamagedPackError(f'The pack {self.path} is damaged: the checksum of its index is wrong.')
        parts = [decode_block(block) for block in blocks]
        self.rows = np.concatenate([rows for rows, _ in parts])
        names = [pair for _, pairs in parts for pair in pairs]
        self._names = [np.array([os.fsencode(pair[i]) for pair in names]) for i in (0, 1)]
        self.left_out = {number: pair[2] for number, pair in enumerate(names) if pair[2:]}
        self._begins = {kind: np.zeros(len(self.rows), np.int64) for kind in (IMAGE, MASK)}
        for kind in (IMAGE, MASK) if self.facts.masks else (IMAGE,):
            sizes, begins = self.rows[kind]['size'].tolist(), self._begins[kind]
            for number in range(len(self.rows)):
                if number in self.left_out:
                    continue
                value = self._values.get(record_key(number, kind))
                if value is None or value.size != sizes[number]:
                    raise DamagedPackError(f'The pack {self.path} is damaged: the {kind} of {self.names(number).image} '
                                           'is missing in it, or of another size.')
                begins[number] = value.begin
        del self._values  # some hundred bytes a sample, and every loader process would have them


def open_pack(path: str) -> Pack:
    """The pack in a file; one that was opened before, by this process or the one it was forked from, unless it changed.

    Raises:
        DataError: As :class:`Pack` does.
    """
    known = _opened.get(path)
    try:
        same = known is not None and known.state == _state(os.stat(path))
    except OSError:
        same = False
    if not same:
        _opened[path] = Pack(path)
    return _opened[path]


def pack_in_use(path: str) -> Pack:
    """The pack that this process has opened, although another file may lie in its place now; else :func:`open_pack`."""
    return _opened.get(path) or open_pack(path)


def forget_pack(path: str) -> None:
    """Close a pack whose file gets another name."""
    _opened.pop(path, None)


def _state(stat: os.stat_result) -> tuple[int, int, int, int]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
