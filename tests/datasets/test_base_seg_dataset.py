import os
import stat

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset

from segkit.datasets import BaseSegDataset
from segkit.errors import ConfigError, DataError
from segkit.palette import bright_palette
from segkit.registry import DATASETS
from segkit.structures import SkippedSample

CLASSES = ('ground', 'cat', 'dog')
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


@pytest.fixture
def tree(tmp_path, write_pair):
    """images/{one,two,deep/three}.jpg and masks of the same names, with labels 0, 1 and 2."""
    for k, name in enumerate(('one', 'two', 'deep/three')):
        write_pair(tmp_path / f'images/{name}.jpg', tmp_path / f'masks/{name}.png', k, gray=50 * k)
    (tmp_path / 'list.txt').write_text('two\n\n deep/three \n')
    return tmp_path


@pytest.fixture
def build(tree):
    def build(**kwargs):
        config = dict(data_root=str(tree), data_prefix=dict(img_path='images', seg_map_path='masks'),
                      metainfo=dict(classes=CLASSES))
        return BaseSegDataset(**{**config, **kwargs})
    return build


def message_of(build, **kwargs) -> str:
    with pytest.raises((DataError, ConfigError)) as caught:
        build(**kwargs)
    message = str(caught.value)
    assert len(message.splitlines()) <= 4
    return message


def test_folder_is_listed_at_any_depth_and_sorted(build):
    dataset = build()
    assert [info['img_path'].split('images/')[1] for info in dataset] == ['deep/three.jpg', 'one.jpg', 'two.jpg']
    assert [info['seg_map_path'].split('masks/')[1] for info in dataset] == ['deep/three.png', 'one.png', 'two.png']


def test_split_list_keeps_its_order(build):
    dataset = build(ann_file='list.txt')
    assert [info['img_path'].split('images/')[1] for info in dataset] == ['two.jpg', 'deep/three.jpg']


def test_names_in_a_list_may_have_the_suffix(build, tree):
    (tree / 'list.txt').write_text('two.jpg\n')
    assert build(ann_file='list.txt')[0]['seg_map_path'].endswith('masks/two.png')


def test_sample_carries_what_reading_the_labels_needs(build):
    info = build(reduce_zero_label=True, ignore_index=99)[0]
    assert info['reduce_zero_label'] is True and info['ignore_index'] == 99 and info['num_classes'] == 3
    assert info['seg_fields'] == [] and info['label_map'] is None and info['sample_idx'] == 0


def test_image_and_mask_stay_together(build):
    for sample in build(pipeline=LOAD):
        assert sample['gt_seg_map'].max() == round(sample['img'].mean() / 50)


@pytest.mark.parametrize('serialize_data', [True, False])
def test_indices_and_subsets(build, serialize_data):
    names = [info['img_path'] for info in build()]
    for indices, expected in ((2, names[:2]), (-1, names[-1:]), ([2, 0], [names[2], names[0]])):
        chosen = build(indices=indices, serialize_data=serialize_data)
        assert [info['img_path'] for info in chosen] == expected
        assert [info['img_path'] for info in build(serialize_data=serialize_data).get_subset(indices)] == expected
    whole = build(serialize_data=serialize_data)
    whole.get_subset_([1])
    assert len(whole) == 1 and whole[-1]['sample_idx'] == 0 and whole[0]['img_path'] == names[1]
    assert 'does not fit' in message_of(build, indices=[7])


def test_choice_of_classes_makes_a_label_map_and_takes_the_palette_along():
    class Animals(BaseSegDataset):
        METAINFO = dict(classes=CLASSES, palette=[[1, 1, 1], [2, 2, 2], [3, 3, 3]])

    dataset = Animals(metainfo=dict(classes=['dog', 'ground']), lazy_init=True)
    assert dataset.label_map == {0: 1, 1: 255, 2: 0} and dataset.num_classes == 2
    assert dataset.metainfo['palette'] == [[3, 3, 3], [1, 1, 1]] and dataset.metainfo['classes'] == ('dog', 'ground')
    assert dataset.metainfo['label_map'] == dataset.label_map
    composed = Animals(metainfo=dict(classes=['dog', 'ground']), label_map={7: 2, 2: 1}, lazy_init=True)
    assert composed.label_map == {0: 1, 1: 255, 2: 255, 7: 0}
    assert Animals(lazy_init=True).label_map is None
    with pytest.raises(ConfigError, match='cow'):
        Animals(metainfo=dict(classes=['cow']), lazy_init=True)


def test_label_map_reaches_the_labels(build):
    assert build(ann_file='list.txt', pipeline=LOAD, label_map={1: 2})[0]['gt_seg_map'].max() == 2


def test_palette_is_made_where_none_is_given(build):
    assert build().metainfo['palette'] == bright_palette(CLASSES)
    assert 'palette' in message_of(build, metainfo=dict(classes=CLASSES, palette=[[0, 0, 0]]))


def test_without_masks(build, tree):
    (tree / 'masks/one.png').unlink()
    dataset = build(data_prefix=dict(img_path='images'))
    assert len(dataset) == 3 and 'seg_map_path' not in dataset[0]
    assert len(build(pipeline=LOAD[:1])) == 3  # masks are not asked for where none is read
    nested = [dict(type='TestTimeAug', transforms=[[dict(type='LoadAnnotations')]])]
    for pipeline in (LOAD, nested[:0]):
        assert "'one'" in message_of(build, pipeline=pipeline)


def test_mmengine_wrappers(build):
    dataset = build()
    joined = ConcatDataset([dataset, build(ann_file='list.txt')])
    assert len(joined) == 5 and joined[3]['img_path'].endswith('two.jpg')
    assert joined.metainfo['classes'] == CLASSES
    repeated = DATASETS.build(dict(type='RepeatDataset', dataset=dataset, times=2))
    assert isinstance(repeated, RepeatDataset) and repeated[4]['img_path'] == dataset[1]['img_path']


