"""COCO's instances as VOC-class masks in VOC's layout; the body of tools/dataset_converters/coco_to_voc.py."""
import os
import os.path as osp
from collections import Counter
from collections.abc import Sequence
from typing import Optional

import numpy as np

from segkit.apis.converters.inputs import refuse_inside
from segkit.apis.converters.steps import Mask, write_list, write_masks
from segkit.datasets.check import check_dataset
from segkit.datasets.coco_annotations import require_instances_file
from segkit.datasets.coco_voc_dataset import COCOVOCDataset
from segkit.datasets.listing import shorten
from segkit.datasets.transforms.image_file import decode_mask, read_bytes
from segkit.errors import ConfigError, DataError

MASKS, LISTS = 'SegmentationClass', 'ImageSets/Segmentation'
RULE = 'rule.txt'  # in out_dir: the rule that its masks were made with
SUFFIX = '.jpg'


def convert(in_dir: str, out_dir: str, splits: Optional[Sequence[str]] = None, rule: str = 'gluoncv',
            min_pixels: Optional[int] = 1000, cache_dir: Optional[str] = None,
            processes: Optional[int] = None) -> dict[str, int]:
    """Write the masks of each split into SegmentationClass, and its names into ImageSets/Segmentation/<split>.txt.

    All annotations and photos are looked at before the first mask is written. Masks that are there already, whole and
    with the same labels, are left; a list is written when all its masks are there. The folders of photos are
    linked into ``out_dir``.

    Args:
        in_dir: COCO's folder: annotations/instances_<split>.json, and the photos in <split>/.
        out_dir: The folder to write to, outside of ``in_dir``; its masks are all of one rule; rule.txt tells it.
        splits: Such as ['train2017', 'val2017']; None takes all whose annotations are there.
        rule, min_pixels, cache_dir: As for :class:`COCOVOCDataset`.
        processes: As for :func:`map_in_order`.

    Returns:
        How many photos each split has.

    Raises:
        ConfigError, DataError: As :class:`COCOVOCDataset` and :func:`check_dataset` do; also if something else is in
            the way, two photos would have the same mask, ``out_dir`` lies in ``in_dir``, or its masks are of another
            rule.
    """
    refuse_inside(in_dir, out_dir)
    _refuse_other_rule(out_dir, rule)
    annotations = osp.join(in_dir, 'annotations')
    if not osp.isdir(annotations):
        holds = f'holds {shorten(sorted(os.listdir(in_dir))) or "nothing"}' if osp.isdir(in_dir) else 'does not exist'
        raise DataError(f'{in_dir} {holds}.\nName the folder with annotations/ and the photos of each split as IN.')
    splits = _splits_in(annotations) if splits is None else list(splits)
    for split in splits:  # before the first of them is painted
        require_instances_file(osp.join(annotations, f'instances_{split}.json'))
        if not osp.isdir(osp.join(in_dir, split)):
            raise DataError(f'The photos of {split} are missing: there is no folder {osp.join(in_dir, split)}.\n'
                            'Unpack them there, or name the splits that you have (--splits).')
    datasets = {split: COCOVOCDataset(
        ann_file=f'annotations/instances_{split}.json', data_root=in_dir, data_prefix=dict(img_path=split), rule=rule,
        min_pixels=min_pixels, cache_dir=cache_dir, processes=processes) for split in splits}
    for split, dataset in datasets.items():
        print(f'{split}: {check_dataset(dataset)}', flush=True)
    names = {split: _names(dataset) for split, dataset in datasets.items()}
    every = [name for of_split in names.values() for name in of_split]
    if len(set(every)) < len(every):
        twice = Counter(every).most_common(1)[0][0]
        raise DataError(f'Two photos are called {twice}; each would need the mask {MASKS}/{twice}.png.\n'
                        'Convert the splits into folders of their own (--splits).')
    for split in splits:
        _link(osp.join(out_dir, split), osp.abspath(osp.join(in_dir, split)))
    write_list(osp.join(out_dir, RULE), [rule])
    for split, dataset in datasets.items():
        write_masks([Mask(info['seg_map_path'], osp.join(out_dir, MASKS, f'{name}.png'), info['img_path'])
                     for name, info in zip(names[split], map(dataset.get_data_info, range(len(dataset))))],
                    read_mask, dataset.metainfo['palette'], split, processes)
        write_list(osp.join(out_dir, LISTS, f'{split}.txt'), names[split])
    return {split: len(dataset) for split, dataset in datasets.items()}


def _refuse_other_rule(out_dir: str, rule: str) -> None:
    path, masks = osp.join(out_dir, RULE), osp.join(out_dir, MASKS)
    if not osp.isfile(path) or not osp.isdir(masks) or not os.listdir(masks):
        return
    with open(path, encoding='utf-8', errors='replace') as file:
        there = shorten(file.read().split())
    if there != rule:
        raise ConfigError(f'The masks in {masks} were made with --rule {there} ({path}), not with {rule}.\nName '
                          f'another folder as OUT, or take --rule {there}.')


def _splits_in(annotations: str) -> list[str]:
    files = sorted(name for name in os.listdir(annotations)
                   if name.startswith('instances_') and name.endswith('.json'))
    if not files:
        raise DataError(f'{annotations} holds no instances_<split>.json; it holds: '
                        f'{shorten(sorted(os.listdir(annotations))) or "nothing"}.\n'
                        "COCO's annotations_trainval2017.zip has them.")
    return [name.removeprefix('instances_').removesuffix('.json') for name in files]


def _names(dataset: COCOVOCDataset) -> list[str]:
    """The names of the photos, without suffix."""
    files = [osp.relpath(dataset.get_data_info(i)['img_path'], dataset.data_prefix['img_path'])
             for i in range(len(dataset))]
    other = next((name for name in files if not name.endswith(SUFFIX)), None)
    if other is not None:
        raise DataError(f"The photo {other} of {dataset.ann_file} does not end with {SUFFIX}, as photos of VOC's "
                        'layout do.\nTrain from the annotations themselves (COCOVOCDataset).')
    return [name.removesuffix(SUFFIX) for name in files]


def _link(path: str, target: str) -> None:
    os.makedirs(osp.dirname(path), exist_ok=True)
    if osp.lexists(path):
        if osp.realpath(path) != osp.realpath(target):
            raise DataError(f'{path} is there and is not {target}.\nMove it away, or name another OUT.')
        return
    os.symlink(target, path)


def read_mask(source: str) -> np.ndarray:
    """The labels of a photo, where the index of the annotations has them."""
    return decode_mask(read_bytes(source), source)
