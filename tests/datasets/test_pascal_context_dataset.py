import pytest

from segkit.registry import DATASETS

CONFIG = dict(type='PascalContextDataset', ann_file='ImageSets/SegmentationContext/val.txt',
              pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')],
              data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassContext'))


@pytest.mark.parametrize('stored', [0, 1, 59])
def test_background_is_a_class_and_only_listed_photos_are_read(tmp_path, write_pair, stored):
    for name in ('2008_000002', '2008_000003'):
        write_pair(tmp_path / f'JPEGImages/{name}.jpg', tmp_path / f'SegmentationClassContext/{name}.png', stored)
    split = tmp_path / CONFIG['ann_file']
    split.parent.mkdir(parents=True)
    split.write_text('2008_000003\n')
    sample, = DATASETS.build(dict(CONFIG, data_root=str(tmp_path)))
    assert (sample['gt_seg_map'] == stored).all() and sample['img_path'].endswith('2008_000003.jpg')
