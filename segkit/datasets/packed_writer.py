"""Writing a file of packed records: several processes read, one writes; no registered class lives here.

The file grows under another name, some megabytes at a time, each with its part of the index. One that was interrupted
is gone on with, as far as the files are still those it holds. It gets its name when every record was read back.
"""
import errno
import json
import mmap
import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from types import ModuleType
from typing import Any, Optional

import numpy as np

from segkit.datasets.packed_file import forget_pack
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
    encode_block,
    record_key,
    sealed,
)
from segkit.datasets.packed_samples import AT_ONCE, ReadSamples, Sample, bytes_of, difference, read_samples
from segkit.datasets.packed_verify import damaged_records
from segkit.datasets.parallel import in_pieces, map_in_order
from segkit.datasets.progress import show_progress
from segkit.errors import ConfigError, DataError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

BLOCK = 32 << 20  # bytes of records that are written at once
_PAGE = min(mmap.PAGESIZE, 32768)  # what LMDB takes for a new file; its largest is 32 KB


def require_lmdb() -> ModuleType:
    """The package ``lmdb``.

    Raises:
        ConfigError: If it is not installed; it says how to install it.
    """
    try:
        import lmdb
    except ImportError as error:
        raise ConfigError('To write packed records needs the package lmdb, which is not installed.\n'
                          'Install it: pip install lmdb. (To read them needs no package.)') from error
    return lmdb


def write_pack(path: str, facts: PackFacts, samples: Sequence[Sample], skip_limit: int = 0,
               processes: Optional[int] = None) -> list[str]:
    """Write a pack, in place of one that may lie there.

    Args:
        path: The file.
        facts: What goes into its header.
        samples: The files to pack, in order.
        skip_limit: How many samples may be without records because a file of theirs cannot be used.
        processes: How many read, as for :func:`map_in_order`.

    Returns:
        Why those that were left out by this call cannot be used.

    Raises:
        ConfigError: If the package lmdb is missing.
        DataError: If a file cannot be used, another process writes this pack, the disk has no room, or what was written
            is not read back alike.
    """
    lmdb, part = require_lmdb(), f'{path}.part'
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    with _alone(part):
        claim = _claim(facts, samples)
        blocks, done = _sound_start(part, claim, samples, processes)
        need = _require_room(path, samples[done:])
        try:
            with lmdb.open(part, subdir=False, lock=False, map_size=os.path.getsize(part) + need) as env:
                writer = _Writer(lmdb, env, blocks, done)
                writer.begin(claim)
                left_out = writer.write(samples, skip_limit, processes)
                writer.finish(facts)
        except lmdb.Error as error:
            free = shutil.disk_usage(os.path.dirname(path) or '.').free
            raise DataError(f'{part} could not be written: {error}. {free / 1e6:,.1f} MB are free on that disk.\nStart '
                            'the same command again when that is mended; it goes on from there.') from error
        faults = damaged_records(part, processes)
        forget_pack(part)
        if faults:
            os.truncate(part, 0)
            raise DataError(f'{len(faults)} records of {part} are not read back as they were written; first:\n'
                            f'{faults[0]}\nThe disk or the memory of this machine is damaged: write to another place.')
        os.replace(part, path)
    return left_out


