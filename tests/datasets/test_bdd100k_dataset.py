import pytest

from segkit.errors import DataError
from segkit.registry import DATASETS

CONFIG = dict(type='BDD100KDataset', pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')],
              data_prefix=dict(img_path='images/10k/val', seg_map_path='labels/sem_seg/masks/val'))
IMAGE = 'images/10k/val/7d06fefd-f7be05a6.jpg'
MASK = 'labels/sem_seg/masks/val/7d06fefd-f7be05a6.png'


@pytest.mark.parametrize('stored, label', [(0, 0), (18, 18), (255, 255)])
def test_frames_and_masks_have_one_name(tmp_path, write_pair, stored, label):
    write_pair(tmp_path / IMAGE, tmp_path / MASK, stored)
    sample, = DATASETS.build(dict(CONFIG, data_root=str(tmp_path)))
    assert (sample['gt_seg_map'] == label).all() and sample['seg_map_path'] == str(tmp_path / MASK)


def test_a_label_beyond_the_last_class_is_refused(tmp_path, write_pair):
    write_pair(tmp_path / IMAGE, tmp_path / MASK, 19)
    with pytest.raises(DataError, match='labels outside'):
        DATASETS.build(dict(CONFIG, data_root=str(tmp_path)))[0]
