import pytest

from segkit.errors import DataError
from segkit.registry import DATASETS

CONFIG = dict(type='LoveDADataset', pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')],
              data_prefix=dict(img_path='img_dir/val', seg_map_path='ann_dir/val'))
IMAGE = 'img_dir/val/2522.png'
MASK = 'ann_dir/val/2522.png'


@pytest.mark.parametrize('stored, label', [(0, 255), (1, 0), (7, 6)])
def test_labels_are_moved_down_and_no_data_is_void(tmp_path, write_pair, stored, label):
    write_pair(tmp_path / IMAGE, tmp_path / MASK, stored)
    sample, = DATASETS.build(dict(CONFIG, data_root=str(tmp_path)))
    assert (sample['gt_seg_map'] == label).all() and sample['seg_map_path'] == str(tmp_path / MASK)


def test_a_label_beyond_the_last_class_is_refused(tmp_path, write_pair):
    write_pair(tmp_path / IMAGE, tmp_path / MASK, 8)
    with pytest.raises(DataError, match='labels outside'):
        DATASETS.build(dict(CONFIG, data_root=str(tmp_path)))[0]
