"""Compare packed records with the folder they were made from: the same samples, how fast, how large, what damage says.

    python tools/benchmarks/packed.py --data-root data/VOCdevkit/VOC2012

Packs photos of PASCAL VOC into a temporary folder, draws every sample from both with the same seed through the whole
training pipeline, and compares them. Then the two take turns block by block (A B, B A, ...) in one process and one
thread; told are medians. What needs no disk is told by processor time, so that other work on the machine counts little.
For a cold cache the system is asked to forget the files before each block (posix_fadvise), and it is looked whether it
did. Last the pack is damaged in many ways. The figures go between the marks in docs/packed.md. Linux only.
"""
import argparse
import ctypes
import mmap
import os
import random
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from data_pipeline import machine  # noqa: E402
from data_pipeline_side import PIPELINE, digest  # noqa: E402
from marked_page import check, put  # noqa: E402
from packed_damage import damage_table  # noqa: E402

from segkit.apis.arguments import Parser  # noqa: E402
from segkit.apis.cli import run  # noqa: E402
from segkit.errors import ConfigError, DataError  # noqa: E402

ROOT = Path(__file__).parents[2]
MARKS = 'tools/benchmarks/packed.py'
LOAD = PIPELINE[:2]
SIDES = ('folder', 'pack')


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get('SEGKIT_DATA')
    parser.add_argument('--data-root', type=Path, default=Path(data, 'VOC2012') if data else None,
                        help='VOC2012 folder (default: $SEGKIT_DATA/VOC2012)')
    parser.add_argument('--split', default='trainval', help='a list in ImageSets/Segmentation (default: %(default)s)')
    parser.add_argument('--samples', type=int, default=500, help='samples that are packed and compared (default: 500)')
    parser.add_argument('--timed', type=int, default=100, help='of them, how many are timed (default: %(default)s)')
    parser.add_argument('--blocks', type=int, default=5,
                        help='blocks of each side; three times as many cold ones (default: %(default)s)')
    parser.add_argument('--work-dir', type=Path, help='where the pack is made (default: a temporary folder)')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/packed.md', metavar='FILE',
                        help='page that gets the figures, between its marks or at its end (default: docs/packed.md)')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    args = parser.parse_args(argv)
    if args.data_root is None:
        raise ConfigError('Give --data-root, the VOC2012 folder, or set SEGKIT_DATA to the folder that holds it.')
    return args


