"""Measure the dense CRF: against all pairs of pixels, against pydensecrf, its time, and what real predictions gain.

    python tools/benchmarks/dense_crf.py --write

About 8 minutes on one core of its own. One process and one thread for everything that is timed. The photos are the
first of VOC's val_2007, the probabilities those of Google's DeepLabV3 MobileNetV2, which tools/test.py saves (8 MB a
photo). A second run takes up what the first one left. --write puts what was found, and the command line, into
docs/crf.md and its picture. The reference is compared where it is installed: pip install pydensecrf2 (compiles C++ for
a minute; Python 3.12 or older).
"""
import argparse
import csv
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch

from segkit.apis.arguments import add_nproc
from segkit.apis.cli import run
from segkit.apis.crf import refine_folder
from segkit.apis.crf_inputs import read_probabilities
from segkit.cores import usable_cores
from segkit.errors import ConfigError, DataError
from segkit.models.postprocess import DenseCRF

ROOT = Path(__file__).parents[2]
PAGE, PICTURE = ROOT / 'docs/crf.md', ROOT / 'docs/images/dense_crf.jpg'
CONFIG = ROOT / 'configs/mobilenet_v2/mobilenet-v2-d8_deeplabv3-pool_1xb16-30k_voc12-513x513.py'
CONVERTER = ROOT / 'tools/model_converters/import_weights.py'
HEADING = '## Measured'
SETS = {'ResNet-101 (the defaults)': {}, 'VGG-16': dict(pos_w=2, pos_xy_std=2, bi_xy_std=65),
        'spatial kernel alone': dict(bi_w=0), 'bilateral kernel alone': dict(pos_w=0)}
CROP = (40, 52)  # (h, w) of what all pairs of pixels are summed over: 2,080 pixels
CROPS = 4  # photos of which such a part is taken
TIMED = (375, 500)


def all_pairs(probabilities: np.ndarray, photo: np.ndarray, iter_max: int = 10, pos_w: float = 3,
              pos_xy_std: float = 1, bi_w: float = 4, bi_xy_std: float = 67, bi_rgb_std: float = 3,
              normalization: str = 'symmetric') -> np.ndarray:
    """The mean field with exact Gaussians, summed over all pairs of pixels in float64; (K, H, W)."""
    classes, height, width = probabilities.shape
    where = np.stack(np.mgrid[:height, :width], -1).reshape(-1, 2).astype(float)
    colours, total = photo.reshape(-1, 3).astype(float), 0
    for weight, points in ((pos_w, where / pos_xy_std), (bi_w, np.hstack([where / bi_xy_std, colours / bi_rgb_std]))):
        squares = (points ** 2).sum(1)
        kernel = np.exp(points @ points.T - squares[:, None] / 2 - squares[None] / 2)
        own, other = kernel.sum(1)[:, None], kernel.sum(1)[None]
        total = total + weight * kernel / dict(symmetric=np.sqrt(own * other), before=other, after=own,
                                               none=1)[normalization]
    unary = np.log(probabilities.reshape(classes, -1).T.astype(float).clip(1e-5, 1))
    scores = unary
    for _ in range(iter_max + 1):
        powers = np.exp(scores - scores.max(1, keepdims=True))
        beliefs = powers / powers.sum(1, keepdims=True)
        scores = unary + total @ beliefs
    return beliefs.T.reshape(classes, height, width)


def reference(probabilities: np.ndarray, photo: np.ndarray, iter_max: int = 10, pos_w: float = 3,
              pos_xy_std: float = 1, bi_w: float = 4, bi_xy_std: float = 67, bi_rgb_std: float = 3,
              normalization: str = 'symmetric') -> np.ndarray:
    """What pydensecrf gives, (K, H, W)."""
    import pydensecrf.densecrf as densecrf
    from pydensecrf.utils import unary_from_softmax
    classes, height, width = probabilities.shape
    kind = dict(symmetric=densecrf.NORMALIZE_SYMMETRIC, before=densecrf.NORMALIZE_BEFORE,
                after=densecrf.NORMALIZE_AFTER, none=densecrf.NO_NORMALIZATION)[normalization]
    crf = densecrf.DenseCRF2D(width, height, classes)
    crf.setUnaryEnergy(np.ascontiguousarray(unary_from_softmax(probabilities)))
    if pos_w:
        crf.addPairwiseGaussian(sxy=pos_xy_std, compat=pos_w, normalization=kind)
    if bi_w:
        crf.addPairwiseBilateral(sxy=bi_xy_std, srgb=bi_rgb_std, rgbim=photo, compat=bi_w, normalization=kind)
    return np.array(crf.inference(iter_max)).reshape(classes, height, width)


