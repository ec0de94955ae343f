"""Load damaged copies of real images and masks as a run does, and count what becomes of them.

    python tools/benchmarks/damaged_files.py --data $SEGKIT_DATA --number 2000

Each copy goes through the header pass before a run and through LoadImageFromFile and LoadAnnotations, in a process
of its own that may crash, hang or ask for memory without end; that would be a finding. Writes docs/damaged_files.md.
"""
import argparse
import os
import platform
import resource
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from damage import KINDS, copies  # noqa: E402

from segkit.apis.arguments import Parser  # noqa: E402

HANG = 10.0  # seconds for one file
MEMORY = 1 << 30  # bytes that the process may have in addition to what it starts with
SAME, OTHER, REFUSED, FAULT = 'loaded, same pixels', 'loaded, other pixels', 'refused', 'FAULT'


class Pair(NamedTuple):
    """An image and its mask, and how many classes the mask may have."""

    image: Path
    mask: Path
    classes: int


class Outcome(NamedTuple):
    """What became of a copy: its original, the damage, one of the verdicts, the message or fault, seconds."""

    format: str
    kind: str
    verdict: str
    text: str
    seconds: float
    header: str  # what the header pass said; empty if nothing
    noise: int  # lines that decoders wrote to standard error


class Report(NamedTuple):
    """All outcomes, and by how much the memory of the loading process grew, in bytes."""

    outcomes: list[Outcome]
    growth: int


