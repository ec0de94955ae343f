"""Folders in the layouts of PASCAL VOC, Cityscapes and ADE20K, for comparing training samples."""
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import cv2
import numpy as np

STREETS = 16  # Cityscapes frames are large; each is drawn several times, with other random states
Pair = tuple[np.ndarray, np.ndarray]


def make_trees(root: Path, pack: Optional[Path], number: int) -> tuple[dict[str, str], dict[str, str]]:
    """Write the folders.

    Args:
        root: A new folder.
        pack: The folder that SEGKIT_DATA names, with VOC2012 and CamVid in it; None takes generated scenes.
        number: How many photos ADE20K's folder gets.

    Returns:
        The folder of each layout, and in words where its photos and masks come from.
    """
    folders = {name: str(root / name) for name in ('voc', 'cityscapes', 'ade20k')}
    if pack is not None:
        voc = pack / 'VOC2012'
        _link_voc(voc, root / 'voc')
        photos, streets = _voc(voc), _streets(pack / 'CamVid')
        told = dict(voc='real photos and masks of VOC 2012',
                    cityscapes='real CamVid frames enlarged to 2048 x 1024, their masks renumbered',
                    ade20k='real VOC photos in their sizes, masks of labels 0 to 150 made from theirs')
    else:
        _scenes_as_voc(root / 'voc', number)
        photos, streets = _scenes(number), _scenes(STREETS)
        told = dict(voc='generated scenes', cityscapes='generated scenes enlarged to 2048 x 1024',
                    ade20k='generated scenes, masks of labels 0 to 150')
    for i, (img, mask) in zip(range(STREETS), streets):
        size = (2048, 1024)
        img, mask = cv2.resize(img, size, interpolation=cv2.INTER_CUBIC), cv2.resize(mask, size, interpolation=0)
        mask = np.where(mask == 255, 255, (mask.astype(int) + i) % 19).astype(np.uint8)
        for split in ('train', 'val'):
            stem = f'{split}/town/town_{i:06d}_000019'
            _write(root / 'cityscapes/leftImg8bit' / f'{stem}_leftImg8bit.png', img)
            _write(root / 'cityscapes/gtFine' / f'{stem}_gtFine_labelTrainIds.png', mask)
    for i, (img, mask) in zip(range(number), photos):
        rows, columns = np.indices(mask.shape) // 48
        mask = ((mask.astype(int) + 13 * rows + 29 * columns) % 151).astype(np.uint8)
        for split in ('training', 'validation'):
            _write(root / 'ade20k/images' / split / f'ADE_{i:08d}.jpg', img)
            _write(root / 'ade20k/annotations' / split / f'ADE_{i:08d}.png', mask)
    return folders, told


def _link_voc(source: Path, target: Path) -> None:
    (target / 'ImageSets/Segmentation').mkdir(parents=True)
    for name in ('JPEGImages', 'SegmentationClass', 'SegmentationClassAug'):
        os.symlink(source / name, target / name)
    for split in ('train', 'val'):
        text = (source / f'ImageSets/Segmentation/{split}.txt').read_text()
        (target / f'ImageSets/Segmentation/{split}.txt').write_text(text)
    extra = sorted(path.stem for path in (source / 'SegmentationClassAug').glob('*.png'))
    (target / 'ImageSets/Segmentation/aug.txt').write_text('\n'.join(extra) + '\n')


def _scenes_as_voc(target: Path, number: int) -> None:
    names = [f'{i:06d}' for i in range(number)]
    for i, (name, (img, mask)) in enumerate(zip(names, _scenes(number))):
        _write(target / f'JPEGImages/{name}.jpg', img)
        _write(target / ('SegmentationClass' if i % 3 else 'SegmentationClassAug') / f'{name}.png', mask)
    lists = target / 'ImageSets/Segmentation'
    lists.mkdir(parents=True)
    for split, chosen in (('train', [n for i, n in enumerate(names) if i % 3]), ('aug', names[::3])):
        (lists / f'{split}.txt').write_text('\n'.join(chosen) + '\n')
    (lists / 'val.txt').write_text((lists / 'train.txt').read_text())


def _voc(source: Path) -> Iterator[Pair]:
    for name in (source / 'ImageSets/Segmentation/train.txt').read_text().split():
        yield (cv2.imread(str(source / f'JPEGImages/{name}.jpg')), _labels(source / f'SegmentationClass/{name}.png'))


def _streets(source: Path) -> Iterator[Pair]:
    for path in sorted((source / 'train/images').glob('*'))[::11]:
        yield cv2.imread(str(path)), _labels(source / 'train/masks' / f'{path.stem}.png')


def _scenes(number: int) -> Iterator[Pair]:
    from segkit.datasets.scenes import draw_scene
    rng = np.random.default_rng(0)
    for _ in range(number):
        yield draw_scene(rng, (300, 500))


def _labels(path: Path) -> np.ndarray:
    from PIL import Image
    return np.array(Image.open(path))


def _write(path: Path, img: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), img)
