import pytest

from segkit.errors import DataError
from segkit.registry import DATASETS

CONFIG = dict(type='iSAIDDataset', pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')],
              data_prefix=dict(img_path='img_dir/val', seg_map_path='ann_dir/val'))
IMAGE = 'img_dir/val/P0003_0_896_0_896.png'
MASK = 'ann_dir/val/P0003_0_896_0_896_instance_color_RGB.png'


@pytest.mark.parametrize('stored, label', [(0, 0), (15, 15), (255, 255)])
def test_tiles_hold_indices_in_spite_of_their_name(tmp_path, write_pair, stored, label):
    write_pair(tmp_path / IMAGE, tmp_path / MASK, stored)
    sample, = DATASETS.build(dict(CONFIG, data_root=str(tmp_path)))
    assert (sample['gt_seg_map'] == label).all() and sample['seg_map_path'] == str(tmp_path / MASK)


def test_a_label_beyond_the_last_class_is_refused(tmp_path, write_pair):
    write_pair(tmp_path / IMAGE, tmp_path / MASK, 16)
    with pytest.raises(DataError, match='labels outside'):
        DATASETS.build(dict(CONFIG, data_root=str(tmp_path)))[0]
