"""The data that systems are tried on, laid out as their configs expect it: real ones of a pack, or generated scenes."""
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Optional

import cv2
import numpy as np
from PIL import Image

# Where the configs look, relative to the folder that a system runs in.
PLACES = dict(voc='data/VOCdevkit/VOC2012', coco='data/coco', cityscapes='data/cityscapes')
LISTS = 'ImageSets/Segmentation'
# CamVid's 11 classes as Cityscapes' train ids: sky, building, pole, road, sidewalk, vegetation, traffic sign, fence,
# car, person, and rider for CamVid's bicyclist, which is rider and bicycle in one.
CAMVID = (10, 2, 5, 0, 1, 8, 7, 4, 13, 11, 12)
FRAMES = dict(train=48, val=8)


def prepare(folder: Path, pack: Optional[Path]) -> str:
    """Lay the data out below a folder, once; say in words what they are.

    Args:
        folder: Systems run in it, so that relative paths of configs lead here.
        pack: A folder with VOC2012/, CamVid/ and COCO_sample/; None generates scenes.

    Raises:
        DataError: If the pack lacks one of them.
    """
    from segkit.errors import DataError
    for name in ('VOC2012', 'CamVid', 'COCO_sample') if pack else ():
        if not (pack / name).is_dir():
            raise DataError(f'SEGKIT_DATA={pack}: there is no {name}/ in it.\nUnset SEGKIT_DATA to try the systems on '
                            'generated scenes.')
    places = {name: folder / place for name, place in PLACES.items()}
    if pack is None:
        scenes = _scenes(folder / 'scenes')
        _voc_of(scenes, places['voc'], *_shared(scenes, 8))
        _coco_of_scenes(scenes, places['coco'])
        _cityscapes(places['cityscapes'], {split: _pairs(scenes, split) for split in FRAMES}, range(9), 1.0)
        return 'generated scenes'
    voc, official = pack / 'VOC2012', (pack / 'VOC2012' / LISTS / 'train.txt').read_text().split()
    added = [name for name in (voc / LISTS / 'train_aug.txt').read_text().split() if name not in set(official)]
    _voc_of(voc, places['voc'], official, added, val='val_2007')
    _link(places['coco'], pack / 'COCO_sample')
    frames = {split: [(pack / f'CamVid/{split}/images/{name}.jpg', pack / f'CamVid/{split}/masks/{name}.png')
                      for name in (pack / f'CamVid/{split}.txt').read_text().split()] for split in FRAMES}
    _cityscapes(places['cityscapes'], frames, CAMVID, 0.5)
    return (f'real photos: VOC 2012 ({len(official)} of train, {len(added)} of SBD, 8 of val), COCO 2017 (80 and 28), '
            "CamVid's frames in Cityscapes' layout at 240x180")


def labelled_pixels(dataset: dict, data: str, count: int) -> int:
    """Pixels with a label in the first ``count`` images of a data set, from its files and not through segkit.

    Args:
        dataset: Its config, with ``data_root``, ``data_prefix`` and ``ann_file``.
        data: Which one it is.
        count: How many images, in the order of their list or of their names.
    """
    root = Path(dataset['data_root'])
    if data == 'coco':  # each pixel has a label there; photos are those with more than 1,000 pixels of VOC's classes
        return sum(height * width for height, width in _kept_sizes(root / dataset['ann_file'])[:count])
    masks = root / dataset['data_prefix']['seg_map_path']
    files = (sorted(masks.rglob('*_gtFine_labelTrainIds.png')) if data == 'cityscapes' else
             [masks / f'{name}.png' for name in (root / dataset['ann_file']).read_text().split()])
    return sum(int((np.array(Image.open(file)) != 255).sum()) for file in files[:count])


def _kept_sizes(ann_file: Path) -> list[tuple[int, int]]:
    """(h, w) of each photo of an instances file that GluonCV's rule keeps, by a union of masks."""
    from pycocotools.coco import COCO

    from segkit.datasets.coco_masks import CATEGORIES
    api, kept = COCO(str(ann_file)), []
    for image in api.dataset['images']:
        annotations = api.loadAnns(api.getAnnIds(imgIds=image['id'], catIds=list(CATEGORIES)))
        union = np.zeros((image['height'], image['width']), bool)
        for one in annotations:
            union |= api.annToMask(one) > 0
        if union.sum() > 1000:
            kept.append((image['height'], image['width']))
    return kept


