"""The sections of docs/parity.md on samples, the metric and the losses."""
from typing import Optional

from parity import checkpoint, checks
from parity.text import number, table

METRIC_NOTE = """
A class that is labelled and never predicted has no F-score there and is left out of the mean; here it has 0, as it has
IoU 0 and Dice 0 on both sides, and the mean holds it. The F-score with beta 1 is the Dice score by definition, so here
both columns agree. Where only the last digit differs, the share lies half-way between two printed numbers, and
MMSegmentation's division in single precision moves it; here it is exact.
"""
# Why a loss differs, or cannot be compared, and who is right.
LOSS_NOTES = {
    'DiceLoss': 'there the probabilities of void pixels count as wrong whatever they are; here they count in no sum, '
                'as in every other loss. Without void pixels both are equal.',
    'FocalLoss': 'on a CPU MMSegmentation fails on labels of several classes; it was given one-hot maps with weight 0 '
                 'at void pixels, which is what its CUDA code computes.',
    'LovaszLoss': 'MMSegmentation computes it in single precision only.',
}
DIFFERENT = ('DiceLoss',)
SINGLE, EXACT = 1e-5, 1e-6
FOUND = 4  # so many classes of a checkpoint's table at least have an IoU above 0, or it would tell little


def sections(found: dict, faults: list[str]) -> list[str]:
    """The sections of what was compared; what is not as it should be is added to ``faults``."""
    parts = []
    if 'samples' in found:
        parts += [_samples(found['samples'], faults), _batches(found['samples'], faults)]
    if 'metric' in found:
        parts.append(_metric(found['metric'], faults))
    if 'losses' in found:
        parts.append(_losses(found['losses'], faults))
    if 'checkpoint' in found:
        parts.append(_checkpoint(found['checkpoint'], faults))
    return parts


def _samples(found: dict, faults: list[str]) -> str:
    rows = []
    for title, one in found['samples'].items():
        cells = []
        for kind in ('train', 'test'):
            part = one[kind]
            if 'error' in part:
                cells.append(part['error'])
                faults.append(f'samples of {title}, {kind}: {part["error"]}')
                continue
            cells.append(f'{part["equal"]} of {part["of"]}')
            if part['equal'] < part['of']:
                faults.append(f'samples of {title}, {kind}: {part["first"]} differs')
        rows.append([title, *cells, found['told'][one['layout']], checks.PIPELINES[title][0]])
    return ('\n## Samples, bit by bit\n\nDatasets of both sides built from the file, with the same random state for '
            'each sample. Equal are the name, the\nimage, the labels, and the sizes, scales and flips that the sample '
            'remembers.\n\n'
            + table(['pipeline', 'training samples equal', 'test samples equal', 'photos and masks', 'file'], rows))


def _batches(found: dict, faults: list[str]) -> str:
    rows = []
    for title, one in found['batches'].items():
        if 'error' in one:
            rows.append([title, '', '', one['error'], ''])
            faults.append(f'batch, {title}: {one["error"]}')
            continue
        sizes = f'{one["images"]}, of {len(one["sizes"])} size' + ('s' if len(one['sizes']) > 1 else '')
        rows.append([title, sizes, ' x '.join(map(str, one['shape'])), number(one['gap']),
                     {True: 'equal', False: 'differ', None: ''}[one['labels']]])
        if one['gap'] > 1e-6 or one['labels'] is False:
            faults.append(f'batch, {title}: values differ by {one["gap"]}')
    return ('\n### Batches through the preprocessor\n\nADE20K; in a test MMSegmentation refuses images of different '
            'sizes in a batch, segkit takes them.\n\n'
            + table(['batch', 'images', 'tensor', 'largest difference', 'labels'], rows))


