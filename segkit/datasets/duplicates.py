"""Photos that are there twice, found by their pixels; no registered class lives here."""
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from segkit.datasets.survey import Split, Survey

EVALUATED = ('val', 'test')


class Twin(NamedTuple):
    """Two photos of the same pixels: their paths, their splits, and how alike they are ('the same file', 'the same
    bytes' or 'the same pixels'), with a word on their masks where these differ."""

    first: str
    second: str
    splits: tuple[str, str]
    how: str


def twins_between(survey: Survey) -> Iterator[Twin]:
    """Photos to evaluate on that are trained on too, one for each.

    Splits of the role 'all' are left out, and so are 'val' and 'test' against each other.
    """
    trained = [split for split in survey.splits if split.role == 'train']
    for split in survey.splits:
        if split.role in EVALUATED:
            seen: set[int] = set()
            for other in trained:
                for a, b in _equal(survey, other.rows, split.rows):
                    if b not in seen:
                        seen.add(b)
                        yield _twin(survey, a, b, other, split)


def shared(survey: Survey) -> Iterator[tuple[Split, Split, int]]:
    """Splits of the role 'all' with those to evaluate on, and how many different photos of the second the first has.

    Nothing where there is a split to train on: the first is then that one and the second joined, as VOC's trainval.
    """
    if any(split.role == 'train' for split in survey.splits):
        return
    for joined in survey.splits:
        for split in survey.splits:
            if joined.role == 'all' and split.role in EVALUATED:
                count = len({b for _, b in _equal(survey, joined.rows, split.rows)})
                if count:
                    yield joined, split, count


def twins_within(survey: Survey, told: Iterable[Twin] = ()) -> Iterator[Twin]:
    """Different photo files of one split that have the same pixels, each with the first of them, once.

    Args:
        survey: The splits.
        told: Those between splits, which a split that joins these has within itself.
    """
    known = {frozenset(twin[:2]) for twin in told}
    for split in survey.splits:
        rows = np.unique(split.rows)
        for a, b in _equal(survey, rows, rows):
            both = frozenset((survey.paths[a][0], survey.paths[b][0]))
            if len(both) == 2 and both not in known:
                known.add(both)
                yield _twin(survey, a, b, split, split)


def listed_twice(split: Split, survey: Survey) -> list[str]:
    """The photos that one list of a split names more than once.

    A dataset that is joined with itself, to be drawn more often, is no mistake.
    """
    if len(split.parts) > 1:
        return []
    rows, counts = np.unique(split.rows, return_counts=True)
    return [survey.paths[row][0] for row in rows[counts > 1]]


def _equal(survey: Survey, first: np.ndarray, second: np.ndarray) -> Iterator[tuple[int, int]]:
    """Rows (a, b) of equal pixels: each row of ``second`` that some row of ``first`` equals, with the first such one.

    A row is its own equal only where the two are different splits. Photos that could not be read equal nothing.
    """
    own = first is second
    hashes = survey.table['pixels']
    where: dict[bytes, int] = {}
    for row in first.tolist():
        if survey.table['height'][row]:
            where.setdefault(hashes[row].tobytes(), row)
    for row in second.tolist():
        other = where.get(hashes[row].tobytes()) if survey.table['height'][row] else None
        if other is not None and not (own and other == row):
            yield other, row


def _twin(survey: Survey, a: int, b: int, first: Split, second: Split) -> Twin:
    rows, paths = survey.table[[a, b]], [survey.paths[a][0], survey.paths[b][0]]
    how = 'the same file' if paths[0] == paths[1] else 'the same bytes' if (
        rows['content'][0] == rows['content'][1]) else 'the same pixels'
    masks = rows['labels']
    if all(survey.paths[row][1] for row in (a, b)) and masks[0].tobytes().strip(b'\0') and \
            masks[1].tobytes().strip(b'\0') and masks[0] != masks[1]:
        how += ', but other masks'
    return Twin(*paths, (first.name, second.name), how)