class _Writer:
    """Puts records and index into an open file.

    Args:
        lmdb: The package.
        env: The file.
        blocks: The parts of the index that it keeps.
        done: So many samples they tell of.
    """

    def __init__(self, lmdb: ModuleType, env: Any, blocks: list[bytes], done: int) -> None:
        self.lmdb, self.env, self.blocks, self.done = lmdb, env, list(blocks), done

    def begin(self, claim: bytes) -> None:
        """Remove what is not kept of an interrupted file, and claim it for these samples."""
        first_record, first_block = record_key(self.done, ''), block_key(len(self.blocks))
        with self.env.begin() as txn:
            keys = [key for key, _ in txn.cursor()]
        gone = [key for key in keys if key == HEADER or key == HEADER_SUM
                or (key >= first_record if key[:1].isdigit() else key[:6] == b'index/' and key >= first_block)]
        self._put([(CLAIM, claim)], gone)

    def write(self, samples: Sequence[Sample], skip_limit: int, processes: Optional[int]) -> list[str]:
        """Read and write what is missing; tell why samples were left out."""
        bar = iter(show_progress(range(len(samples)), 'samples packed', self.done))
        pieces = in_pieces(islice(samples, self.done, None), AT_ONCE)
        left_out, batch, size = [], [], 0
        before = sum(int((decode_block(block)[0][IMAGE]['size'] == 0).sum()) for block in self.blocks)
        for read in map_in_order(partial(read_samples, skips=skip_limit > 0), pieces, processes):
            batch.append(read)
            size += sum(map(len, (data for pair in read.contents for data in pair)))
            left_out += filter(None, read.reasons)
            if before + len(left_out) > skip_limit:
                raise DataError(f'{before + len(left_out)} samples cannot be used, more than the {skip_limit} that '
                                f'bad_samples.limit allows.\nFirst: {left_out[0]}\nMend them, or raise the limit.')
            if size >= BLOCK:
                self._put_block(batch, samples)
                batch, size = [], 0
            for _ in islice(bar, len(read.rows)):
                pass
        if batch:
            self._put_block(batch, samples)
        next(bar, None)
        return left_out

    def finish(self, facts: PackFacts) -> None:
        """Write the header, which tells that the file is whole."""
        index = b''.join(self.blocks)
        header, header_sum = sealed(dict(
            format=FORMAT, version=VERSION, **facts.plain(), blocks=len(self.blocks),
            index_sha256=checksum(index).decode()))
        self._put([(HEADER, header), (HEADER_SUM, header_sum)])

    def _put_block(self, batch: Sequence[ReadSamples], samples: Sequence[Sample]) -> None:
        contents = [pair for read in batch for pair in read.contents]
        rows = np.concatenate([read.rows for read in batch])
        reasons = [reason for read in batch for reason in read.reasons]
        block = encode_block(rows, [[*sample.names, reason] if reason else sample.names for sample, reason in zip(
            samples[self.done:self.done + len(rows)], reasons)])
        records = [(record_key(number, kind), data) for number, pair in enumerate(contents, self.done)
                   for kind, data in zip((IMAGE, MASK), pair) if data]
        self._put([*records, (block_key(len(self.blocks)), block)])
        self.blocks.append(block)
        self.done += len(rows)

    def _put(self, records: Sequence[tuple[bytes, bytes]], gone: Sequence[bytes] = ()) -> None:
        """Write some records and remove others, all or none."""
        while True:
            try:
                with self.env.begin(write=True) as txn:
                    for key in gone:
                        txn.delete(key)
                    for key, data in records:
                        txn.put(key, data)
                return
            except self.lmdb.MapFullError:  # files have grown since their sizes were asked for
                self.env.set_mapsize(2 * self.env.info()['map_size'])


@contextmanager
def _alone(part: str) -> Iterator[None]:
    """Hold the unfinished file, which is made if it is not there; the system lets go of it when a process ends."""
    with open(part, 'ab') as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = not os.path.exists(part) or not os.path.samestat(os.fstat(file.fileno()), os.stat(part))
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise  # a file system without locks
            taken = True
        if taken:
            raise DataError(f'Another process writes {part}.\nWait for it, or write to another folder.')
        yield


def _claim(facts: PackFacts, samples: Sequence[Sample]) -> bytes:
    """What an unfinished file is of, as a hash."""
    return checksum(json.dumps([VERSION, facts.plain(), [sample.names for sample in samples]]).encode())


def _sound_start(part: str, claim: bytes, samples: Sequence[Sample],
                 processes: Optional[int]) -> tuple[list[bytes], int]:
    """The blocks of the index that an interrupted file has rightly, and how many samples they tell of.

    A file of other data, or one that is damaged, is emptied.
    """
    if os.path.getsize(part) == 0:
        return [], 0
    blocks, parts, reason = [], [], 'of other files or classes'
    try:
        with open(part, 'rb') as file:
            places = read_pages(file, part)

            def value(key: bytes) -> bytes:
                file.seek(places[key].begin)
                return file.read(places[key].size)

            if CLAIM in places and value(CLAIM) == claim:
                reason = ''  # ours; a pack that was stopped before its first block holds nothing that is lost
                while block_key(len(blocks)) in places:
                    blocks.append(value(block_key(len(blocks))))
                parts = [decode_block(block) for block in blocks]
    except (DamagedPackError, ValueError, struct.error):
        blocks, reason = [], 'damaged'
    if not blocks:
        if reason:
            print(f'{part}, which an interrupted run has left, is {reason}: it is begun anew.', flush=True)
        os.truncate(part, 0)
        return [], 0
    rows = np.concatenate([rows for rows, _ in parts])
    print(f'{len(rows)} of {len(samples)} samples were packed before.', flush=True)
    other = difference(samples[:len(rows)], rows, [pair for _, pairs in parts for pair in pairs], processes)
    sound, done = [], 0
    for block, (rows, _) in zip(blocks, parts):
        if other is not None and done + len(rows) > other[0]:
            print(f'Going on from sample {done}: {other[1]}.', flush=True)
            break
        sound.append(block)
        done += len(rows)
    return sound, done


def _require_room(path: str, samples: Sequence[Sample]) -> int:
    """Bytes that the samples will take, at most.

    Raises:
        DataError: If the disk has not so many.
    """
    sizes = bytes_of(samples)
    need = sum(_PAGE * -(-(size + 16) // _PAGE) for size in sizes) + 300 * len(sizes) + (4 << 20)
    free = shutil.disk_usage(os.path.dirname(path) or '.').free
    if need > free:
        raise DataError(f'{path} needs {need / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free on that disk.\n'
                        'Make room, or name another OUT_DIR.')
    return need
