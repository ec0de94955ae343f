"""One pass over the files of several splits, in several processes; no registered class lives here."""
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Optional

import numpy as np

from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.check import Finding
from segkit.datasets.pair_look import HASH, Look, Reading, look_at_pairs, reading_of
from segkit.datasets.parallel import map_in_order
from segkit.errors import ConfigError

SIZE_HINT = 'A mask must have the size of its photo.'
AT_ONCE = 16  # pairs that a process gets
HASHES = [('pixels', f'V{HASH}'), ('content', f'V{HASH}'), ('labels', f'V{HASH}'), ('height', 'i4'), ('width', 'i4')]
ALL_255 = frozenset({0, 255})


class Split:
    """What the files of a split hold, added up.

    Attributes:
        name, role: As 'val_2007' and 'val'; the role is 'train', 'val', 'test' or 'all'.
        parts: Its datasets, out of any wrappers.
        pairs, usable: How many were looked at, and how many of them can be used.
        labelled: Whether there are masks.
        pixels, around, masks: By label: its pixels, the valid pixels of the images that have it, and their number. Of
            usable pairs alone; void is in ``void``.
        stored: By label as stored in all masks that could be read: in how many masks it is.
        wrong: Likewise of labels that are out of range.
        rgb: By colour, in how many masks of colours it is that nothing translates.
        colors, mask_colors: How many photos and masks are of each kind.
        valid, void: Pixels of masks that can be used.
        binary: Masks of exactly 0 and 255, with the share of 255 in each, 0 to 1.
        voids: The share of 255 in each mask that holds a class beside 0, likewise.
        sums: (3, C): pixels, sum and sum of squares of each channel (BGR) over the photos.
        rows: Its pairs' places in the survey's table.
    """

    def __init__(self, name: str, role: str, parts: Sequence[BaseSegDataset]) -> None:
        self.name, self.role, self.parts = name, role, list(parts)
        self.labelled = any(part.wants_labels for part in parts)
        self.pairs = self.usable = self.valid = self.void = 0
        self.pixels: Counter = Counter()
        self.around: Counter = Counter()
        self.masks: Counter = Counter()
        self.stored: Counter = Counter()
        self.wrong: Counter = Counter()
        self.rgb: Counter = Counter()
        self.colors: Counter = Counter()
        self.mask_colors: Counter = Counter()
        self.binary: dict[str, float] = {}
        self.voids: list[float] = []
        self.sums = np.zeros((3, 3))
        self.rows = np.zeros(0, np.int64)

    def add(self, look: Look, reading: Reading, seg_path: Optional[str], bad: bool) -> None:
        """Count a pair."""
        self.pairs += 1
        self.usable += not bad
        if look.photo is not None:
            self.colors[look.photo.color] += 1
            channels = len(look.photo.sums[0])
            if channels == 3:
                self.sums += np.array([[look.photo.size[0] * look.photo.size[1]] * 3, *look.photo.sums])
        if look.mask is None:
            return
        self.mask_colors[look.mask.color + (f', {look.mask.bits} bits' if look.mask.bits > 8 else '')] += 1
        self.stored.update(look.mask.stored.keys())
        self.wrong.update(look.mask.wrong.keys())
        self.rgb.update(look.mask.colors.keys())
        share = look.mask.stored.get(255, 0) / max(sum(look.mask.stored.values()), 1)
        if look.mask.stored.keys() == ALL_255:
            self.binary[seg_path] = share
        elif look.mask.stored.keys() - look.mask.wrong.keys() - ALL_255:
            self.voids.append(share)
        if bad or not look.mask.labels:
            return
        labels = dict(look.mask.labels)
        void = labels.pop(reading.ignore_index, 0)
        valid = sum(labels.values())
        self.void, self.valid = self.void + void, self.valid + valid
        for label, count in labels.items():
            self.pixels[label] += count
            self.around[label] += valid
            self.masks[label] += 1


class Survey(NamedTuple):
    """The splits; the table of all pairs (``HASHES``), each once; and their paths, two for each."""

    splits: list[Split]
    table: np.ndarray
    paths: list[tuple[str, Optional[str]]]
    readings: list[Reading]


def survey(splits: Sequence[Split], num_classes: Callable[[BaseSegDataset], Optional[int]],
           found: Callable[[Finding, tuple[int, ...]], bool], limit: Optional[int] = None,
           processes: Optional[int] = None, progress: Callable[[Sequence], Iterator] = iter) -> Survey:
    """Look at every pair of all splits once, however many of them it is in.

    Args:
        splits: They are filled.
        num_classes: How many classes a dataset's masks may have; None takes any label.
        found: Called with each finding and the numbers of the splits that it concerns, in the order of the pairs
            whatever the number of processes; tells whether the pair cannot be used.
        limit: Look at no more than so many pairs of each dataset, spread evenly.
        processes: As for :func:`map_in_order`.
        progress: Goes through the pairs and shows how far it is.

    Raises:
        ConfigError: If a dataset reads its files in a way that is not known here, or does not name them.
    """
    readings, jobs, place, owners = [], [], {}, []
    for number, split in enumerate(splits):
        rows: list[int] = []
        for part in split.parts:
            reading = reading_of(part, num_classes(part))
            key, known = reading.key, [reading.key for reading in readings]
            if key not in known:
                readings.append(reading)
                known.append(key)
            which = known.index(key)
            for info in _chosen(part, limit):
                seg_path = info.get('seg_map_path') if reading.labels is not None else None
                job = which, info['img_path'], seg_path, info.get('size_hint', SIZE_HINT)
                row = place.setdefault(job[:3], len(jobs))
                if row == len(jobs):
                    jobs.append(job)
                    owners.append(())
                owners[row] += (number,)
                rows.append(row)
        split.rows = np.array(rows, np.int64)
    del place
    table = np.zeros(len(jobs), HASHES)
    bar = iter(progress(range(len(jobs))))
    for row, look in enumerate(_looks(readings, jobs, processes)):
        next(bar)
        which, img_path, seg_path, _ = jobs[row]
        bad = False
        for finding in look.findings:
            bad |= found(finding, tuple(dict.fromkeys(owners[row])))
        for number in owners[row]:  # as often as the split has it
            splits[number].add(look, readings[which], seg_path, bad)
        if look.photo is not None:
            table[row] = (look.photo.pixels, look.photo.content, look.mask.content if look.mask else b'',
                          *look.photo.size)
    next(bar, None)
    return Survey(list(splits), table, [job[1:3] for job in jobs], readings)


def _chosen(part: BaseSegDataset, limit: Optional[int]) -> Iterator[dict]:
    chosen = range(len(part))
    if limit is not None and len(part) > limit:
        chosen = np.linspace(0, len(part) - 1, limit).astype(int).tolist()
    for i in chosen:
        info = part.get_data_info(i)
        if not info.get('img_path'):
            raise ConfigError(f'{type(part).__name__} gives no img_path for its sample {i}, so what it reads is not '
                              'known here.\nLook at the folder of its files instead.')
        yield info


def _looks(readings: list[Reading], jobs: list[tuple], processes: Optional[int]) -> Iterator[Look]:
    def pieces() -> Iterator[tuple]:
        start = 0
        while start < len(jobs):
            end = start + 1
            while end < min(len(jobs), start + AT_ONCE) and jobs[end][0] == jobs[start][0]:
                end += 1
            yield readings[jobs[start][0]], [job[1:] for job in jobs[start:end]]
            start = end

    for looks in map_in_order(look_at_pairs, pieces(), processes):
        yield from looks
