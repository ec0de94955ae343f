import pytest

from segkit.errors import ConfigError
from segkit.registry import DATASETS

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
WHOLE = dict(type='COCOStuffDataset', pipeline=LOAD,
             data_prefix=dict(img_path='images/val2017', seg_map_path='annotations/val2017'))
TEN_THOUSAND = dict(type='COCOStuffDataset', pipeline=LOAD, reduce_zero_label=True,
                    data_prefix=dict(img_path='images/test2014', seg_map_path='annotations/test2014'))


@pytest.mark.parametrize('stored, label', [(0, 0), (170, 170), (255, 255)])
def test_of_the_164k_version_zero_is_a_class(tmp_path, write_pair, stored, label):
    name = '000000000139'
    write_pair(tmp_path / f'images/val2017/{name}.jpg', tmp_path / f'annotations/val2017/{name}_labelTrainIds.png',
               stored)
    sample, = DATASETS.build(dict(WHOLE, data_root=str(tmp_path)))
    assert (sample['gt_seg_map'] == label).all()


@pytest.mark.parametrize('stored, label', [(0, 255), (1, 0), (171, 170)])
def test_of_the_10k_version_zero_is_void(tmp_path, write_pair, stored, label):
    name = 'COCO_train2014_000000000077'
    write_pair(tmp_path / f'images/test2014/{name}.jpg', tmp_path / f'annotations/test2014/{name}_labelTrainIds.png',
               stored)
    sample, = DATASETS.build(dict(TEN_THOUSAND, data_root=str(tmp_path)))
    assert (sample['gt_seg_map'] == label).all()


def test_a_transform_that_says_otherwise_is_refused(tmp_path, write_pair):
    write_pair(tmp_path / 'images/val2017/a.jpg', tmp_path / 'annotations/val2017/a_labelTrainIds.png')
    pipeline = [LOAD[0], dict(type='LoadAnnotations', reduce_zero_label=True)]
    with pytest.raises(ConfigError, match='the dataset has reduce_zero_label=False'):
        DATASETS.build(dict(WHOLE, data_root=str(tmp_path), pipeline=pipeline))[0]