def build_sides(args: argparse.Namespace, folder: Path) -> tuple[dict[str, dict], Path]:
    """The configs of the two datasets, and the pack."""
    from mmengine.config import Config

    from segkit.apis.pack import pack_splits

    own = dict(type='PascalVOCDataset', data_root=str(args.data_root), indices=args.samples,
               ann_file=f'ImageSets/Segmentation/{args.split}.txt',
               data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'))
    pack_splits(Config(dict(train_dataloader=dict(dataset=own))), str(folder), ['train'])
    return dict(folder=own, pack=dict(type='PackedDataset', ann_file=str(folder / 'train.lmdb'))), folder / 'train.lmdb'


def with_pipeline(config: dict, pipeline: list) -> Any:
    """The dataset that gives what a pipeline makes."""
    from segkit.registry import DATASETS
    return DATASETS.build({**config, 'pipeline': pipeline})


def identical(sides: dict[str, dict]) -> tuple[int, int]:
    """How many samples both give alike, drawn with the same seeds, and how many there are."""
    from segkit.datasets import SeededDataset
    from segkit.datasets.draw_sampler import Draw
    one, other = (SeededDataset(with_pipeline(sides[side], PIPELINE)) for side in SIDES)
    draws = [Draw(i, 1000 + i) for i in range(len(one))]
    return sum(digest(one[draw]) == digest(other[draw]) for draw in draws), len(draws)


def forget(files: Sequence[Path]) -> float:
    """Ask the system to forget what it holds of files; the share of their pages that it then does not have."""
    pages = held = 0
    for path in files:
        with open(path, 'rb') as file:
            os.fsync(file.fileno())  # what is not on the disk yet would be kept
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
                states = held_pages(content)
        pages, held = pages + len(states), held + int(states.sum())
    return 1 - held / pages


def held_pages(content: mmap.mmap) -> np.ndarray:
    """Which pages of a mapped file the system holds, without reading any."""
    states = np.zeros(-(-len(content) // mmap.PAGESIZE), np.uint8)
    address = np.frombuffer(content, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mincore(ctypes.c_void_p(address.ctypes.data), ctypes.c_size_t(len(content)),
                    ctypes.c_void_p(states.ctypes.data)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    del address  # a mapping that is looked at cannot be closed
    return states & 1


class Times(NamedTuple):
    """Seconds of one pass over samples: by the clock, and of processor time."""

    wall: float
    cpu: float


def timed(work: Callable[[int], Any], order: Sequence[int]) -> Times:
    """The times of one pass over some samples."""
    wall, cpu = time.perf_counter(), time.process_time()
    for number in order:
        work(number)
    return Times(time.perf_counter() - wall, time.process_time() - cpu)


def turns(works: dict[str, Callable], order: Sequence[int], blocks: int,
          before: Callable[[str], Any]) -> dict[str, list]:
    """The times of each block of each side; ``before`` is called with the side ahead of its block."""
    times: dict[str, list] = {side: [] for side in works}
    for block in range(blocks):
        for side in list(works) if block % 2 == 0 else list(works)[::-1]:
            before(side)
            times[side].append(timed(works[side], order))
        print(f'block {block + 1} of {blocks}', file=sys.stderr, flush=True)
    return times


def readers(sides: dict[str, dict]) -> dict[str, Callable]:
    """Functions that read a sample's two files as the loading transforms do, without decoding them."""
    from segkit.datasets.transforms.image_file import read_bytes

    def reader(dataset: Any) -> Callable:
        pairs = [dataset.get_data_info(i) for i in range(len(dataset))]
        return lambda i: (read_bytes(pairs[i]['img_path']), read_bytes(pairs[i]['seg_map_path']))

    return {side: reader(with_pipeline(sides[side], LOAD)) for side in SIDES}


def through_map(pack: Path, readahead: bool) -> Callable:
    """The same through LMDB's own map of the file, without a check of what is read."""
    import lmdb
    env = lmdb.open(str(pack), subdir=False, lock=False, readonly=True, readahead=readahead)

    def read(number: int) -> tuple[bytes, bytes]:
        with env.begin(buffers=True) as txn:
            return bytes(txn.get(b'%09d/image' % number)), bytes(txn.get(b'%09d/mask' % number))

    read.close = env.close
    return read


def row(name: str, times: dict[str, list], samples: int, key: str) -> str:
    """A line of a table of speeds, by 'wall' or 'cpu'."""
    found = {side: [getattr(one, key) for one in times[side]] for side in SIDES}
    rates = [samples / statistics.median(found[side]) for side in SIDES]
    ratios = sorted(a / b for a, b in zip(found['folder'], found['pack']))
    return (f'| {name} | {rates[0]:,.0f} | {rates[1]:,.0f} | {statistics.median(ratios):.2f} '
            f'({ratios[0]:.2f} to {ratios[-1]:.2f}) |')


def speeds(sides: dict[str, dict], pack: Path, files: Sequence[Path], args: argparse.Namespace) -> list[str]:
    """The tables of speeds."""
    order = random.Random(0).sample(range(len(files) // 2), min(args.timed, len(files) // 2))
    place, blocks, gone = dict(folder=files, pack=[pack]), args.blocks, []
    reading = readers(sides)
    loading, training = ({side: with_pipeline(sides[side], pipeline).__getitem__ for side in SIDES}
                         for pipeline in (LOAD, PIPELINE))
    lines = [f'{len(order)} of the samples, in one random order:', '',
             '| samples per second | folder | pack | pack : folder (smallest to largest) |', '|---|--:|--:|--:|']
    names = ('bytes alone', 'decoded', 'the whole training pipeline')
    for name, works in zip(names, (reading, loading, training)):
        for side in SIDES:
            timed(works[side], order)
        warm = turns(works, order, blocks, lambda side: None)
        lines.append(row(f'warm, of processor time: {name}', warm, len(order), 'cpu'))
    cold = turns(reading, order, 3 * blocks, lambda side: gone.append(forget(place[side])))
    lines.append(row(f'cold, by the clock: {names[0]}', cold, len(order), 'wall'))
    lines += ['', f'Before each cold block the system had forgotten at least {100 * min(gone):.0f} % of what is read.',
              '']
    contents = [data for number in order for data in reading['folder'](number)]
    checks = statistics.median(timed(lambda i: zlib.crc32(contents[i]), range(len(contents))).cpu for _ in range(9))
    whole = statistics.median(one.cpu for one in warm['pack'])
    return lines + [f'The checksums take {1e3 * checks / len(order):.3f} ms a sample, {100 * checks / whole:.1f} % of '
                    'the whole pipeline.', '', *against_maps(pack, reading['pack'], order, blocks)]


def against_maps(pack: Path, own: Callable, order: Sequence[int], blocks: int) -> list[str]:
    """A table: reading by place with checksums, as here, and through LMDB's map of the file without."""
    maps = {"LMDB's map, readahead off": False, "LMDB's map, readahead on": True}
    lines = ['| bytes alone, samples per second | warm, of processor time | cold, by the clock | cold, from the disk |',
             '|---|--:|--:|--:|']
    for name in ('as here, with checksums', *maps):
        warm, cold, disk = [], [], []
        for times in (warm, cold):
            for _ in range(blocks if times is warm else 3 * blocks):
                if times is cold:
                    forget([pack])
                # a map would keep what it has touched, so each block gets its own
                work, before = through_map(pack, maps[name]) if name in maps else own, from_disk()
                times.append(timed(work, order))
                disk.append(from_disk() - before)
                if name in maps:
                    work.close()
        size = sum(len(data) for number in order for data in own(number))
        lines.append(f'| {name} | {len(order) / statistics.median(one.cpu for one in warm):,.0f} | '
                     f'{len(order) / statistics.median(one.wall for one in cold):,.0f} | '
                     f'{statistics.median(disk[blocks:]) / size:.1f} times what was asked for |')
    return lines


def from_disk() -> int:
    """Bytes that the system has read from disks for this process."""
    lines = Path('/proc/self/io').read_text().splitlines()
    return int(next(line for line in lines if line.startswith('read_bytes')).split()[1])


def sizes(pack: Path, files: Sequence[Path]) -> str:
    """What both take on the disk."""
    own = sum(path.stat().st_size for path in files)
    blocks = sum(512 * path.stat().st_blocks for path in files)
    return (f'{len(files):,} files hold {own / 1e6:.1f} MB and take {blocks / 1e6:.1f} MB on the disk; the pack takes '
            f'{512 * pack.stat().st_blocks / 1e6:.1f} MB.')


def figures(args: argparse.Namespace, folder: Path) -> str:
    """All that goes between the marks."""
    sides, pack = build_sides(args, folder)
    dataset = with_pipeline(sides['folder'], LOAD)
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    files = [Path(info[key]) for info in infos for key in ('img_path', 'seg_map_path')]
    same, number = identical(sides)
    print(f'{same} of {number} samples identical', flush=True)
    lines = [f'**{same} of {number}** samples of VOC {args.split}, augmented with the same seeds, are bit-identical '
             'from folder and pack.', '', sizes(pack, files), '',
             f'{machine()}; one process and one thread, medians of {args.blocks} blocks in turns.', '',
             *speeds(sides, pack, files, args), '', '### Damage', '',
             'PACK stands for the path of the pack.', '', *damage_table(pack, folder)]
    if same != number:
        raise DataError(f'{number - same} samples differ between folder and pack.')
    return '\n'.join(lines)


def main(argv: Sequence[str]) -> None:
    """Measure and write the page.

    Raises:
        ConfigError: If there are no data, or the page cannot be written.
        DataError: If a sample differs.
    """
    args = parse_args(argv)
    check(args.out)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    np.random.seed(0)
    with tempfile.TemporaryDirectory(dir=args.work_dir) as folder:
        text = figures(args, Path(folder))
    print(text)
    put(args.out, MARKS, text, 'Folder against pack')


if __name__ == '__main__':
    run(main)
