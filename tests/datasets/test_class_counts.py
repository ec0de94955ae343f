import os

import cv2
import numpy as np
import pytest

from segkit.datasets.class_counts import class_counts_key, count_classes
from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS

MASKS = [[[0, 0, 1], [255, 255, 1]], [[1, 1, 1], [1, 1, 255]], [[0, 255, 255], [255, 255, 3]]]
CLASSES = dict(classes=('ground', 'road', 'tree', 'sky'))
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='RandomCrop', crop_size=(1, 1))]


@pytest.fixture
def dataset(tmp_path):
    """Build a dataset over MASKS; keyword arguments are its own."""
    for i, mask in enumerate(MASKS):
        cv2.imwrite(str(tmp_path / f'{i}.png'), np.array(mask, np.uint8))
        cv2.imwrite(str(tmp_path / f'{i}.jpg'), np.zeros((2, 3, 3), np.uint8))

    def build(**cfg):
        cfg = {**dict(type='BaseSegDataset', data_root=str(tmp_path), metainfo=CLASSES, pipeline=LOAD,
                      data_prefix=dict(img_path='.', seg_map_path='.')), **cfg}
        return DATASETS.build(cfg)

    return build


def counts(dataset):
    return count_classes(dataset, lambda done, total: None)


def test_pixels_by_hand(dataset):
    assert counts(dataset()) == dict(
        classes=list(CLASSES['classes']), pixels=[3, 7, 0, 1], around=[4 + 2, 4 + 5, 0, 2], masks=3)


def test_labels_are_those_that_are_learnt(dataset):
    assert counts(dataset(label_map={1: 2, 3: 255}))['pixels'] == [3, 0, 7, 0]
    assert counts(dataset(reduce_zero_label=True))['pixels'] == [7, 0, 1, 0]
    assert counts(dataset(ignore_index=1, label_map={255: 1}))['pixels'] == [3, 0, 0, 1]
    assert counts(dataset(indices=[1]))['pixels'] == [0, 5, 0, 0]


def test_joined_datasets_add_up_and_repeated_ones_do_not(dataset):
    both = DATASETS.build(dict(type='ConcatDataset', datasets=[dataset(), dataset(indices=1)]))
    assert counts(both)['pixels'] == [5, 9, 0, 1]
    assert counts(DATASETS.build(dict(type='RepeatDataset', dataset=dataset(), times=7))) == counts(dataset())


def test_a_report_comes_before_and_behind_every_part(dataset):
    said = []
    count_classes(dataset(), lambda done, total: said.append((done, total)))
    assert said == [(0, 3), (3, 3)]


def test_bad_masks_end_the_count_or_are_left_out(dataset, tmp_path):
    skipping, strict = dataset(bad_samples='skip'), dataset()
    (tmp_path / '2.png').write_bytes(b'no mask')
    with pytest.raises(DataError, match='2.png'):
        counts(strict)
    assert counts(skipping)['pixels'] == [2, 7, 0, 0] and counts(skipping)['masks'] == 2


def test_the_key_is_of_classes_label_map_names_sizes_and_times(dataset, tmp_path):
    key = class_counts_key(dataset())
    assert key == class_counts_key(dataset()) and len(key) == 64
    others = [dataset(label_map={1: 2}), dataset(indices=2), dataset(ignore_index=3), dataset(reduce_zero_label=True),
              dataset(metainfo=dict(classes=('a', 'road', 'tree', 'sky'))),
              dataset(pipeline=[LOAD[0], dict(type='LoadAnnotations', color_map={(0, 0, 0): 1})])]
    keys = [class_counts_key(one) for one in others]
    os.utime(tmp_path / '0.png', ns=(0, 5))
    keys.append(class_counts_key(dataset()))
    (tmp_path / '0.png').write_bytes((tmp_path / '0.png').read_bytes() + b' ')
    os.utime(tmp_path / '0.png', ns=(0, 5))
    keys.append(class_counts_key(dataset()))
    assert len({key, *keys}) == 9


def test_what_cannot_be_counted(dataset):
    with pytest.raises(ConfigError, match='loads no masks'):
        counts(dataset(pipeline=[LOAD[0]]))
    with pytest.raises(ConfigError, match='is a list'):
        counts([])
