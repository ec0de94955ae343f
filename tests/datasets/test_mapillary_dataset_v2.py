import pytest

from segkit.errors import DataError
from segkit.registry import DATASETS

CONFIG = dict(type='MapillaryDataset_v2', pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')],
              data_prefix=dict(img_path='validation/images', seg_map_path='validation/v2.0/labels'))
IMAGE = 'validation/images/0daE8mWuHKXNLOE2WA.jpg'
MASK = 'validation/v2.0/labels/0daE8mWuHKXNLOE2WA.png'


@pytest.mark.parametrize('stored, label', [(0, 0), (123, 123)])
def test_unlabeled_is_a_class(tmp_path, write_pair, stored, label):
    write_pair(tmp_path / IMAGE, tmp_path / MASK, stored)
    sample, = DATASETS.build(dict(CONFIG, data_root=str(tmp_path)))
    assert (sample['gt_seg_map'] == label).all() and sample['seg_map_path'] == str(tmp_path / MASK)


def test_a_label_beyond_the_last_class_is_refused(tmp_path, write_pair):
    write_pair(tmp_path / IMAGE, tmp_path / MASK, 124)
    with pytest.raises(DataError, match='labels outside'):
        DATASETS.build(dict(CONFIG, data_root=str(tmp_path)))[0]
