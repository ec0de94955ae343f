"""The doctor's findings as tables for people and as plain values for programs."""
import os.path as osp
import textwrap
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
from terminaltables import AsciiTable

import segkit
from segkit.apis.doctor_advice import Advice, class_counts, training_split
from segkit.apis.doctor_findings import ERROR, KINDS, NOTE, WARNING, Findings
from segkit.apis.doctor_judgement import channel_statistics
from segkit.apis.doctor_options import as_typed
from segkit.datasets.survey import Split, Survey
from segkit.engine.class_weights import WORDS, weights_of

FORMAT = 1  # of the JSON file; raised where a key changes its meaning
EXAMPLES, WIDTH = 3, 88  # of a kind in the table; characters of its widest column
TITLES = {ERROR: 'Errors', WARNING: 'Warnings', NOTE: 'Notes'}


def as_text(survey: Survey, found: Findings, names: Sequence[str], advice: Sequence[Advice],
            limit: Optional[int]) -> str:
    """Everything for people: the splits, what is wrong, the classes, and what to paste."""
    roots = sorted({osp.join(part.data_root, '') for split in survey.splits for part in split.parts if part.data_root},
                   key=len, reverse=True)
    blocks = [_splits(survey)]
    if limit is not None:
        blocks.append(f'At most {limit} pairs of each dataset were looked at, and nothing is said about what never '
                      'occurs.')
    for severity in (ERROR, WARNING, NOTE):
        rows = [[group.kind, f'{group.count:,}', '\n'.join(group.splits), _details(group, roots)]
                for group in found.groups() if group.severity == severity]
        if rows:
            table = AsciiTable([[TITLES[severity], 'Count', 'Split', 'What, examples and what to do'], *rows])
            table.inner_row_border = True
            table.justify_columns = {1: 'right'}
            blocks.append(table.table)
    if survey.splits and len(names) and any(split.valid for split in survey.splits):
        blocks.append(_class_table(survey.splits, names))
    if advice:
        lines = ['To paste behind a command that names the config, as train.py CONFIG or doctor.py CONFIG:']
        for one in advice:
            why = one.why if one.options else f'{one.place}: {one.line}: {one.why}'
            lines += [f'  {as_typed(one.options)}'] * bool(one.options)
            lines += [f'      # {line}' for line in why.splitlines()]
        blocks.append('\n'.join(lines))
    counts = [f'{count} kind{"s" * (count != 1)} of {severity}{"s" * (count != 1)}'
              for severity in (ERROR, WARNING, NOTE) if (count := found.count(severity))]
    blocks.append(f'Found: {", ".join(counts)}.' if counts else 'Nothing to mend.')
    return printable('\n\n'.join(blocks))


def printable(text: str) -> str:
    """With escapes for the bytes of file names that are not UTF-8."""
    return text.encode(errors='backslashreplace').decode()


def as_json(survey: Survey, found: Findings, names: Sequence[str], advice: Sequence[Advice], what: str,
            source: str, limit: Optional[int], status: int) -> dict[str, Any]:
    """The same as plain values; docs/doctor.md says what each key means."""
    counts = training_split(survey.splits)
    weights = {word: weights_of(class_counts(counts, names), word) if counts and len(names) else None
               for word in WORDS}
    return dict(
        format=FORMAT, segkit=segkit.__version__, source=source, what=what, limit=limit, status=status,
        pairs=len(survey.paths), counts={severity: found.count(severity) for severity in (ERROR, WARNING, NOTE)},
        splits=[_split_json(split, survey) for split in survey.splits],
        classes=[dict(name=name, weights={word: values[label] if values else None for word, values in weights.items()},
                      pixels={split.name: split.pixels[label] for split in survey.splits},
                      masks={split.name: split.masks[label] for split in survey.splits})
                 for label, name in enumerate(names)],
        findings=[group.as_json() for group in found.groups()],
        advice=[dict(one._asdict(), options=list(one.options)) for one in advice])