def _metric(found: dict, faults: list[str]) -> str:
    rows = []
    for title, one in found.items():
        if 'error' in one:
            rows.append([title, '', one['error']])
            faults.append(f'metric, {title}: {one["error"]}')
            continue
        unexplained = [pair for pair in one['different'] if not _known(pair, one.get('with_zeros'))]
        faults.extend(f'metric, {title}: {name} {column} is {there} there and {here} here'
                      for name, column, there, here in unexplained)
        told = '; '.join(f'{name} {column}: {there} there, {here} here'
                         for name, column, there, here in one['different'])
        rows.append([title, f'{one["cells"] - len(one["different"])} of {one["cells"]}', told or 'none'])
    note = METRIC_NOTE if any(one.get('different') for one in found.values()) else ''
    return ('\n## IoUMetric\n\nmIoU, mDice and mFscore of random label maps with void pixels; every printed cell of '
            'the table and every mean.\n\n'
            + table(['labels and predictions', 'cells equal', 'different'], rows) + note)


def _known(pair: tuple[str, str, str, str], with_zeros: Optional[float]) -> bool:
    """Whether a difference is one of those that METRIC_NOTE tells of.

    Args:
        pair: Class, column, and what both sides print.
        with_zeros: The mean of MMSegmentation's F-scores with 0 for classes that are labelled and never predicted.
    """
    _, column, there, here = pair
    if column == 'mFscore':
        return with_zeros is not None and abs(with_zeros - float(here)) < 0.011
    if column == 'Fscore':
        return there == 'n/a' and here == '0.00'
    return 'n/a' not in (there, here) and abs(float(there) - float(here)) < 0.011


def _losses(found: dict, faults: list[str]) -> str:
    rows, notes = [], []
    for name, one in found.items():
        cells, good = [], []
        for kind, limit in (('single', SINGLE), ('double', EXACT)):
            part = one[kind]
            if isinstance(part, str):
                cells += [part, '']
                continue
            gap = abs(part[0] - part[1]) / max(abs(part[0]), 1e-12)
            cells += [number(gap), number(part[2])]
            good.append(gap <= limit and part[2] <= 10 * limit)
        verdict = 'equal' if any(good) else 'not compared' if not good else 'differ'
        value = f'{one["single"][0]:.6f}' if not isinstance(one['single'], str) else ''
        rows.append([name, value, *cells, verdict])
        if name in LOSS_NOTES:
            notes.append(f'- {name}: {LOSS_NOTES[name]}')
        if name not in DIFFERENT and verdict != 'equal':
            faults.append(f'loss {name}: {verdict}')
    return ('\n## Losses and pixel samplers\n\nRandom scores of 7 classes, two images, a fifth of the pixels void. '
            'Differences are relative: of the value, and of the\ngradient to its largest value.\n\n'
            + table(['loss', 'value there', 'value, float32', 'gradient, float32', 'value, float64',
                     'gradient, float64', ''], rows) + ('\n' + '\n'.join(notes) + '\n' if notes else ''))


def _checkpoint(found: dict, faults: list[str]) -> str:
    title = '\n## A checkpoint of its own training\n\n'
    if 'error' in found:
        faults.append(f'checkpoint: {found["error"]}')
        return f'{title}{found["error"]}\n'
    there, rows = found['there'], []
    for name in there:
        cells = ['/'.join(found[side].get(name, ['-'])) for side in ('there', 'here', 'old')]
        rows.append([name, *cells])
    scored = sum(cells[0] not in ('0.00', 'n/a') for name, cells in there.items() if name not in ('mean', 'all pixels'))
    if scored < FOUND:
        faults.append(f'checkpoint: only {scored} classes of the table are above 0, so that it tells little')
    for side, words in (('here', 'the checkpoint'), ('old', 'the file of 0.x')):
        wrong = [name for name in there if found[side].get(name) != there[name]]
        if wrong or 'error' in found[side]:
            faults.append(f'checkpoint, {words}: {found[side].get("error") or ", ".join(wrong)}')
    return (f'{title}MMSegmentation trained a DeepLabV3 R18 for {checkpoint.ITERS} iterations ({found["told"]}) from a '
            f'file that inherits its\n{checkpoint.BASE}, and tested it on {checkpoint.IMAGES} images. '
            '`tools/test.py` tested the checkpoint with the\nsame file, unedited, and the same weights in a file with '
            'the keys of 0.x. IoU/Acc as printed:\n\n'
            + table(['class', 'MMSegmentation', 'tools/test.py', 'file of 0.x'], rows))
