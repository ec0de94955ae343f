import numpy as np
import pytest

from segkit.registry import DATASETS

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


def test_layout_with_folders_per_split(tmp_path, write_pair):
    for name in ('train', 'val'):
        write_pair(tmp_path / f'{name}/images/x.jpg', tmp_path / f'{name}/masks/x.png', 3)
    dataset = DATASETS.build(dict(type='CamVidDataset', data_root=str(tmp_path), pipeline=LOAD,
                                  data_prefix=dict(img_path='val/images', seg_map_path='val/masks')))
    assert len(dataset) == 1 and '/val/images/' in dataset[0]['img_path'] and dataset[0]['gt_seg_map'].max() == 3
    assert dataset.num_classes == 11


@pytest.mark.parametrize('split, size', [('train', 367), ('val', 101), ('test', 233)])
def test_real_frames(data_pack, split, size):
    config = dict(type='CamVidDataset', data_root=str(data_pack / 'CamVid'), pipeline=LOAD,
                  data_prefix=dict(img_path=f'{split}/images', seg_map_path=f'{split}/masks'))
    dataset = DATASETS.build(config)
    listed = DATASETS.build(dict(config, ann_file=f'{split}.txt'))
    assert len(dataset) == len(listed) == size
    sample, classes = dataset[0], dataset.metainfo['classes']
    assert sample['gt_seg_map'].shape == sample['img'].shape[:2] == (360, 480)
    # The sky is at the top and the road at the bottom: axes in order, masks not upside down.
    rows = [np.nonzero(sample['gt_seg_map'] == classes.index(name))[0].mean() for name in ('Sky', 'Road')]
    assert rows[0] < 150 and rows[1] > 210
