import pytest

from segkit.errors import DataError
from segkit.registry import DATASETS

CONFIG = dict(type='NightDrivingDataset', pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')],
              data_prefix=dict(img_path='leftImg8bit/test/night',
                               seg_map_path='gtCoarse_daytime_trainvaltest/test/night'))
IMAGE = 'leftImg8bit/test/night/0_frame_0001_leftImg8bit.png'
MASK = 'gtCoarse_daytime_trainvaltest/test/night/0_frame_0001_gtCoarse_labelTrainIds.png'


@pytest.mark.parametrize('stored, label', [(0, 0), (18, 18), (255, 255)])
def test_frames_and_coarse_masks(tmp_path, write_pair, stored, label):
    write_pair(tmp_path / IMAGE, tmp_path / MASK, stored)
    sample, = DATASETS.build(dict(CONFIG, data_root=str(tmp_path)))
    assert (sample['gt_seg_map'] == label).all() and sample['seg_map_path'] == str(tmp_path / MASK)


def test_a_label_beyond_the_last_class_is_refused(tmp_path, write_pair):
    write_pair(tmp_path / IMAGE, tmp_path / MASK, 19)
    with pytest.raises(DataError, match='labels outside'):
        DATASETS.build(dict(CONFIG, data_root=str(tmp_path)))[0]
