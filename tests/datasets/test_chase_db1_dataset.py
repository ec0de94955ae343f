import pytest

from segkit.errors import DataError
from segkit.registry import DATASETS

CONFIG = dict(type='ChaseDB1Dataset', pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')],
              data_prefix=dict(img_path='images/training', seg_map_path='annotations/training'))
IMAGE = 'images/training/Image_01L.png'
MASK = 'annotations/training/Image_01L_1stHO.png'


@pytest.mark.parametrize('stored, label', [(0, 0), (1, 1)])
def test_the_first_observer_is_read(tmp_path, write_pair, stored, label):
    write_pair(tmp_path / IMAGE, tmp_path / MASK, stored)
    sample, = DATASETS.build(dict(CONFIG, data_root=str(tmp_path)))
    assert (sample['gt_seg_map'] == label).all() and sample['seg_map_path'] == str(tmp_path / MASK)


def test_a_label_beyond_the_last_class_is_refused(tmp_path, write_pair):
    write_pair(tmp_path / IMAGE, tmp_path / MASK, 2)
    with pytest.raises(DataError, match='labels outside'):
        DATASETS.build(dict(CONFIG, data_root=str(tmp_path)))[0]
