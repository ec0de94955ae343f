import numpy as np
import pytest

from segkit.errors import DataError
from segkit.registry import DATASETS

LISTS = 'ImageSets/Segmentation/'
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


def test_metainfo_is_that_of_the_devkit():
    meta = DATASETS.get('PascalVOCDataset').METAINFO
    assert len(meta['classes']) == len(meta['palette']) == 21
    # from VOC's own label colour chart
    expected = dict(background=[0, 0, 0], aeroplane=[128, 0, 0], cow=[64, 128, 0], person=[192, 128, 128],
                    tvmonitor=[0, 64, 128])
    assert {name: meta['palette'][meta['classes'].index(name)] for name in expected} == expected


def test_augmented_set_in_three_forms(voc_config, voc_tree, write_pair):
    write_pair(voc_tree / 'JPEGImages/e.jpg', voc_tree / 'SegmentationClassAug/e.png', 5)
    (voc_tree / LISTS / 'aug.txt').write_text('e\n')
    (voc_tree / LISTS / 'train_aug.txt').write_text('a\ne\nb\nc\n')
    both = dict(img_path='JPEGImages', seg_map_path=['SegmentationClass', 'SegmentationClassAug'])
    aug = dict(voc_config, ann_file=LISTS + 'aug.txt',
               data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'))
    forms = (dict(type='ConcatDataset', datasets=[voc_config, aug]),
             dict(voc_config, ann_file=[LISTS + 'train.txt', LISTS + 'aug.txt'], data_prefix=both),
             dict(voc_config, ann_file=LISTS + 'train_aug.txt', data_prefix=both))
    found = [sorted(info['seg_map_path'] for info in DATASETS.build(form)) for form in forms]
    assert found[0] == found[1] == found[2]
    assert [path[-len('SegmentationClassAug/e.png'):] for path in found[0]][-1] == 'SegmentationClassAug/e.png'


def test_missing_aug_list_is_answered_with_the_way_to_it(voc_config, voc_tree):
    with pytest.raises(DataError) as caught:
        DATASETS.build(dict(voc_config, ann_file=LISTS + 'aug.txt'))
    assert 'train.txt, val.txt' in str(caught.value) and 'tools/dataset_converters/voc_aug.py' in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4
    with pytest.raises(DataError, match='voc_aug.py makes\ntrainaug.txt'):
        DATASETS.build(dict(voc_config, ann_file=LISTS + 'trainaug.txt'))
    (voc_tree / LISTS / 'train_aug.txt').write_text('a\nb\nc\n')
    with pytest.raises(DataError, match='grep -vxFf') as caught:
        DATASETS.build(dict(voc_config, ann_file=LISTS + 'aug.txt'))
    assert len(str(caught.value).splitlines()) <= 4


def test_real_pairs(data_pack):
    root = data_pack / 'VOC2012'
    prefix = dict(img_path='JPEGImages', seg_map_path='SegmentationClass')
    sizes = dict(train=411, val=421, trainval=832)
    for split, size in sizes.items():
        dataset = DATASETS.build(dict(type='PascalVOCDataset', data_root=str(root), data_prefix=prefix, pipeline=LOAD,
                                      ann_file=f'{LISTS}{split}.txt'))
        assert len(dataset) == size
    name = dataset.metainfo['classes'].index
    known = {'2007_000032': {'aeroplane', 'person'}, '2007_000129': {'bicycle', 'person'},
             '2007_000063': {'dog', 'chair'}}
    for i in range(10):
        sample = dataset[i]
        assert sample['gt_seg_map'].shape == sample['img'].shape[:2]
        found = set(np.unique(sample['gt_seg_map'])) - {0, 255}
        classes = known.pop(sample['img_path'][-15:-4], None)
        assert classes is None or found == {name(one) for one in classes}
    assert len(known) < 3


def test_real_augmented_list_reads_masks_from_both_folders(data_pack):
    dataset = DATASETS.build(dict(
        type='PascalVOCDataset', data_root=str(data_pack / 'VOC2012'), ann_file=LISTS + 'train_aug.txt', pipeline=LOAD,
        data_prefix=dict(img_path='JPEGImages', seg_map_path=['SegmentationClass', 'SegmentationClassAug'])))
    assert len(dataset) == 471
    folders = [dataset.get_data_info(i)['seg_map_path'].split('/')[-2] for i in range(471)]
    assert folders.count('SegmentationClassAug') == 60
    sample = dataset[folders.index('SegmentationClassAug')]
    assert sample['gt_seg_map'].shape == sample['img'].shape[:2] and 255 not in sample['gt_seg_map']
