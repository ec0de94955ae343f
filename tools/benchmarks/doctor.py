"""Show what tools/doctor.py finds: nothing in real data nor in harmless oddities, every planted fault, and how fast.

    python tools/benchmarks/doctor.py --data $SEGKIT_DATA

Writes docs/doctor.md; nothing is written into the data.
"""
import argparse
import contextlib
import io
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from planted_faults import FAULTS, Fault, files_of, plant  # noqa: E402
from planted_oddities import ODDITIES, WHOLE_ODDITIES, Oddity  # noqa: E402
from planted_tree import Tree  # noqa: E402
from planted_whole_faults import WHOLE  # noqa: E402

from segkit.apis.arguments import Parser  # noqa: E402
from segkit.apis.doctor import Examined, examine  # noqa: E402

CONFIG = 'configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py'
MASKS = ('SegmentationClass', 'SegmentationClassAug')
ROUNDS, TIMED = 3, 150  # runs, and pairs of each split
FEW = 4  # masks of each class and split, where a fault takes a copy of its own


class Tried(NamedTuple):
    """A planted fault, how many files were to be found for it, how many were, and others that were found."""

    fault: Fault
    expected: set[str]
    found: set[str]
    invented: dict[str, set[str]]


class Timed(NamedTuple):
    """How many pairs were timed; seconds per 1,000 of them by number of processes, the fastest of the rounds; and
    those of the processor, with one process."""

    pairs: int
    seconds: dict[int, float]
    cpu: float


def quietly(*args, **kwargs) -> Examined:
    """Examine without the progress."""
    with contextlib.redirect_stdout(io.StringIO()):
        return examine(*args, **kwargs)


def of_voc(root: Path, *options: str, lists: str = 'ImageSets/Segmentation', **kwargs) -> Examined:
    """Examine the VOC pack, or a copy of it, by a config."""
    return quietly(CONFIG, [f'data_root={root}', f'train_dataloader.dataset.ann_file={lists}/train_aug.txt',
                            f'val_dataloader.dataset.ann_file={lists}/val.txt', *options], **kwargs)


def try_together(voc: Path, folder: Path) -> tuple[list[Tried], Examined]:
    """Plant one fault of every kind into one copy."""
    tree = Tree(voc, folder, 'train_aug', 'val', MASKS)
    own: list[set[str]] = []
    expected = plant(tree, [fault._replace(plant=lambda tree, plant=fault.plant: own.append(plant(tree)) or own[-1])
                            for fault in FAULTS])
    examined = of_voc(tree.root)
    found = files_of(examined.values)
    invented = {kind: files - expected.get(kind, set()) for kind, files in found.items()}
    invented = {kind: files for kind, files in invented.items() if files}
    return [Tried(fault, files, files & found.get(fault.kind, set()), invented)
            for fault, files in zip(FAULTS, own)], examined


def try_alone(voc: Path, folder: Path, fault: Fault) -> Tried:
    """Plant a fault that concerns the whole data set into a copy of a part of it."""
    tree = Tree(voc, folder, 'train_aug', 'val', MASKS, few=FEW)
    expected = plant(tree, [fault])
    examined = quietly(str(tree.root)) if fault.folder else of_voc(tree.root, *fault.options)
    names = {f'{split}: {number}': f'{split}: {one["name"]}' for split in ('train', 'val')
             for number, one in enumerate(examined.values['classes'])}
    own = {names.get(file.replace('train_aug', 'train'), file.replace('train_aug', 'train'))
           if '/' not in file else file for file in expected[fault.kind]}
    found = files_of(examined.values)
    invented = {kind: files - (own if kind == fault.kind else expected.get(kind, set()))
                for kind, files in found.items()}
    return Tried(fault, own, own & found.get(fault.kind, set()), {kind: f for kind, f in invented.items() if f})


def try_oddities(voc: Path, folder: Path, oddities: Sequence[Oddity], few: int = 0) -> dict[str, set[str]]:
    """Plant what is no fault into one copy; what was found all the same, kind -> files."""
    tree = Tree(voc, folder, 'train_aug', 'val', MASKS, few=few)
    for oddity in oddities:
        oddity.plant(tree)
    tree.finish()
    if oddities[0].folder:
        return files_of(quietly(str(tree.root)).values)
    return files_of(of_voc(tree.root, *(option for oddity in oddities for option in oddity.options)).values)


def timed(voc: Path) -> Timed:
    """Time the whole command but its imports, with one process and with two in turns; the files were read before."""
    seconds: dict[int, float] = {}
    cpu, pairs = float('inf'), 0
    for _ in range(ROUNDS):
        for workers in (1, 2):
            start, of_processor = time.perf_counter(), time.process_time()
            pairs = of_voc(voc, limit=TIMED, workers=workers).values['pairs']
            if workers == 1:
                cpu = min(cpu, time.process_time() - of_processor)
            seconds[workers] = min(seconds.get(workers, float('inf')), time.perf_counter() - start)
    return Timed(pairs, {workers: one * 1000 / pairs for workers, one in seconds.items()}, cpu * 1000 / pairs)


