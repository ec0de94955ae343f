"""Options for a config that follow from what was found in its data."""
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from segkit.apis.doctor_findings import Findings
from segkit.apis.doctor_options import loader_of, of_datasets, of_losses, of_masks, of_photos, places_of_folder
from segkit.datasets.survey import Split, Survey
from segkit.engine.class_weights import WORDS, weights_of
from segkit.palette import bright_palette, color_map

FEW = 0.05  # the largest share of pairs that may be worth leaving out instead of mending
STEP, LARGEST = 32, 512  # pixels, of a crop
MOST_COLORS = 20  # that are asked for by name
VOC_BORDER = (224, 224, 192)  # the colour of 255 in VOC's palette


class Advice(NamedTuple):
    """Where in a config something belongs, as Python text; when to take it; and the same as KEY=VALUE for
    --cfg-options, none where it needs more than that."""

    place: str
    line: str
    why: str
    options: tuple[str, ...] = ()


def advise(survey: Survey, found: Findings, names: Sequence[str], crop: bool,
           cfg: Optional[dict[str, Any]] = None) -> list[Advice]:
    """What to take.

    Args:
        survey: The pass over the data.
        found: What is wrong with them.
        names: Of the classes.
        crop: Whether to say which crop fits the photos.
        cfg: The config whose keys are named; None: of a folder, those of a config that reads it.
    """
    places = places_of_folder(split.role for split in survey.splits) if cfg is None else cfg
    advice = [*_labels(survey, found, len(names), places), *_colors(survey, len(names), places)]
    if found.of('EXIF orientation').count:
        advice.append(Advice('LoadImageFromFile in each pipeline', "color_type='color_ignore_orientation'",
                             'if the masks were drawn on the photos as they are stored',
                             of_photos(places, 'color_type', 'color_ignore_orientation')))
    told: set[str] = set()
    for split in survey.splits:
        bad, loader = split.pairs - split.usable, loader_of(split.role)
        if 0 < bad <= FEW * split.pairs:
            value = dict(policy='skip', limit=bad)
            # Of a folder's splits for one dataloader, as train and train_aug, the first one's numbers are to paste.
            options = of_datasets(places, 'bad_samples', value, [loader]) if loader not in told else ()
            told.add(loader)
            advice.append(Advice(f'{split.name}: dataset', f"bad_samples=dict(policy='skip', limit={bad})",
                                 f'to do without the {bad} of {split.pairs} samples of {split.name} that cannot be '
                                 'used', options))
    training = training_split(survey.splits)
    if training is not None and sum(training.pixels[label] > 0 for label in range(len(names))) > 1:
        counts, place = class_counts(training, names), 'model.decode_head.loss_decode'
        advice.append(Advice(place, f"class_weight='{WORDS[0]}'",
                             'if rare classes are to count more; counted anew at the start of a run',
                             of_losses(places, 'class_weight', WORDS[0])))
        for word in WORDS:
            weights = weights_of(counts, word)
            advice.append(Advice(place, f'class_weight={weights}', f"or the numbers of '{word}' in {training.name}",
                                 of_losses(places, 'class_weight', weights)))
    if crop:
        short = np.minimum(survey.table['height'], survey.table['width'])
        short = short[short > 0]
        side = int(np.percentile(short, 10)) // STEP * STEP if len(short) else 0
        if side:
            side = min(side, LARGEST)
            line = f'crop_size=({side}, {side})'
            advice.append(Advice('RandomCrop and model.data_preprocessor.size', line,
                                 'a crop that nine of ten photos fill at their own size', (line,)))
    return advice


def training_split(splits: Sequence[Split]) -> Optional[Split]:
    """The split that class weights are counted from: the largest one to train on, with labelled pixels."""
    labelled = [split for split in splits if split.valid]
    training = [split for split in labelled if split.role == 'train'] or [
        split for split in labelled if split.role == 'all']
    return max(training, key=lambda split: split.pairs, default=None)


def class_counts(split: Split, names: Sequence[str]) -> dict:
    """The counts of a split in the form that :func:`~segkit.engine.class_weights.weights_of` takes."""
    labels = range(len(names))
    return dict(classes=list(names), pixels=[split.pixels[label] for label in labels],
                around=[split.around[label] for label in labels], masks=split.usable)


def _labels(survey: Survey, found: Findings, num_classes: int, places: dict) -> list[Advice]:
    """What to do with labels that the classes do not have."""
    advice = []
    binary = found.of('all masks 0 and 255').count > 0
    wrong: Counter = sum((split.wrong for split in survey.splits), Counter())
    stored: Counter = sum((split.stored for split in survey.splits), Counter())
    masks = sum(sum(split.mask_colors.values()) for split in survey.splits)
    dropped = any(reading.reduce_zero_label for reading in survey.readings)
    if set(wrong) == {num_classes} and wrong[num_classes] > FEW * masks and not dropped and stored[0]:
        advice.append(Advice('dataset', 'reduce_zero_label=True',
                             'if 0 means "no class" and the classes are stored from 1 on',
                             of_datasets(places, 'reduce_zero_label', True)))
        advice.append(Advice('model and dataset', f'num_classes={num_classes + 1}, with a name for each class',
                             'if 0 is a class too'))
        wrong = Counter()
    table, why = {value: 255 for value in sorted(wrong)}, []
    if wrong:
        why.append('if these labels mean "ignore"; put class indices in place of 255 where they mean a class')
    if binary:
        table[255] = 1
        why.append('if 255 is the class and not "ignore"')
    if table:
        advice.append(Advice('dataset', f'label_map={table}', '; '.join(why), of_datasets(places, 'label_map', table)))
    return advice


def _colors(survey: Survey, num_classes: int, places: dict) -> list[Advice]:
    """A color_map for masks of colours, as far as they are the palette's; the others are asked for one by one."""
    seen: Counter = sum((split.rgb for split in survey.splits), Counter())
    if not seen:
        return []
    meta = survey.splits[0].parts[0].metainfo
    given = meta['palette'] if meta['palette'] != bright_palette(meta['classes']) else []  # else nobody chose it
    known = {color: label for label, color in reversed(list(enumerate(map(tuple, given))))}
    grey = {(label,) * 3: label for label in range(num_classes)}
    table = {**grey, **known} if not seen.keys() <= grey.keys() | {(255,) * 3} else grey
    table = {(255,) * 3: 255, VOC_BORDER: 255, **table}
    colors = {color: table[color] for color in sorted(seen) if color in table}
    unknown = [color for color in sorted(seen) if color not in table]
    why = [f'{len(colors)} of {len(seen)} colours, the palette\'s, grey or void'
           + ('; add the others, which end a run:' if unknown else '')]
    of_voc = {tuple(color): label for label, color in reversed(list(enumerate(color_map(255))))}
    why += [f'{color}: which class?' + (f" VOC's palette has it for {of_voc[color]}." if color in of_voc else '')
            for color in unknown[:MOST_COLORS]]
    if len(unknown) > MOST_COLORS:
        why.append(f'and {len(unknown) - MOST_COLORS:,} more')
    return [Advice('LoadAnnotations in each pipeline', f'color_map={colors or "{(r, g, b): id, ...}"}', '\n'.join(why),
                   of_masks(places, 'color_map', colors) if colors else ())]
