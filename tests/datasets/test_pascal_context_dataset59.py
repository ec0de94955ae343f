import pytest

from segkit.registry import DATASETS


@pytest.mark.parametrize('stored, label', [(0, 255), (1, 0), (59, 58)])
def test_background_is_void_and_the_others_move_down(tmp_path, write_pair, stored, label):
    write_pair(tmp_path / 'JPEGImages/2008_000002.jpg', tmp_path / 'SegmentationClassContext/2008_000002.png', stored)
    sample, = DATASETS.build(dict(
        type='PascalContextDataset59', data_root=str(tmp_path),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')],
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassContext')))
    assert (sample['gt_seg_map'] == label).all()


def test_its_classes_are_those_of_the_other_without_the_first():
    first, *others = DATASETS.get('PascalContextDataset').METAINFO['classes']
    assert first == 'background' and others[0] == 'aeroplane'
    assert tuple(others) == DATASETS.get('PascalContextDataset59').METAINFO['classes']