def real_pairs(root: Path, number: int = 60) -> list[Pair]:
    """Pairs of VOC (JPEG, palette PNG), CamVid (JPEG, grey PNG) and COCO (JPEG, with a mask made up for it)."""
    voc, camvid = root / 'VOC2012', root / 'CamVid'
    masks = sorted((voc / 'SegmentationClass').iterdir())
    pairs = [Pair(voc / f'JPEGImages/{mask.stem}.jpg', mask, 21) for mask in masks[::len(masks) // number]]
    masks = sorted((camvid / 'train/masks').iterdir())
    images = sorted((camvid / 'train/images').iterdir())
    pairs += [Pair(image, mask, 11) for image, mask in list(zip(images, masks))[::len(masks) // number * 3]]
    photos = sorted((root / 'COCO_sample/train2017').iterdir())
    return pairs + [Pair(photo, Path(), 21) for photo in photos[::4]]


def generated_pairs(folder: Path) -> list[Pair]:
    """Photos in the forms that JPEG and PNG have, with masks; where there are no real ones."""
    import numpy as np
    from PIL import Image
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.RandomState(0)
    pairs = []
    forms = [('.jpg', {}), ('.jpg', dict(progressive=True)), ('.jpg', dict(subsampling=0, quality=95)),
             ('.jpg', dict(restart_marker_blocks=4)), ('.png', {}), ('.png', dict(compress_level=1))]
    for k, (suffix, options) in enumerate(forms):
        image, mask = folder / f'{k}{suffix}', folder / f'{k}_mask.png'
        small = Image.fromarray(draw.randint(0, 256, (9, 12, 3)).astype(np.uint8))
        small.resize((160, 120), Image.BICUBIC).save(image, **options)
        labels = Image.fromarray(np.kron(draw.randint(0, 5, (6, 8)), np.ones((20, 20))).astype(np.uint8))
        if k % 2:
            labels.putpalette(draw.randint(0, 256, 768).tolist())
        labels.save(mask)
        pairs.append(Pair(image, mask, 5))
    return pairs


def load_copies(pairs: Sequence[Pair], number: int, seed: int, folder: Path) -> Report:
    """Load damaged copies, two images to each mask, in a process that is started anew where it dies."""
    from PIL import Image
    for k, pair in enumerate(pairs):
        if pair.mask == Path():  # an image without labels gets a mask of its size
            Image.new('L', Image.open(pair.image).size, 1).save(folder / f'{k}.png')
            pairs[k] = pair._replace(mask=folder / f'{k}.png')
    files = [(pair, path) for pair in pairs for path in (pair.image, pair.mask)]
    plan = list(copies([path.read_bytes() for _, path in files], number, seed))
    outcomes: list[Outcome] = []
    growth = 0
    while len(outcomes) < number:
        loaded, last = _in_a_process(files, plan[len(outcomes):], folder)
        outcomes += loaded
        growth = max(growth, last)
        if len(outcomes) < number:  # it died, or had to be ended, at the next one
            which, kind, _ = plan[len(outcomes)]
            outcomes.append(Outcome(files[which][1].suffix, kind, FAULT, 'crash or hang', HANG, '', 0))
    return Report(outcomes, growth)


def _in_a_process(files: list, plan: list, folder: Path) -> tuple[list[Outcome], int]:
    import json
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reading)
            with open(writing, 'w', buffering=1) as out:
                for line in _load(files, plan, folder):
                    out.write(json.dumps(line) + '\n')
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    outcomes, growth, rest = [], 0, b''
    while True:
        ready, _, _ = select.select([reading], [], [], HANG)
        block = os.read(reading, 1 << 16) if ready else b''
        if not block:
            break
        *lines, rest = (rest + block).split(b'\n')
        for line in lines:
            *fields, growth = json.loads(line)
            outcomes.append(Outcome(*fields))
    os.close(reading)
    os.kill(pid, signal.SIGKILL)  # a process that has ended is none the worse for it
    os.waitpid(pid, 0)
    return outcomes, growth


def _load(files: list, plan: list, folder: Path):
    """Load each copy; yields an Outcome's fields and the growth of memory so far."""
    import numpy as np

    from segkit.datasets import transforms
    from segkit.datasets.check import _header
    from segkit.errors import DataError

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    limit = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    noise = tempfile.TemporaryFile()
    os.dup2(noise.fileno(), 2)
    image_step, mask_step = transforms.LoadImageFromFile(), transforms.LoadAnnotations()

    def load(image: str, mask: str, classes: int) -> tuple:
        results = mask_step(image_step(dict(img_path=image, seg_map_path=mask, num_classes=classes, seg_fields=[])))
        return results['img'], results['gt_seg_map']

    known: dict[str, tuple] = {}
    for which, kind, data in plan:
        pair, path = files[which]
        copy = folder / f'copy{path.suffix}'
        copy.write_bytes(data)
        if str(path) not in known:
            known[str(path)] = load(str(pair.image), str(pair.mask), pair.classes)
        is_mask = path == pair.mask
        image, mask = (pair.image, copy) if is_mask else (copy, pair.mask)
        noise.truncate(0)
        os.lseek(2, 0, os.SEEK_SET)
        start, text = time.perf_counter(), ''
        _, finding = _header(str(copy), 'mask' if is_mask else 'image')
        try:
            arrays = load(str(image), str(mask), pair.classes)
            same = all(np.array_equal(a, b) for a, b in zip(arrays, known[str(path)]))
            verdict = SAME if same else OTHER
        except DataError as error:
            verdict, text = REFUSED, str(error)
            if str(copy) not in text or len(text.splitlines()) > 4:
                verdict = FAULT
        except Exception as error:
            verdict, text = FAULT, f'{type(error).__name__}: {error}'
        seconds = time.perf_counter() - start
        os.lseek(2, 0, os.SEEK_SET)
        lines = len(os.read(2, 1 << 16).splitlines())
        growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        yield [path.suffix, kind, verdict, text, seconds, finding.kind if finding else '', lines, growth]


def table(report: Report) -> str:
    """Counts by format and kind of damage, as Markdown."""
    lines = [f'| file | damage | copies | {REFUSED} | {SAME} | {OTHER} |', '|---|---|--:|--:|--:|--:|']
    for form in sorted({outcome.format for outcome in report.outcomes}):
        for kind in [*KINDS, None]:
            of = [o for o in report.outcomes if o.format == form and kind in (o.kind, None)]
            count = Counter(o.verdict for o in of)
            numbers = len(of), count[REFUSED], count[SAME], count[OTHER]
            lines.append(' | '.join(['| ' + form[1:].upper(), kind or '**all**', *map(str, numbers)]) + ' |')
    return '\n'.join(lines)


def page(report: Report, command: str) -> str:
    """docs/damaged_files.md."""
    outcomes = report.outcomes
    count = Counter(o.verdict for o in outcomes)
    other = Counter(o.format for o in outcomes if o.verdict == OTHER)
    silent = [o for o in outcomes if o.verdict == OTHER and o.format != '.png' and not o.noise]
    slowest = max(outcomes, key=lambda o: o.seconds)
    in_headers = sum(o.verdict == REFUSED and o.header != '' for o in outcomes)
    warned = other['.jpg'] - len(silent)
    return f"""# Damaged files

`{command}` damages copies of real photos and masks (VOC, CamVid, COCO) in {len(KINDS)} ways, all seeded, and loads each
as a run does. Of {len(outcomes):,} copies:

- {count[REFUSED]:,} are refused with an error that names the file, {in_headers:,} of them already by the pass over
  the headers before the first step;
- {count[SAME]:,} load with the pixels of the original: the damage lies where no pixel depends on it;
- {count[OTHER]:,} load with other pixels ({', '.join(f'{n} {form[1:].upper()}' for form, n in other.items())});
- {count[FAULT]:,} crash, hang or give any other error.

The slowest took {slowest.seconds * 1000:.0f} ms; the memory of the process that loads them grew by
{report.growth / 1e6:.0f} MB at most.

A PNG's checksums find any damage; what loads with other pixels there was damaged first and given right checksums
after. JPEG has no checksums. The decoder goes on after wrong bits; libjpeg's own warning, one line on standard error
without a file name, came for {warned} of the {other['.jpg']} JPEG files with other pixels, so no way to decode
tells all of them. Who needs to be sure compares the files with a list of sha256 sums (`sha256sum -c`) after copying.

{table(report)}

{platform.machine()}, Python {platform.python_version()}. Made by tools/benchmarks/damaged_files.py.
"""


def main(argv: Sequence[str]) -> None:
    """Load the copies, write the page.

    Raises:
        DataError: If there are no real pairs, or a copy was neither loaded nor refused in words.
    """
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', required=True, metavar='DIR', help='folder with VOC2012, CamVid and COCO_sample')
    parser.add_argument('--number', type=int, default=2000, help='copies (default: 2000)')
    parser.add_argument('--seed', type=int, default=0, help='of the damage (default: 0)')
    parser.add_argument('--out', default='docs/damaged_files.md', metavar='FILE', help='default: docs/damaged_files.md')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    args = parser.parse_args(argv)
    from segkit.errors import DataError

    with tempfile.TemporaryDirectory() as folder:
        report = load_copies(real_pairs(Path(args.data)), args.number, args.seed, Path(folder))
    faults = [o for o in report.outcomes if o.verdict == FAULT]
    for fault in faults:
        print(fault)
    Path(args.out).write_text(page(report, 'python tools/benchmarks/damaged_files.py --data DIR '
                                           f'--number {args.number} --seed {args.seed}'))
    print(table(report), f'\n{len(faults)} faults; see {args.out}')
    if faults:
        raise DataError(f'{len(faults)} copies were neither loaded nor refused in words: {faults[0]}')


if __name__ == '__main__':
    from segkit.apis.cli import run as run_tool
    run_tool(main)
