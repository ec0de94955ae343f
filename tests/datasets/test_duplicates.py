"""Photos that are there twice: between splits, within one, in a list."""
import shutil

import numpy as np
import pytest
from PIL import Image

from segkit.datasets.duplicates import listed_twice, twins_between, twins_within
from segkit.datasets.survey import Split, survey
from segkit.registry import DATASETS


@pytest.fixture
def tree(voc_tree):
    """The mini tree with photos that differ, and a function that gives the survey of its lists."""
    for seed, name in enumerate('abcd'):
        noise = np.random.default_rng(seed).integers(0, 255, (12, 16, 3)).astype(np.uint8)
        Image.fromarray(noise).save(voc_tree / f'JPEGImages/{name}.jpg', quality=95)
    return voc_tree


def splits_of(tree, **lists):
    splits = []
    for name, names in lists.items():
        (tree / f'ImageSets/Segmentation/{name}.txt').write_text('\n'.join(names))
        part = DATASETS.build(dict(
            type='PascalVOCDataset', data_root=str(tree), ann_file=f'ImageSets/Segmentation/{name}.txt',
            data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'), bad_samples='skip'))
        splits.append(Split(name, name.split('_')[0], [part]))
    return survey(splits, lambda part: 21, lambda finding, owners: True, processes=1)


def copy(tree, name, new):
    for folder, suffix in (('JPEGImages', 'jpg'), ('SegmentationClass', 'png')):
        shutil.copy(tree / f'{folder}/{name}.{suffix}', tree / f'{folder}/{new}.{suffix}')


def told(twins):
    return [(twin.first[-5], twin.second[-5], twin.splits, twin.how) for twin in twins]


def test_different_photos_are_no_twins(tree):
    survey = splits_of(tree, train='abc', val='d')
    assert not list(twins_between(survey)) and not list(twins_within(survey))


def test_twins_between_splits(tree):
    copy(tree, 'a', 'e')
    copy(tree, 'b', 'f')
    data = (tree / 'JPEGImages/f.jpg').read_bytes()
    (tree / 'JPEGImages/f.jpg').write_bytes(data[:2] + b'\xff\xfe\0\x05abc' + data[2:])
    Image.new('L', (16, 12), 9).save(tree / 'SegmentationClass/f.png')
    survey = splits_of(tree, train='abc', val='cdef')
    assert told(twins_between(survey)) == [
        ('c', 'c', ('train', 'val'), 'the same file'), ('a', 'e', ('train', 'val'), 'the same bytes'),
        ('b', 'f', ('train', 'val'), 'the same pixels, but other masks')]
    assert not list(twins_within(survey))


def test_a_photo_to_evaluate_on_is_told_once_for_several_training_lists(tree):
    survey = splits_of(tree, train='abc', train_more='abcd', val='d', val_again='a')
    assert told(twins_between(survey)) == [('d', 'd', ('train_more', 'val'), 'the same file'),
                                           ('a', 'a', ('train', 'val_again'), 'the same file')]


def test_validation_and_test_may_share_photos_and_so_may_a_joint_list(tree):
    assert not list(twins_between(splits_of(tree, train='ab', val='cd', test='cd', all='abcd')))


def test_twins_within_a_split(tree):
    copy(tree, 'a', 'e')
    copy(tree, 'a', 'f')
    survey = splits_of(tree, train='aebf', train_too='aebf')
    assert told(twins_within(survey)) == [('a', 'e', ('train', 'train'), 'the same bytes'),
                                          ('a', 'f', ('train', 'train'), 'the same bytes')]


def test_what_is_told_between_splits_is_not_told_again_of_their_union(tree):
    copy(tree, 'a', 'e')
    survey = splits_of(tree, train='ab', val='de', all='abde')
    between = list(twins_between(survey))
    assert len(between) == 1 and not list(twins_within(survey, between)) and len(list(twins_within(survey))) == 1


def test_photos_that_cannot_be_read_are_not_equal(tree):
    for name in 'ab':
        (tree / f'JPEGImages/{name}.jpg').write_bytes(b'')
    survey = splits_of(tree, train='ac', val='bd')
    assert not list(twins_between(survey)) and not list(twins_within(survey))


def test_names_that_a_list_has_twice(tree):
    survey = splits_of(tree, train='abcab', val='d')
    assert [path[-5] for path in listed_twice(survey.splits[0], survey)] == ['a', 'b']
    assert listed_twice(survey.splits[1], survey) == [] and not list(twins_within(survey))
    joined = Split('train', 'train', survey.splits[0].parts * 2)
    joined.rows = survey.splits[0].rows
    assert listed_twice(joined, survey) == []
