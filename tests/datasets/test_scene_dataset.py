import numpy as np
import pytest

from segkit.datasets.scenes import generate
from segkit.errors import DataError
from segkit.registry import DATASETS


def test_generated_scenes_are_read_as_voc_is(tmp_path):
    generate(str(tmp_path / 'scenes'), 3, 2)
    for split, size in (('train', 3), ('val', 2)):
        dataset = DATASETS.build(dict(
            type='SceneDataset', data_root=str(tmp_path / 'scenes'), ann_file=f'ImageSets/Segmentation/{split}.txt',
            data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
            pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]))
        assert len(dataset) == size and dataset.num_classes == 9 and len(dataset.metainfo['palette']) == 9
        sample = dataset[0]
        assert sample['gt_seg_map'].shape == sample['img'].shape[:2] and 255 in sample['gt_seg_map']
        assert np.unique(sample['gt_seg_map'])[-2] <= 8


def test_missing_scenes_are_answered_with_the_command(tmp_path):
    for folder in ('JPEGImages', 'ImageSets/Segmentation'):
        with pytest.raises(DataError, match='generate_scenes.py') as caught:
            DATASETS.build(dict(type='SceneDataset', data_root=str(tmp_path), data_prefix=dict(img_path='JPEGImages'),
                                ann_file='ImageSets/Segmentation/val.txt'))
        assert len(str(caught.value).splitlines()) <= 4
        (tmp_path / folder).mkdir(parents=True)
