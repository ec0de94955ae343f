"""Measure the VOC training pipeline, alone or against MMSegmentation's.

    python tools/benchmarks/data_pipeline.py --data-root data/VOCdevkit/VOC2012
    python tools/benchmarks/data_pipeline.py --peer /path/to/peer/bin/python

One process and one thread each, warm file cache, the same files and seeds. With ``--peer`` both processes stay open
and take turns block by block (A B, B A, ...), so that a busy machine slows both; the ratio is the median over these
pairs, by wall clock and by CPU time. Samples are compared by digest of image and labels.

The peer needs an environment of its own, because both bring a package ``mmcv``:

    python3 -m venv peer && peer/bin/pip install 'onedl-mmsegmentation[torch,mminstall]'
"""
import argparse
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).parent))
from answering import Answering, checked_peer  # noqa: E402

from segkit.apis.cli import run  # noqa: E402
from segkit.errors import ConfigError, DataError  # noqa: E402

SIDE = Path(__file__).with_name('data_pipeline_side.py')


class Side(Answering):
    """One of the two pipelines, in a process of its own.

    Args:
        name: 'segkit' or 'mmseg'.
        python: The interpreter.
        pairs: (image, mask) paths, one per sample.
    """

    def __init__(self, name: str, python: str, pairs: list[tuple[str, str]]) -> None:
        super().__init__(name, python, SIDE)
        self.about = self.ask(pairs)
        self.digests = self.ask('digests')
        self.blocks: list[dict] = []

    def time_block(self) -> None:
        """Run all samples once; the times go to ``blocks``."""
        self.blocks.append(self.ask('block'))

    def median(self, key: str) -> float:
        """Median over the blocks, in seconds per block."""
        return statistics.median(block[key] for block in self.blocks)


def find_pairs(root: Path, split: str, number: int) -> list[tuple[str, str]]:
    """The first ``number`` (image, mask) paths of a split, the list repeated if it is shorter."""
    path = root / 'ImageSets' / 'Segmentation' / f'{split}.txt'
    if not path.is_file():
        raise DataError(f"'{path}' is missing.\nGive --data-root the folder that holds JPEGImages, SegmentationClass "
                        'and ImageSets.')
    pairs = []
    for name in path.read_text().split():
        masks = [root / folder / f'{name}.png' for folder in ('SegmentationClass', 'SegmentationClassAug')]
        found = [mask for mask in masks if mask.is_file()]
        if not found:
            raise DataError(f"'{name}' of {path} has no mask in {masks[0].parent} or {masks[1].parent}.")
        pairs.append((str(root / 'JPEGImages' / f'{name}.jpg'), str(found[0])))
    return [pairs[i % len(pairs)] for i in range(number)]


def machine() -> str:
    """Processor, cores and load, in words."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next((line.split(':')[1].strip() for line in lines if line.startswith('model name')), platform.processor())
    return f'{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}'


def report(own: Side, peer: Optional[Side], samples: int) -> str:
    """The tables of one run."""
    sides = [own] + ([peer] if peer else [])
    lines = ['| | ' + ' | '.join(side.about['name'] for side in sides) + ' |', '|---|' + '---|' * len(sides)]

    def row(title: str, values) -> None:
        lines.append(f'| {title} | ' + ' | '.join(values) + ' |')

    row('images/s, wall clock', [f'{samples / side.median("wall"):.1f}' for side in sides])
    row('images/s, CPU time', [f'{samples / side.median("cpu"):.1f}' for side in sides])
    for stage in own.about['stages']:
        times = [statistics.median(block['stages'][stage] for block in side.blocks) for side in sides]
        row(f'{stage}, CPU ms/image', [f'{time / samples * 1e3:.3f}' for time in times])
    if peer:
        for key, title in (('wall', 'wall clock'), ('cpu', 'CPU time')):
            ratios = sorted(b[key] / a[key] for a, b in zip(own.blocks, peer.blocks))
            lines.append(f'ratio by {title}: x{statistics.median(ratios):.2f} (median of {len(ratios)} pairs of '
                         f'blocks, x{ratios[0]:.2f} to x{ratios[-1]:.2f})')
        equal = sum(a == b for a, b in zip(own.digests, peer.digests))
        lines.append(f'identical samples: {equal} of {samples}')
    return '\n'.join(lines)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Parse the command line, run the blocks, print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pack = os.environ.get('SEGKIT_DATA')
    parser.add_argument('--data-root', type=Path, default=Path(pack, 'VOC2012') if pack else None,
                        help='VOC2012 folder (default: $SEGKIT_DATA/VOC2012)')
    parser.add_argument('--split', default='train_aug', help='name of a list in ImageSets/Segmentation')
    parser.add_argument('--samples', type=int, default=200, help='samples per block, and samples compared')
    parser.add_argument('--blocks', type=int, default=7, help='blocks per side')
    parser.add_argument('--peer', nargs='?', const=os.environ.get('SEGKIT_PEER_PYTHON', ''), metavar='PYTHON',
                        help='compare with the MMSegmentation of this Python (default: $SEGKIT_PEER_PYTHON)')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    args = parser.parse_args(argv)
    if args.data_root is None:
        raise ConfigError('Give --data-root, the VOC2012 folder, or set SEGKIT_DATA to the folder that holds it.')
    if args.peer is not None:
        checked_peer(args.peer)
    if args.samples < 1 or args.blocks < 1:
        raise ConfigError(f'--samples and --blocks must be positive; got {args.samples} and {args.blocks}.')

    pairs = find_pairs(args.data_root, args.split, args.samples)
    print(f'{len(pairs)} samples of {args.data_root.name} {args.split}, {args.blocks} blocks, one process and one '
          f'thread\n{machine()}', flush=True)
    own = Side('segkit', sys.executable, pairs)
    peer = Side('mmseg', args.peer, pairs) if args.peer else None
    for block in range(args.blocks):
        order = [own, peer] if block % 2 == 0 else [peer, own]
        for side in filter(None, order):
            side.time_block()
        print(f'block {block + 1} of {args.blocks}', file=sys.stderr, flush=True)
    print(report(own, peer, args.samples))
    for side in filter(None, (own, peer)):
        side.close()


if __name__ == '__main__':
    run(main)