def test_several_lists_each_with_its_masks(build, tree, write_pair):
    write_pair(tree / 'images/one.jpg', tree / 'more/one.png', 2)
    (tree / 'other.txt').write_text('one\n')
    dataset = build(ann_file=['list.txt', 'other.txt'],
                    data_prefix=dict(img_path='images', seg_map_path=['masks', 'more']))
    assert [os.path.relpath(info['seg_map_path'], tree) for info in dataset] == [
        'masks/two.png', 'masks/deep/three.png', 'more/one.png']


def test_one_list_with_masks_in_several_folders(build, tree, write_pair):
    (tree / 'masks/two.png').rename(tree / 'two.png')
    write_pair(tree / 'images/two.jpg', tree / 'more/two.png', 2)
    dataset = build(ann_file='list.txt', data_prefix=dict(img_path='images', seg_map_path=['masks', 'more']))
    assert [os.path.relpath(info['seg_map_path'], tree) for info in dataset] == ['more/two.png', 'masks/deep/three.png']


def test_a_subclass_may_list_its_own_samples(tree):
    class Own(BaseSegDataset):
        METAINFO = dict(classes=CLASSES)

        def load_data_list(self):
            return [info for info in super().load_data_list() if 'two' not in info['img_path']]

        def filter_data(self):
            return self.data_list[:self.filter_cfg['keep']]

    prefix = dict(img_path='images', seg_map_path='masks')
    dataset = Own(data_root=str(tree), data_prefix=prefix, filter_cfg=dict(keep=5))
    assert [info['img_path'].split('images/')[1] for info in dataset] == ['deep/three.jpg', 'one.jpg']
    assert len(Own(data_root=str(tree), data_prefix=prefix, filter_cfg=dict(keep=1))) == 1
    assert len(dataset.get_subset(1)) == 1


def test_lazy_init_lists_at_the_first_use(build, tree):
    dataset = build(lazy_init=True, ann_file='list.txt')
    (tree / 'list.txt').write_text('one\n')
    assert len(dataset) == 1


def test_other_storages_go_through_mmengine(build):
    dataset = build(backend_args=dict(backend='local'))
    assert len(dataset) == 3


def nothing(info):
    return None


def test_a_transform_that_returns_none_never_leads_to_another_sample_in_silence(build):
    for kwargs in ({}, dict(test_mode=True), dict(test_mode=True, bad_samples='skip')):
        with pytest.raises(DataError, match='returned None for .*one.jpg'):
            build(pipeline=[nothing], ann_file='', indices=[1], **kwargs)[0]
    skipped = build(pipeline=[nothing], bad_samples='skip', max_refetch=7)[0]
    assert isinstance(skipped, SkippedSample) and 'returned None' in skipped.reason and skipped.max_refetch == 7


def test_more_indices_than_samples_are_refused(build):
    for indices in (4, -4):
        assert '3 there are' in message_of(build, indices=indices)
    assert len(build(indices=3)) == 3


def test_a_missing_folder_says_how_far_the_path_is_right(build, tree):
    message = message_of(build, data_prefix=dict(img_path='imagez', seg_map_path='masks'))
    assert 'imagez' in message and 'data_prefix.img_path' in message and 'images, list.txt, masks' in message
    message = message_of(build, data_prefix=dict(img_path='images', seg_map_path='maskz'))
    assert 'maskz' in message and 'data_prefix.seg_map_path' in message
    message = message_of(build, data_root=str(tree / 'no/where'))
    assert 'no/where' in message and str(tree) in message


def test_a_missing_list_names_those_that_exist(build):
    message = message_of(build, ann_file='val.txt')
    assert 'val.txt' in message and 'list.txt' in message


def test_an_empty_list_or_folder(build, tree):
    (tree / 'list.txt').write_text('\n  \n')
    assert 'empty' in message_of(build, ann_file='list.txt')
    message = message_of(build, img_suffix='.jpeg')
    assert '.jpeg' in message and 'img_suffix' in message


def test_a_missing_file_is_named_and_counted(build, tree):
    (tree / 'list.txt').write_text('one\nfour\nfive\n')
    message = message_of(build, ann_file='list.txt')
    assert "'four'" in message and '2 of 3 images' in message
    (tree / 'masks/two.png').unlink()
    message = message_of(build)
    assert "'two'" in message and '1 of 3 masks' in message and 'masks/two.png' in message


def test_options_that_nothing_would_read_are_refused(build):
    assert 'filter_cfg' in message_of(build, filter_cfg=dict(size=32))
    assert 'img_dir' in message_of(build, data_prefix=dict(img_dir='images'))
    assert 'classes' in message_of(build, metainfo=None)
    assert '3 folders' in message_of(build, ann_file=['list.txt', 'list.txt'],
                                     data_prefix=dict(img_path='images', seg_map_path=['a', 'b', 'c']))


def test_misspelt_class_of_a_transform_is_named(build):
    assert 'LoadAnnotations' in message_of(build, pipeline=[dict(type='LoadAnnotation')])


def test_names_are_kept_in_one_array(build):
    assert isinstance(build()._names, np.ndarray) and build()._names.dtype.kind == 'S'


def test_a_read_only_folder_is_enough(build, tree):
    before = sorted(tree.rglob('*'))
    for path in [tree, *before]:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    try:
        dataset = build(pipeline=LOAD)
        assert [dataset[i]['img'].shape for i in range(3)] == [(12, 16, 3)] * 3
    finally:
        for path in [tree, *before]:
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
    assert sorted(tree.rglob('*')) == before