def cleared(what: str, examined: Examined) -> str:
    """A row about data that no fault was planted in."""
    values = examined.values
    splits = ', '.join(f'{split["name"]} {split["pairs"]:,}' for split in values['splits'])
    found = '; '.join(f'{group["kind"]}: {group["count"]:,}' for group in values['findings']) or 'nothing'
    return f'| {what} | {splits} | {found} | {values["status"]} |'


def rows_of(tried: Sequence[Tried]) -> list[str]:
    """The rows of planted faults."""
    from segkit.apis.doctor_findings import KINDS
    return [f'| {one.fault.what} | {one.fault.kind} | {KINDS[one.fault.kind].severity} | {len(one.expected)} | '
            f'{len(one.found)} |' for one in tried]


def page(clear: Sequence[str], together: Sequence[Tried], alone: Sequence[Tried], odd: Sequence[str], time_of: Timed,
         shown: str, command: str) -> str:
    """docs/doctor.md."""
    from segkit.apis.doctor_findings import KINDS
    from segkit.apis.doctor_judgement import FAR, MORE, USUAL
    tried = [*together, *alone]
    kinds = {one.fault.kind for one in tried}
    missed = sum(len(one.expected - one.found) for one in tried)
    invented = sum(len(files) for one in [together[0], *alone] for files in one.invented.values())
    machine = f'{platform.machine()}, {cpu()}, Python {platform.python_version()}'
    kinds_table = [f'| {kind} | {one.severity} | {one.what} |' for kind, one in KINDS.items()]
    return PAGE.format(
        clear='\n'.join(clear), faults=len(tried), kinds=len(kinds), of_kinds=len(KINDS), missed=missed,
        invented=invented, together='\n'.join(rows_of(together)), alone='\n'.join(rows_of(alone)),
        odd='\n'.join(odd), time_of=time_of, one=time_of.seconds[1], two=time_of.seconds[2],
        rounds=ROUNDS, machine=machine, kinds_table='\n'.join(kinds_table), command=command, shown=shown,
        of_odd=len(ODDITIES), far=FAR, more=MORE, usual=USUAL, load=os.getloadavg()[0])


def cpu() -> str:
    """The processor and the cores that this process may use."""
    from segkit.cores import usable_cores
    lines = Path('/proc/cpuinfo').read_text().splitlines() if Path('/proc/cpuinfo').exists() else []
    name = next((line.partition(':')[2].strip() for line in lines if line.startswith('model name')), 'processor')
    return f'{usable_cores()} cores of an {name}'


