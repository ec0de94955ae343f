"""A few tiny generated images for every dataset of a config, laid out and stored as the real ones are."""
import os
import os.path as osp
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from PIL import Image

from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.mini_coco import write_mini_coco
from segkit.datasets.transforms.label_values import apply_label_map, drop_zero_label
from segkit.errors import ConfigError
from segkit.palette import color_map
from segkit.registry import DATASETS

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# How the files of a set are called, {n} is a number. A class that is not here takes the names of the one it extends.
NAMES = dict(
    ADE20KDataset=('ADE_train_{n:08d}',),
    BDD100KDataset=('{n:08x}-6257be58',),
    BaseSegDataset=('image_{n:04d}',),
    CamVidDataset=('0001TP_{n:06d}',),
    ChaseDB1Dataset=('Image_{n:02d}L', 'Image_{n:02d}R'),
    CityscapesDataset=('aachen/aachen_{n:06d}_000019', 'bochum/bochum_000000_{n:06d}'),
    COCOStuffDataset=('{n:012d}',),
    COCOVOCDataset=('{n:012d}',),
    DarkZurichDataset=('GOPR0356_frame_{n:06d}',),
    DRIVEDataset=('{n:02d}',),
    HRFDataset=('{n:02d}_dr', '{n:02d}_h'),
    iSAIDDataset=('P{n:04d}_0_896_0_896', 'P{n:04d}_384_1280_0_896'),
    ISPRSDataset=('area{n}_0_0_512_512', 'area{n}_256_0_768_512'),
    LIPDataset=('{n}_1234574',),
    LoveDADataset=('{n}',),
    MapillaryDataset_v1=('{n:04d}fkbjWljhaftpVM37-g',),
    MapillaryDataset_v2=('{n:04d}fkbjWljhaftpVM37-g',),
    NightDrivingDataset=('0_frame_{n:04d}',),
    PascalContextDataset=('2008_{n:06d}',),
    PascalContextDataset59=('2008_{n:06d}',),
    PascalVOCDataset=('2007_{n:06d}',),
    PotsdamDataset=('2_{n}_0_0_512_512', '2_{n}_256_0_768_512'),
    REFUGEDataset=('V{n:04d}',),
    STAREDataset=('im{n:04d}',),
    SynapseDataset=('case{n:04d}_slice000', 'case{n:04d}_slice001'))
# Sets whose masks are colour-indexed files; the others' are grey.
WITH_PALETTE = ('PascalVOCDataset', 'MapillaryDataset_v1', 'MapillaryDataset_v2')
# Sets in which every pixel has a class.
WITHOUT_VOID = ('COCOVOCDataset', 'ChaseDB1Dataset', 'DRIVEDataset', 'HRFDataset', 'LIPDataset', 'MapillaryDataset_v1',
                'MapillaryDataset_v2', 'PascalContextDataset', 'REFUGEDataset', 'STAREDataset', 'SynapseDataset')
CELL = 8  # pixels; the masks are squares of this size


def write_mini_trees(cfg: Any, root: str, images: int = 3, size: tuple[int, int] = (48, 64)) -> dict[str, str]:
    """Write what every dataset of a config needs below ``root``, so that the config runs without any download.

    Datasets are found in the three dataloaders, inside wrappers too. Each gets its ``data_root`` of the config, below
    ``root``; its folders, suffixes, split lists and stored label values are those the config and the class name. The
    same arguments make the same files.

    Args:
        cfg: A config, or a dict of its keys; it is not changed.
        root: The folder to write below.
        images: How many images each split list or folder gets.
        size: (h, w) of an image, in pixels; every second one is turned upright.

    Returns:
        Overrides for ``load_config`` or ``Config.merge_from_dict``: the key of each ``data_root`` and the folder.

    Raises:
        ConfigError: If the config has no dataset, a dataset has an absolute path outside its ``data_root``, its class
            is not registered, or ``images`` or ``size`` is too small.
    """
    if images < 1 or min(size) < CELL:
        raise ConfigError(f'Expected images >= 1 and sides of at least {CELL} pixels, got images={images}, '
                          f'size={tuple(size)}.')
    overrides: dict[str, str] = {}
    written: set = set()
    for loader in LOADERS:
        dataset = (cfg.get(loader) or {}).get('dataset')
        for key, leaf in dataset_configs(dataset, f'{loader}.dataset') if dataset else ():
            data_root = osp.join(root, *_parts(leaf.get('data_root') or ''))
            overrides[f'{key}.data_root'] = data_root
            _write_tree(_listing_nothing(key, leaf, data_root), images, size, written)
    if not overrides:
        raise ConfigError(f'The config has no dataset: none of {", ".join(LOADERS)} is there.')
    return overrides


def dataset_configs(config: dict, key: str) -> Iterator[tuple[str, dict]]:
    """The configs of the datasets inside any wrappers, each with its key.

    Args:
        config: A dataset's config, or a wrapper's.
        key: The key it has.
    """
    if config.get('datasets'):
        for i, one in enumerate(config['datasets']):
            yield from dataset_configs(one, f'{key}.datasets.{i}')
    elif config.get('dataset'):
        yield from dataset_configs(config['dataset'], f'{key}.dataset')
    else:
        yield key, config


