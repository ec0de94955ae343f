"""Small data sets on disk."""
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write_pair():
    """A function that writes an image and a mask, each filled with one value."""

    def write(img_path: Path, seg_path: Path, label: int = 0, size: tuple = (12, 16), gray: int = 100) -> None:
        for path in (img_path, seg_path):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(img_path), np.full((*size, 3), gray, np.uint8))
        Image.fromarray(np.full(size, label, np.uint8)).save(seg_path)

    return write


@pytest.fixture
def voc_tree(tmp_path, write_pair):
    """A VOC tree: train.txt names a, b, c (labels 1, 2, 3; grey 10, 20, 30), val.txt names d (label 4)."""
    root = tmp_path / 'VOC2012'
    for k, name in enumerate('abcd', start=1):
        write_pair(root / f'JPEGImages/{name}.jpg', root / f'SegmentationClass/{name}.png', k, gray=10 * k)
    lists = root / 'ImageSets/Segmentation'
    lists.mkdir(parents=True)
    (lists / 'train.txt').write_text('a\nb\nc\n')
    (lists / 'val.txt').write_text('d\n')
    return root


@pytest.fixture
def voc_config(voc_tree):
    """The config of the tree's training set."""
    return dict(type='PascalVOCDataset', data_root=str(voc_tree), ann_file='ImageSets/Segmentation/train.txt',
                data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'))


@pytest.fixture
def pack(tmp_path):
    """A function that packs a dataset's config into a file and returns its path."""
    from mmengine.config import Config

    from segkit.apis.pack import pack_splits

    def pack(config, folder='packed', **own) -> Path:
        cfg = Config(dict(train_dataloader=dict(dataset=config)))
        pack_splits(cfg, str(tmp_path / folder), ['train'], **{**dict(processes=1), **own})
        return tmp_path / folder / 'train.lmdb'

    return pack
