"""What a data set shows only as a whole: joined from the pass over its files."""
from collections import Counter
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from segkit.apis.doctor_findings import Findings
from segkit.datasets.crop_fit import CropFit
from segkit.datasets.duplicates import EVALUATED, listed_twice, shared, twins_between, twins_within
from segkit.datasets.survey import ALL_255, Split, Survey
from segkit.datasets.unlisted import Unlisted, odd_names, same_but_for_case, unlisted

SMALLEST_SIDE, LONGEST = 32, 5  # pixels; times as long as wide
FAR = 2  # standard deviations between the mean of the pixels and what the preprocessor takes for it
STRAY = 0.05  # the largest share of masks in which a label that no class has is a slip
USUAL, MORE = 90, 1.2  # per cent of the masks whose share of void is usual; how many times that is not


def judge(survey: Survey, names: Sequence[str], guessed: bool, whole: bool, found: Findings) -> None:
    """Add what all files together show.

    Args:
        survey: The pass.
        names: Of the classes.
        guessed: Whether the number of classes was taken from the labels.
        whole: Whether every file was looked at; else nothing is said about what never occurs.
        found: Takes the findings.
    """
    for split in survey.splits:
        _masks(split, found)
        if whole and split.valid and split.name not in found.of('all masks 0 and 255').files:
            _classes(split, names, any(one.role == 'train' for one in survey.splits), found)
    if guessed:
        _apart(survey.splits, len(names), found)
    _duplicates(survey, found)
    _sizes(survey, found)
    kinds = sum((split.mask_colors for split in survey.splits), Counter())
    if len(kinds) > 1:
        shares = ', '.join(f'{count} {kind}' for kind, count in kinds.most_common())
        found.tell('kinds of masks', 'masks', shares, *(split.name for split in survey.splits if split.mask_colors))


def look_around(survey: Survey, found: Findings) -> None:
    """Add what lies in the folders and is in no split, and names that make trouble.

    Where a split could not be listed nothing is known of the first.
    """
    parts = [part for split in survey.splits for part in split.parts]
    rest = unlisted(parts) if not found.of('split').count else Unlisted([], [], [])
    for kind, paths in (('in no split', rest.pairs), ('photo without mask', rest.photos),
                        ('mask without photo', rest.masks)):
        for path in paths:
            found.tell(kind, path, path)
    files = dict.fromkeys(photo for photo, _ in survey.paths if '://' not in photo)
    photos = [*files, *rest.pairs, *rest.photos]
    for first, second in same_but_for_case(photos):
        found.tell('same name but for case', second, f'{first} and {second}')
    for path in odd_names(photos):
        found.tell('odd name', path, ascii(path)[1:-1])


def _masks(split: Split, found: Findings) -> None:
    if split.void and not split.valid:
        found.tell('all masks void', split.name, f'{split.name}: {split.usable} masks', split.name)
    part = split.parts[0]
    if part.ignore_index != 255 or 255 in (part.label_map or {}) or part.num_classes < 2:
        return
    masks = sum(split.mask_colors.values())
    slips = {label for label, count in split.wrong.items() if count <= STRAY * masks}
    if split.stored.keys() - slips == ALL_255:  # an image without the object has a mask of 0 alone
        where = f', such as {next(iter(split.binary))}' if split.binary else ''
        found.tell('all masks 0 and 255', split.name, f'{split.name}: {masks} masks, {split.stored[255]} of them '
                   f'with 255{where}', split.name)
    else:
        for path in _drawn_as_255(split):
            found.tell('mask of 0 and 255', path, f'{path}: {split.binary[path]:.0%} is 255', split.name)


def _drawn_as_255(split: Split) -> list[str]:
    """Masks of 0 and 255 in which 255 seems to be drawn as a class.

    An image without an object may have void pixels as all others have: a border, a frame. Only more void than is usual
    tells; and where these masks as a whole have no more of it, more than any other mask has.
    """
    if not split.binary or not split.voids:
        return []
    if np.mean(list(split.binary.values())) > MORE * np.percentile(split.voids, USUAL):
        return list(split.binary)
    most = MORE * max(split.voids)
    return [path for path, share in split.binary.items() if share > most]


def _classes(split: Split, names: Sequence[str], with_training: bool, found: Findings) -> None:
    """Classes that never occur: a warning where is trained, a note where is evaluated."""
    evaluated = split.role in EVALUATED or (split.role == 'all' and with_training)
    for label, name in enumerate(names):
        if not split.pixels[label]:
            found.tell('class not evaluated' if evaluated else 'class never occurs', f'{split.name}: {name}',
                       f'{split.name}: {name} ({label})', split.name)