def stored_labels(dataset: BaseSegDataset) -> tuple[list[int], list[int]]:
    """The values that masks of a dataset hold: those that become a class, and those that become void."""
    stored = np.arange(256, dtype=np.uint8)[None]
    labels = drop_zero_label(stored) if dataset.reduce_zero_label else stored
    if dataset.label_map:
        labels = apply_label_map(labels, dataset.label_map)
    void = np.flatnonzero(labels[0] == dataset.ignore_index).tolist()
    if dataset.reduce_zero_label or _first_of(dataset, WITHOUT_VOID):
        void = [value for value in void if value != dataset.ignore_index]
    return np.flatnonzero((labels[0] < dataset.num_classes) & (labels[0] != dataset.ignore_index)).tolist(), void


def _parts(path: str) -> list[str]:
    """The folders of a path, without what leads out of the folder it is put into."""
    return [part for part in path.split('/') if part not in ('', '.', '..')]


def _listing_nothing(key: str, leaf: dict, data_root: str) -> BaseSegDataset:
    """The dataset with its paths, classes and labels known, before its files exist."""
    name = leaf['type']
    cls = DATASETS.get(name.removeprefix('mmseg.')) if isinstance(name, str) else name
    prefix = leaf.get('data_prefix') or {}
    for path in (leaf.get('ann_file'), prefix.get('img_path'), prefix.get('seg_map_path')):
        for one in _as_list(path):
            if one and osp.isabs(one):
                raise ConfigError(f"{key} reads '{one}', which is outside its data_root;\n"
                                  'a generated set can only stand in for relative paths.')
    arguments = {k: v for k, v in leaf.items() if k not in ('type', 'pipeline', 'indices', 'data_root', 'lazy_init')}
    return cls(**arguments, data_root=data_root, lazy_init=True)


def _write_tree(dataset: BaseSegDataset, images: int, size: tuple[int, int], written: set) -> None:
    patterns = NAMES[_first_of(dataset, NAMES)]
    lists = _as_list(dataset.ann_file or '')
    folders = [_as_list(dataset.data_prefix.get(key)) for key in ('img_path', 'seg_map_path')]
    for k, ann_file in enumerate(lists):
        img_dir, *seg_dirs = (one[min(k, len(one) - 1)] for one in folders)
        if len(lists) == 1:  # each mask lies in one of the folders
            seg_dirs = folders[1]
        place = (type(dataset), dataset.seg_map_suffix, ann_file, img_dir, *seg_dirs)
        if place in written:
            continue
        first = 1 + images * len(written)  # splits that share a folder have names of their own
        written.add(place)
        names = [patterns[n % len(patterns)].format(n=n) for n in range(first, first + images)]
        if _first_of(dataset, ('COCOVOCDataset',)):
            write_mini_coco(ann_file, img_dir, names, first, size)
            continue
        for n, name in enumerate(names, start=first):
            h, w = size if n % 2 else size[::-1]
            labels, img = _draw(dataset, n, h, w)
            _save(img_dir + name + (dataset.img_suffix or '.jpg'), Image.fromarray(img))
            seg_dir = seg_dirs[n % len(seg_dirs)]
            if seg_dir is not None:
                mask = Image.fromarray(labels)
                if _first_of(dataset, WITH_PALETTE):
                    palette = dataset.metainfo['palette']
                    mask.putpalette(sum(palette + color_map(256)[len(palette):], []))
                _save(seg_dir + name + (dataset.seg_map_suffix or '.png'), mask)
        if ann_file:
            os.makedirs(osp.dirname(ann_file), exist_ok=True)
            with open(ann_file, 'w', encoding='utf-8') as file:
                file.writelines(f'{name}\n' for name in names)


def _draw(dataset: BaseSegDataset, n: int, h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
    """Stored labels (h, w) uint8 in squares, with a border of void if there is any, and a photo (h, w, 3) RGB."""
    rng = np.random.RandomState(n)
    classes, void = stored_labels(dataset)
    rows, columns = -(-h // CELL), -(-w // CELL)
    cells = np.resize(rng.permutation(classes), (rows, columns)).astype(np.uint8)
    labels = cv2.resize(cells, (columns * CELL, rows * CELL), interpolation=cv2.INTER_NEAREST)[:h, :w].copy()
    if void:
        labels[:2] = void[n % len(void)]
    colors = np.array(color_map(256), np.uint8)
    return labels, (colors[labels] // 2 + rng.randint(0, 128, (h, w, 3))).astype(np.uint8)


def _save(path: str, image: Image.Image) -> None:
    os.makedirs(osp.dirname(path), exist_ok=True)
    image.save(path)


def _first_of(dataset: BaseSegDataset, names: Any) -> str:
    """The first of the dataset's class and those it extends that is among ``names``, or ''."""
    return next((cls.__name__ for cls in type(dataset).__mro__ if cls.__name__ in names), '')


def _as_list(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]
