import pytest

from segkit.registry import DATASETS

FOLDERS = dict(img_path='validation/images', seg_map_path='validation/v1.2/labels')
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


@pytest.mark.parametrize('stored, of_66, of_65', [(0, 0, 0), (64, 64, 64), (65, 65, 255)])
def test_unlabeled_is_a_class_unless_it_is_left_out(tmp_path, write_pair, stored, of_66, of_65):
    write_pair(tmp_path / 'validation/images/a.jpg', tmp_path / 'validation/v1.2/labels/a.png', stored)
    config = dict(type='MapillaryDataset_v1', data_root=str(tmp_path), data_prefix=FOLDERS, pipeline=LOAD)
    whole = DATASETS.build(config)
    assert whole.num_classes == 66 and (whole[0]['gt_seg_map'] == of_66).all()
    classes = whole.metainfo['classes'][:65]
    without = DATASETS.build(dict(config, metainfo=dict(classes=classes)))
    assert without.num_classes == 65 and (without[0]['gt_seg_map'] == of_65).all()
    assert without.metainfo['palette'] == whole.metainfo['palette'][:65]