def classes_below_a_gap(splits: Sequence[Split]) -> int:
    """How many classes the labels look like: those up to the first gap that is wider than what lies below it."""
    there = sorted(set().union(*(split.pixels for split in splits)))
    for below, label in zip(there, there[1:]):
        if label - below > max(below, 2):
            return below + 1
    return there[-1] + 1 if there else 0


def _apart(splits: Sequence[Split], num_classes: int, found: Findings) -> None:
    """Labels above that gap."""
    masks: Counter = sum((split.masks for split in splits), Counter())
    for label in sorted(label for label in masks if label >= num_classes):
        found.tell('label stands apart', str(label), f'label {label} in {masks[label]} '
                   f'mask{"s" * (masks[label] != 1)}, and none of '
                   f'{num_classes} to {min(one for one in masks if one >= num_classes) - 1}',
                   *(split.name for split in splits if split.masks[label]))


def _duplicates(survey: Survey, found: Findings) -> None:
    between = list(twins_between(survey))
    for twin in between:
        text = f'{twin.second} ({twin.splits[1]})' + (
            f' is in {twin.splits[0]} too' if twin.first == twin.second else
            f' = {twin.first} ({twin.splits[0]}): {twin.how}')
        found.tell('trained on', twin.second, text, *twin.splits)
    for joined, split, count in shared(survey):
        found.tell('in both', f'{joined.name}, {split.name}', f'{count} of the {split.pairs} photos of {split.name} '
                   f'are in {joined.name}', joined.name, split.name)
    for twin in twins_within(survey, between):
        found.tell('twice', twin.second, f'{twin.first} = {twin.second}: {twin.how}', twin.splits[0])
    for split in survey.splits:
        for path in listed_twice(split, survey):
            found.tell('listed twice', path, f'{path} in {split.name}', split.name)


def _sizes(survey: Survey, found: Findings) -> None:
    height, width = survey.table['height'], survey.table['width']
    short, long = np.minimum(height, width), np.maximum(height, width)
    odd = (short > 0) & ((short < SMALLEST_SIDE) | (long > LONGEST * short))
    for row in np.flatnonzero(odd).tolist():
        path = survey.paths[row][0]
        found.tell('odd size', path, f'{path}: {width[row]}x{height[row]}', *(
            split.name for split in survey.splits if row in split.rows))


def judge_normalisation(split: Split, preprocessor: Optional[dict], found: Findings) -> None:
    """Compare a config's mean and deviation with the photos: in the wrong scale they leave nothing to learn from.

    A mean of 0 with a deviation of 1 leaves the values as they are, and is taken as meant.
    """
    given = preprocessor or {}
    mean, std = given.get('mean'), given.get('std')
    if not split.sums[0, 0] or mean is None or std is None or len(mean) != 3:
        return
    own = channel_statistics(split, bool(given.get('bgr_to_rgb') or given.get('rgb_to_bgr')))
    center, spread = np.array(mean, float), np.maximum(np.array(std, float), 1e-12)
    # Networks of Caffe take off the mean and divide by 1: how far a mean is shows beside the photos' own deviation.
    away = np.abs(own[0] - center) / np.maximum(own[1], spread)
    ratio = own[1] / spread
    for_zero_to_one = spread.max() < 1 or (spread.max() == 1 and 0 < center.max() <= 1)
    if away.max() > FAR or ratio.max() < 0.1 or (for_zero_to_one and ratio.max() > 10):
        found.tell('normalisation', 'model.data_preprocessor',
                   f'mean {_numbers(mean)}, std {_numbers(std)}; the photos of {split.name} have mean '
                   f'{_numbers(own[0])}, std {_numbers(own[1])}', split.name,
                   remedy='Values are 0 to 255 here, in the order of the channels that the network sees.')


def channel_statistics(split: Split, as_rgb: bool) -> np.ndarray:
    """Mean and standard deviation of each channel of a split's photos, (2, 3), 0 to 255; BGR or RGB."""
    count, total, squares = split.sums
    mean = total / count
    found = np.stack([mean, np.sqrt(np.maximum(squares / count - mean ** 2, 0))])
    return found[:, ::-1] if as_rgb else found


def judge_crops(split: Split, fit: Optional[CropFit], found: Findings) -> None:
    """Say where the crops of a training are mostly padding."""
    if fit is not None and fit.padding > 0.5:
        found.tell('padding', split.name, f'{split.name}: crops of {fit.crop[0]}x{fit.crop[1]} (h, w) are '
                   f'{fit.padding:.0%} padding', split.name,
                   remedy='Take a smaller crop_size, or resize the photos before the crop.')


def _numbers(values: Any) -> str:
    return '[' + ', '.join(f'{value:.4g}' for value in values) + ']'