def _link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        place.symlink_to(target.resolve(), target_is_directory=True)


def _voc_of(source: Path, place: Path, official: list[str], added: list[str], val: str = 'val') -> None:
    """A VOC tree of links, with the split lists that the configs name."""
    (place / LISTS).mkdir(parents=True, exist_ok=True)
    for name in ('JPEGImages', 'SegmentationClass', 'SegmentationClassAug'):
        masks = source / name
        _link(place / name, masks if masks.is_dir() else source / 'SegmentationClass')
    lists = dict(train=official, aug=added, val=(source / LISTS / f'{val}.txt').read_text().split())
    for name, ids in lists.items():
        (place / LISTS / f'{name}.txt').write_text(''.join(f'{one}\n' for one in ids))


def _cityscapes(place: Path, frames: dict[str, list[tuple[Path, Path]]], train_ids: Iterable[int],
                scale: float) -> None:
    """Photos and label maps as frames of one city; ``train_ids`` holds the new label of each old one."""
    table = np.full(256, 255, np.uint8)
    table[:len(tuple(train_ids))] = list(train_ids)
    for split, pairs in frames.items():
        step = len(pairs) / FRAMES[split]
        for number in range(FRAMES[split]):
            photo, mask = pairs[int(number * step)]
            name = f'aachen/aachen_{number:06d}_000019'
            img = place / f'leftImg8bit/{split}/{name}_leftImg8bit.png'
            labels = place / f'gtFine/{split}/{name}_gtFine_labelTrainIds.png'
            img.parent.mkdir(parents=True, exist_ok=True)
            labels.parent.mkdir(parents=True, exist_ok=True)
            if labels.exists():
                continue
            pixels, values = cv2.imread(str(photo)), table[np.array(Image.open(mask))]
            if scale != 1:
                size = tuple(int(side * scale) for side in values.shape[::-1])
                pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
                values = cv2.resize(values, size, interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(img), pixels)
            Image.fromarray(values).save(labels)


def _scenes(folder: Path) -> Path:
    from segkit.datasets.scenes import generate
    generate(str(folder), FRAMES['train'], FRAMES['val'], (120, 200), 0)
    return folder


def _shared(scenes: Path, count: int) -> tuple[list[str], list[str]]:
    """The names of train.txt, and the last ``count`` of them by themselves."""
    names = (scenes / LISTS / 'train.txt').read_text().split()
    return names[:-count], names[-count:]


def _pairs(scenes: Path, split: str) -> list[tuple[Path, Path]]:
    return [(scenes / f'JPEGImages/{name}.jpg', scenes / f'SegmentationClass/{name}.png')
            for name in (scenes / LISTS / f'{split}.txt').read_text().split()]


def _coco_of_scenes(scenes: Path, place: Path) -> None:
    """The scenes as photos with instances, one for each class that is in a scene."""
    from pycocotools import mask as rle

    from segkit.datasets.coco_masks import CATEGORIES
    ids = list(CATEGORIES)
    for split, name in (('train', 'train2017'), ('val', 'val2017')):
        _link(place / name, scenes / 'JPEGImages')
        images, annotations = [], []
        for number, (photo, mask) in enumerate(_pairs(scenes, split), start=1):
            labels = np.array(Image.open(mask))
            images.append(dict(id=number, file_name=photo.name, height=labels.shape[0], width=labels.shape[1]))
            for label in np.setdiff1d(labels, [0, 255]):
                runs = rle.encode(np.asfortranarray(labels == label).astype(np.uint8, order='F'))
                shape = dict(size=[int(side) for side in runs['size']], counts=runs['counts'].decode())
                annotations.append(dict(
                    id=len(annotations) + 1, image_id=number, category_id=ids[int(label) - 1], iscrowd=1,
                    area=int(rle.area(runs)), bbox=[float(side) for side in rle.toBbox(runs)], segmentation=shape))
        file = place / f'annotations/instances_{name}.json'
        file.parent.mkdir(parents=True, exist_ok=True)
        named = [dict(id=number, name=name) for number, name in CATEGORIES.items()]
        text = json.dumps(dict(images=images, annotations=annotations, categories=named))
        if not file.exists() or file.read_text() != text:
            file.write_text(text)


def pack_of_environment() -> Optional[Path]:
    """The folder that SEGKIT_DATA names; None where it names none."""
    root = os.environ.get('SEGKIT_DATA')
    return Path(root).resolve() if root else None