def sizes_of(split: Split, survey: Survey) -> Optional[list[tuple[int, int]]]:
    """(w, h) of the smallest, the median and the largest photo by area; None where none could be read."""
    table = survey.table[split.rows]
    table = table[table['height'] > 0]
    if not len(table):
        return None
    order = np.argsort(table['height'].astype(np.int64) * table['width'], kind='stable')
    return [(int(table['width'][i]), int(table['height'][i])) for i in order[[0, (len(order) - 1) // 2, -1]]]


def _split_json(split: Split, survey: Survey) -> dict[str, Any]:
    sizes = sizes_of(split, survey)
    mean, std = channel_statistics(split, as_rgb=True).tolist() if split.sums[0, 0] else (None, None)
    return dict(name=split.name, role=split.role, pairs=split.pairs, usable=split.usable, labelled=split.labelled,
                sizes=sizes and dict(zip(('smallest', 'median', 'largest'), map(list, sizes))),
                photos=dict(split.colors), masks=dict(split.mask_colors), valid_pixels=split.valid,
                void_pixels=split.void, rgb_mean=mean, rgb_std=std,
                stored_labels={str(label): count for label, count in sorted(split.stored.items())},
                labels_out_of_range={str(label): count for label, count in sorted(split.wrong.items())})


def _splits(survey: Survey) -> str:
    rows = []
    for split in survey.splits:
        sizes = sizes_of(split, survey)
        total = split.valid + split.void
        mean = channel_statistics(split, as_rgb=True) if split.sums[0, 0] else None
        rows.append([split.name, f'{split.pairs:,}', f'{split.usable:,}',
                     ', '.join(f'{w}x{h}' for w, h in sizes) if sizes else '-',
                     ', '.join(split.colors), ', '.join(split.mask_colors) or '-',
                     f'{split.void / total:.1%}' if total else '-',
                     '-' if mean is None else ' '.join(f'{value:.0f}' for value in (*mean[0], *mean[1]))])
    table = AsciiTable([['Split', 'Pairs', 'Usable', 'Photos w x h: smallest, median, largest', 'Photos', 'Masks',
                         'Void', 'RGB mean, std'], *rows])
    table.justify_columns = {1: 'right', 2: 'right', 6: 'right'}
    return table.table


def _details(group: Any, roots: Sequence[str]) -> str:
    def short(text: str) -> str:
        for root in roots:
            text = text.replace(root, '')
        return printable(text)

    lines = [f'{KINDS[group.kind].what}:'] + [short(text) for text in list(group.files.values())[:EXAMPLES]]
    if group.count > EXAMPLES:
        lines.append(f'and {group.count - EXAMPLES:,} more')
    if group.remedy:
        lines += [f'> {line}' for line in group.remedy.splitlines()]
    return '\n'.join(part for line in lines for part in textwrap.wrap(
        line, WIDTH, subsequent_indent='  ', break_on_hyphens=False) or [''])


def _class_table(splits: Sequence[Split], names: Sequence[str]) -> str:
    """Each class's share of the valid pixels and the masks that have it, and the weights.

    Of several splits of a role the largest one is shown.
    """
    training = training_split(splits)
    shown = {split.role: split for split in sorted(splits, key=lambda split: split.pairs) if split.valid}
    if training is not None and training.role == 'train':
        shown.pop('all', None)
    splits = [split for split in splits if split in shown.values()]
    head = ['Label', 'Class', *(f'{split.name} %' for split in splits), *(f'{split.name} masks' for split in splits)]
    weights: list[list[float]] = []
    if training is not None and len(names) > 1:
        weights = [weights_of(class_counts(training, names), word) for word in WORDS]
        head += WORDS
    rows = [[str(label), name, *(f'{100 * split.pixels[label] / split.valid:.3f}' for split in splits),
             *(f'{split.masks[label]:,}' for split in splits), *(f'{values[label]:.4g}' for values in weights)]
            for label, name in enumerate(names)]
    table = AsciiTable([head, *rows])
    table.justify_columns = {column: 'right' for column in range(len(head)) if column != 1}
    return table.table