def ours(probabilities: np.ndarray, photo: np.ndarray, **values: float) -> np.ndarray:
    """What DenseCRF gives, (K, H, W)."""
    return DenseCRF(**values)(torch.from_numpy(probabilities), photo).numpy()


def compare(pairs: Sequence[tuple[np.ndarray, np.ndarray]], other: Callable[..., np.ndarray]) -> list[str]:
    """Rows of a table: for each set of values, pixels of the same class, and differences of the probabilities."""
    rows = []
    for name, values in SETS.items():
        changed, same, largest, means = [], [], [], []
        for probabilities, photo in pairs:
            wanted, found = other(probabilities, photo, **values), ours(probabilities, photo, **values)
            changed.append((wanted.argmax(0) != probabilities.argmax(0)).mean())
            same.append((wanted.argmax(0) == found.argmax(0)).mean())
            largest.append(np.abs(wanted - found).max())
            means.append(np.abs(wanted - found).mean())
        rows.append(f'| {name} | {100 * np.mean(changed):.2f} % | {100 * np.mean(same):.3f} % | {np.mean(means):.1e} | '
                    f'{np.max(largest):.1e} |')
        print(rows[-1], flush=True)
    return rows


def take_turns(sides: dict[str, Callable[..., np.ndarray]], pairs: Sequence,
               rounds: int) -> dict[str, dict[str, float]]:
    """Median seconds a photo of each side, by wall clock and by CPU time; they take turns, photo by photo."""
    found: dict[str, dict[str, list]] = {name: dict(wall=[], cpu=[]) for name in sides}
    for number in range(rounds + 1):
        for probabilities, photo in pairs:
            for name, side in list(sides.items())[::1 if number % 2 else -1]:
                wall, cpu = time.perf_counter(), time.process_time()
                side(probabilities, photo)
                if number:  # the first round warms up
                    found[name]['wall'].append(time.perf_counter() - wall)
                    found[name]['cpu'].append(time.process_time() - cpu)
    return {name: {key: statistics.median(values) for key, values in times.items()} for name, times in found.items()}


def save_probabilities(args: argparse.Namespace) -> Path:
    """The folder of the network's probabilities, made where it is not whole."""
    folder, weights = args.work_dir / 'probabilities', args.work_dir / 'mnv2.pth'
    if len(list(folder.glob('*.npy'))) < args.photos:
        for command in ([CONVERTER, 'mobilenet-v2-pool', args.weights, weights],
                        [ROOT / 'tools/test.py', CONFIG, weights, '--work-dir', args.work_dir / 'test',
                         '--save-probs', folder, '--cfg-options', f'data_root={args.data_root}',
                         'test_dataloader.dataset.ann_file=ImageSets/Segmentation/val_2007.txt',
                         f'test_dataloader.dataset.indices={args.photos}', 'test_dataloader.num_workers=1']):
            subprocess.run([sys.executable, *map(str, command)], check=True,
                           env={**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, (
                               str(ROOT), os.environ.get('PYTHONPATH'))))})
    there = len(list(folder.glob('*.npy')))
    if there != args.photos:
        raise ConfigError(f'{folder} holds the probabilities of {there} photos, not of --photos {args.photos}.\nName '
                          'another --work-dir, or remove the folder.')
    return folder