PAGE = """# The doctor

`tools/doctor.py CONFIG` looks at every file of the training, validation and test datasets of a config, once, in several
processes; `tools/doctor.py FOLDER` does so for a folder that no config describes. It prints tables for people and
`--cfg-options` to paste behind the commands that name the config, writes the same as JSON (`--json FILE`), and nothing
else. Exit status: 0 nothing to mend, 1 errors or warnings (`--fail-on error`: errors alone), 2 the data could not be
looked at, or FILE could not be written, which is seen before the pass.

A pair is read as the config's datasets read it: `label_map`, `reduce_zero_label`, `color_map`, the EXIF orientation,
wrappers, COCO's instances. A dataset that reads files by transforms or classes of your own is refused, since what is in
its files is not known; give the folder then. Folders that are recognised: PASCAL VOC's layout; a folder of photos
beside one of masks, with a folder for each split in both or with lists beside them; a folder for each split that holds
both. Without `--num-classes` a folder's classes are taken from its labels.

## What is found

An error ends a training or makes its scores wrong, a warning is probably not meant, a note is a fact that may be meant.

| Kind | | |
|---|---|---|
{kinds_table}

Photos are compared by the values of their pixels: copies under other names, with other bytes or in another lossless
format are found; a photo that was compressed anew, resized or cropped is another photo. Damage in the middle of a JPEG
is found where libjpeg itself notices it (in 302 of 434 such files: [damaged_files.md](damaged_files.md)). What libpng
and libtiff say about parts of a file that hold no pixels (ICC profiles, texts, a map's fields) is no complaint.

Masks of 0 and 255 are judged by the split. Where no mask holds anything else (but for a label of no class in one mask
of 20 at most), 255 is taken for a class that was meant, also where images without it have masks of 0 alone. Where other
masks hold classes, an image without them may have void as they have. So masks of 0 and 255 are named where their mean
share of 255 is more than {more} times what {usual} of 100 of the others have at most; where it is not, those alone that
have more than {more} times the most of any other. A small object drawn as 255 is not told from void.

A preprocessor's mean is far where it is more than {far} deviations away from the photos' mean: their own deviation or
the config's, whichever is larger, since networks of Caffe have a 1 there. The deviation is far where the photos' own is
less than a tenth of it, or where it is meant for values of 0 to 1 and the photos are not.

The weights are those of `class_weight='median_freq'` and `'inverse'`
([training_options.md](training_options.md#losses)), of the largest training split, from samples that can be used.

## Real data

| | Pairs | Found | Exit status |
|---|---|---|--:|
{clear}

Of the official VOC lists the data here hold a part of the files; what is missing is one finding a kind.

## Planted faults

{faults} faults of {kinds} kinds (of {of_kinds}) in copies of the VOC data: {missed} files missed, {invented} invented.

All in one copy, each in pairs of its own:

| Planted | Kind | | To find | Found |
|---|---|---|--:|--:|
{together}

Each in a copy of a part of the data, four masks of each class, since they concern the whole set or the config:

| Planted | Kind | | To find | Found |
|---|---|---|--:|--:|
{alone}

## Harmless oddities

What looks odd and must not be called a fault: the first {of_odd} in one copy of the data, the others each in a copy of
a part of it.

| Planted | Found |
|---|---|
{odd}

## Time

For 1,000 pairs of VOC, photos of 500x375, everything but the imports: {one:.1f} s with one process, {two:.1f} s with
two, {time_of.cpu:.1f} s of the processor. The fastest of {rounds} runs over {time_of.pairs} pairs, files in the disk's
cache, {machine}, with {load:.0f} processes that wanted a core on average: beyond the cores, they
lengthen the times and leave those of the processor.

## What it looks like

The errors of the copy with all faults:

```text
{shown}
```

## The JSON file

- `format`: 1; another number means that a key has changed its meaning.
- `segkit`, `source`, `what`, `limit`: the version, what was typed, what was recognised, `--limit`.
- `status`, `pairs`, `counts`: the exit status, how many different pairs were looked at, and how many kinds of `error`,
  `warning` and `note` were found.
- `splits`, of each: `name`, `role`, `pairs`, `usable`, `labelled`; `sizes` (w, h) of the smallest, median and largest
  photo; `photos` and `masks` by kind of pixels; `valid_pixels`, `void_pixels`, `rgb_mean`, `rgb_std`; and by stored
  label the number of masks that have it: `stored_labels`, `labels_out_of_range`.
- `classes`, of each: `name`, `weights` (`median_freq`, `inverse`), `pixels` and `masks` by split.
- `findings`, of each kind: `kind`, `severity`, `what`, `count`, `splits`, `remedy`, and `files`, at most 10,000: `file`
  and `text` of each. Bytes of a file name that are not UTF-8 stand as Python reads them (`\\udce9` for E9).
- `advice`, of each piece: `place` in the config, `line` of Python, `why`, and `options`: the same as KEY=VALUE for
  `--cfg-options`, empty where it needs more. Of a folder the keys are those of README's config for your own data.

`{command}` makes this page.
"""


def main(argv: Sequence[str]) -> None:
    """Examine, plant, time, write the page.

    Raises:
        DataError: If a planted fault was missed, or something was found that was not planted.
    """
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', required=True, metavar='DIR', help='folder with VOC2012 and CamVid')
    parser.add_argument('--out', default='docs/doctor.md', metavar='FILE', help='default: docs/doctor.md')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    args = parser.parse_args(argv)
    from segkit.errors import DataError

    voc, camvid = Path(args.data, 'VOC2012').resolve(), Path(args.data, 'CamVid').resolve()
    clear = [cleared('VOC, by a config: train_aug.txt and val.txt', of_voc(voc)),
             cleared('VOC, as a folder', quietly(str(voc), num_classes=21)),
             cleared('CamVid, as a folder', quietly(str(camvid), num_classes=11)),
             cleared('VOC with the official lists', of_voc(voc, lists='ImageSets/Segmentation_official_full'))]
    print('\n'.join(clear), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        together, examined = try_together(voc, Path(folder, 'all'))
        alone = []
        for number, fault in enumerate(WHOLE):
            alone.append(try_alone(voc, Path(folder, str(number)), fault))
            print('\n'.join(rows_of(alone[-1:])), flush=True)
        found = try_oddities(voc, Path(folder, 'odd'), ODDITIES)
        of_oddity = [(one.what, found) for one in ODDITIES] + [
            (one.what, try_oddities(voc, Path(folder, f'odd_{number}'), [one], FEW))
            for number, one in enumerate(WHOLE_ODDITIES)]
    odd = [f'| {what} | {", ".join(found) or "nothing"} |' for what, found in of_oddity]
    print('\n'.join(odd), flush=True)
    time_of = timed(voc)
    errors = next(block for block in examined.text.split('\n\n') if '| Errors' in block)
    command = 'python tools/benchmarks/doctor.py --data DIR'
    Path(args.out).write_text(page(clear, together, alone, odd, time_of, errors, command))
    wrong = [one for one in [*together, *alone] if one.expected != one.found or one.invented]
    print('\n'.join(rows_of(together)), f'\n{len(wrong)} wrong; see {args.out}')
    if wrong:
        raise DataError(f'{wrong[0].fault.what}: to find {wrong[0].expected}, found {wrong[0].found}; invented '
                        f'{wrong[0].invented}.')
    for what, found in of_oddity:
        if found:
            raise DataError(f'{what} is no fault, and was found: {found}.')


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
