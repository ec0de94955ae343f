"""What importers.py writes into docs/importers.md; the text ahead of it is written by hand."""
from collections.abc import Sequence

from importer_cases.case import Case
from importer_cases.measure import Row
from segkit.apis.importers.proof import Difference

START = '## Compared with the source\n'
TABLE = START + """
Random weights, and batch norms whose weights and statistics are random too; each file imported by the tool, the network
built from the written checkpoint alone, one fixed image of {size} pixels or near through both, scores compared at the
image's size. "Its arithmetic, written out" is the source's network in functions alone, by its own key names, in
`tools/benchmarks/importer_cases/`, for networks that no package holds.

| File | Compared with | Tensors | Part | Largest difference | of the range | argmax equal |
|---|---|--:|---|--:|--:|--:|
"""
MISREAD = """
## What a wrong reading would give

The same weights where something is taken for another thing whose keys and shapes fit as well:

| File | Taken for | Largest difference of the range | argmax equal |
|---|---|--:|--:|
"""


def page(before: str, rows: Sequence[Row], skipped: Sequence[Case], wrong: Sequence[tuple[Case, str, Difference]],
         versions: str, machine: str, command: str) -> str:
    """The page anew.

    Args:
        before: The page as it is.
        rows: What was measured.
        skipped: Cases whose program was not given.
        wrong: File, what it was taken for, and what that gave.
        versions: Of what ran in this process.
        machine: What it ran on.
        command: What made it.
    """
    lines = []
    for row in rows:
        total, used = row.tensors
        tensors = f'{total}' if used == total else f'{used} of {total}'
        for i, one in enumerate(row.found):
            first = (row.case.name, row.case.compared, tensors) if i == 0 else ('', '', '')
            lines.append(f'| {" | ".join(first)} | {one.part} | {one.largest:.2g} | {one.relative:.1e} | '
                         f'{one.agreement:.3%} |')
    lines += [f'| {case.name} | {case.compared}: not run | | | | | |' for case in skipped]
    told = sorted({row.version for row in rows if row.version})
    misread = [f'| {case.name} | {what} | {one.relative:.1e} | {one.agreement:.1%} |' for case, what, one in wrong]
    end = (f'\nMade by `{command}` on {machine}; {versions}'
           + ''.join(f'; {one}' for one in told) + '. `--gluoncv PYTHON` and `--mmseg PYTHON` name interpreters that '
           'have those packages; without one its rows are not run.\n')
    size = '128x192'
    text = before.partition(START)[0]
    return text + TABLE.format(size=size) + '\n'.join(lines) + '\n' + MISREAD + '\n'.join(misread) + '\n' + end