class Photos:
    """The files of the photos, in the order of their names."""

    def __init__(self, root: Path, probabilities: Path, refined: Path) -> None:
        self.root, self.probabilities, self.refined = root, probabilities, refined
        self.names = sorted(path.stem for path in probabilities.glob('*.npy'))

    def pair(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (K, H, W) float32 and photo (H, W, 3) uint8 RGB."""
        import cv2
        photo = cv2.imread(str(self.root / f'JPEGImages/{name}.jpg'))[..., ::-1]
        found = read_probabilities(str(self.probabilities / f'{name}.npy'))
        return found / found.sum(0), np.ascontiguousarray(photo)

    def masks(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Classes without and with the CRF, (H, W) each."""
        from PIL import Image
        return self.pair(name)[0].argmax(0), np.array(Image.open(self.refined / f'{name}.png'))

    def gains(self) -> dict[str, float]:
        """For each photo, per cent of the labelled pixels that the CRF made right, less those that it made wrong."""
        with open(self.refined / 'photos.csv', newline='') as file:
            return {Path(row['photo']).stem: float(row['with']) - float(row['without'])
                    for row in csv.DictReader(file)}


def draw(photos: Photos, names: Sequence[str], captions: Sequence[str]) -> np.ndarray:
    """Photo, classes without and classes with the CRF, a row each; (H, W, 3) uint8 RGB."""
    from segkit.datasets import PascalVOCDataset
    from segkit.visualization import SegLocalVisualizer
    from segkit.visualization.mosaic import cell_size, fit, sheet

    visualizer = SegLocalVisualizer(**PascalVOCDataset.METAINFO)
    rows, shapes = [], []
    for name in names:
        _, photo = photos.pair(name)
        rows.append([photo, *(visualizer.draw_overlay(photo, mask, legend=False) for mask in photos.masks(name))])
        shapes.append(photo.shape[:2])
    size = cell_size(shapes, 280)
    rows = [[fit(one, size) for one in row] for row in rows]
    return sheet(rows, size, ('photo', 'without CRF', 'with CRF'), captions)


def chosen(gains: dict[str, float]) -> tuple[list[str], list[str]]:
    """The three photos that gain most, the middle one and the two that lose most, and what stands under them."""
    order = sorted(gains, key=gains.get, reverse=True)
    names = [*order[:3], order[len(order) // 2], *order[-2:]]
    what = ['largest gain', 'second', 'third', 'the median of all', 'second largest loss', 'largest loss']
    return names, [f'{name}: {gains[name]:+.2f} % of the pixels right ({text})' for name, text in zip(names, what)]


def machine() -> str:
    """Processor, cores and versions, in words."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next((line.split(':')[1].strip() for line in lines if line.startswith('model name')), platform.processor())
    return f'{usable_cores()} cores of {model}, no GPU, torch {torch.__version__}, Python {platform.python_version()}'


def measure(args: argparse.Namespace, command: str) -> str:
    """Run everything; gives the section of the page, which says by what command line."""
    torch.set_num_threads(1)
    folder = save_probabilities(args)
    masks = args.data_root / 'SegmentationClass'
    scores = refine_folder(str(folder), str(args.data_root / 'JPEGImages'), str(args.work_dir / 'refined'), str(masks),
                           processes=args.nproc)
    photos = Photos(args.data_root, folder, args.work_dir / 'refined')
    lines = [HEADING, '', f'By `{command}` on {machine()}. Photos: the first {len(photos.names)} of val_2007; '
             'probabilities: of the real MobileNetV2 weights.', '',
             f'**Scores** on these {len(photos.names)}, at their own size, with the defaults, which were made for '
             'another network and not tuned for this one (it was trained on these photos, see '
             '[systems.md](systems.md#measured-on-real-weights)):', '', '| | mIoU | Pixel accuracy | Mean accuracy |',
             '|---|---:|---:|---:|']
    lines += [f'| {name} CRF | {row["mIoU"]:.2f} | {row["aAcc"]:.2f} | {row["mAcc"]:.2f} |'
              for name, row in scores.items()]
    print('\n'.join(lines), flush=True)
    head = '| Values | Classes changed by the CRF | Same class | Mean difference | Largest |\n|---|---:|---:|---:|---:|'
    some = [photos.pair(name) for name in photos.names[::max(1, len(photos.names) // CROPS)][:CROPS]]
    crops = [tuple(np.ascontiguousarray(one) for one in (p[:, y:y + CROP[0], x:x + CROP[1]], im[y:y + CROP[0],
                                                                                                 x:x + CROP[1]]))
             for p, im in some for y, x in [_busiest(p)]]
    lines += ['', f'**All pairs of pixels** with exact Gaussians in float64, on the {CROP[0]}x{CROP[1]} part of '
              f'{len(crops)} photos each where classes meet most; the lattice is an approximation:', '', head,
              *compare(crops, all_pairs)]
    try:
        import pydensecrf  # noqa: F401
        there = True
    except ImportError:
        there = False
        print('pydensecrf is not installed, and not compared with')
    if there:
        some = some[:args.full]
        lines += ['', f'**The reference**, pydensecrf2 {version("pydensecrf2")}, on {len(some)} of the photos in full:',
                  '', head, *compare(some, reference)]
    usual = (pair for pair in map(photos.pair, photos.names) if pair[1].shape[:2] == TIMED)
    timed = list(islice(usual, args.full))
    sides: dict[str, Callable[..., np.ndarray]] = {'segkit': ours, **({'pydensecrf2': reference} if there else {})}
    times = take_turns(sides, timed, args.rounds)
    lines += ['', f'**Time** of a {TIMED[1]}x{TIMED[0]} photo with 21 classes and 10 steps, one thread; median of '
              f'{args.rounds * len(timed)} calls each ({args.rounds} rounds over {len(timed)} photos), in turns. The '
              f'load was {os.getloadavg()[0]:.1f}: other programs on the cores lengthen the wall clock, and the CPU '
              'time a little.', '', '| | CPU time, s | Wall clock, s |', '|---|---:|---:|']
    lines += [f'| {name} | {row["cpu"]:.2f} | {row["wall"]:.2f} |' for name, row in times.items()]
    gains = photos.gains()
    names, captions = chosen(gains)
    better = sum(gain > 0 for gain in gains.values())
    lines += ['', f'**Photos**: {better} of {len(gains)} have more right pixels with it. The three that gain most, the '
              'median, and the two that lose most:', '', f'![Photo, classes without and with the CRF]'
              f'(images/{PICTURE.name})', '']
    picture = args.work_dir / PICTURE.name
    from segkit.engine.run_folder import write_picture
    for path in [picture, *([PICTURE] if args.write else [])]:
        write_picture(path, draw(photos, names, captions))
    return '\n'.join(lines)


def _busiest(probabilities: np.ndarray) -> tuple[int, int]:
    """Top and left of the crop with the most pixels whose right or lower neighbour has another class."""
    classes = probabilities.argmax(0)
    edges = np.zeros(classes.shape, int)
    edges[:-1] += classes[1:] != classes[:-1]
    edges[:, :-1] += classes[:, 1:] != classes[:, :-1]
    places = [(y, x) for y in range(0, classes.shape[0] - CROP[0] + 1, 16)
              for x in range(0, classes.shape[1] - CROP[1] + 1, 16)]
    return max(places, key=lambda at: edges[at[0]:at[0] + CROP[0], at[1]:at[1] + CROP[1]].sum())


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Parse the command line, measure, print, and write the page where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pack: Any = os.environ.get('SEGKIT_DATA')
    parser.add_argument('--data-root', type=Path, default=Path(pack, 'VOC2012') if pack else None,
                        help='VOC2012 folder (default: $SEGKIT_DATA/VOC2012)')
    parser.add_argument('--weights', type=Path, help='the file that the converter takes (default: in '
                        '$SEGKIT_DATA/weights)', default=Path(pack, 'weights/deeplabv3_mnv2_pascal_trainval.pth')
                        if pack else None)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/dense_crf'), help='what is kept between runs')
    parser.add_argument('--photos', type=int, default=160, help='how many of val_2007 (default: 160)')
    parser.add_argument('--full', type=int, default=2,
                        help='how many photos are compared with pydensecrf in full, and timed, 4 at most (default: 2)')
    parser.add_argument('--rounds', type=int, default=3, help='how often each of these is timed (default: 3)')
    add_nproc(parser, 'refine for the scores')
    parser.add_argument('--write', action='store_true', help='write docs/crf.md and its picture')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    args = parser.parse_args(argv)
    if args.data_root is None or args.weights is None:
        raise ConfigError('Give --data-root and --weights, or set SEGKIT_DATA to the folder that holds both.')
    if not (args.data_root / 'JPEGImages').is_dir():
        raise DataError(f'{args.data_root} holds no JPEGImages: it should be the VOC2012 folder.')
    if not 1 <= args.full <= CROPS:
        raise ConfigError(f'--full: expected 1 to {CROPS}; got {args.full}.')
    typed = sys.argv[1:] if argv is None else argv
    section = measure(args, f'python tools/benchmarks/dense_crf.py {shlex.join(typed)}'.rstrip())
    print('\n' + section)
    if args.write:
        text = PAGE.read_text()
        PAGE.write_text(re.sub(rf'{HEADING}\n.*', lambda _: section, text, flags=re.S))


if __name__ == '__main__':
    run(main)
