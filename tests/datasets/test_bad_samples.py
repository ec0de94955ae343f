import numpy as np
import pytest
from PIL import Image

from segkit.datasets.bad_samples import BadSamples, faulty_file, policy_of
from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS
from segkit.structures import SkippedSample

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


def test_the_forms_of_the_argument():
    assert policy_of('error') == BadSamples('error', 10) and not policy_of('error').skips
    assert policy_of('skip') == policy_of(dict(policy='skip')) == policy_of(dict(limit=10)) == BadSamples('skip', 10)
    assert policy_of(dict(policy='skip', limit=3)).most(10_000) == 3
    share = policy_of(dict(policy='skip', limit=0.01))
    assert share.most(10_000) == 100 and share.most(1_001) == 11 and share.most(5) == 1


@pytest.mark.parametrize('value', ['ignore', None, True, dict(policy='skip', limit=0), dict(policy='skip', limit=-1),
                                   dict(policy='skip', limit=1.5), dict(policy='skip', limit=True),
                                   dict(policy='skip', limit='10'), dict(policy='skip', number=3)])
def test_other_values_are_refused(value):
    with pytest.raises(ConfigError, match='bad_samples') as caught:
        policy_of(value)
    assert str(value) in str(caught.value) and len(str(caught.value).splitlines()) <= 4


def test_of_image_and_mask_the_first_one_named_is_at_fault():
    info = dict(img_path='/a/1.jpg', seg_map_path='/b/1.png')
    assert faulty_file(DataError("'/b/1.png' has 3x4 pixels, but its photo '/a/1.jpg' has 5x6."), info) == '/b/1.png'
    assert faulty_file(DataError("'/a/1.jpg' is empty"), info) == '/a/1.jpg'
    assert faulty_file(DataError('no file named'), info) == '/a/1.jpg'
    assert faulty_file(DataError('x'), dict(seg_map_path='m.png')) == 'm.png'


def spoil_image_cut(image, mask):
    image.write_bytes(image.read_bytes()[:-40])
    return image


def spoil_image_missing(image, mask):
    image.unlink()
    return image


def spoil_image_empty(image, mask):
    image.write_bytes(b'')
    return image


def spoil_mask_missing(image, mask):
    mask.unlink()
    return mask


def spoil_mask_text(image, mask):
    mask.write_bytes(b'<html>not found</html>')
    return mask


def spoil_mask_size(image, mask):
    Image.new('L', (12, 16)).save(mask)
    return mask


def spoil_mask_rgb(image, mask):
    Image.new('RGB', (16, 12)).save(mask)
    return mask


def spoil_mask_label(image, mask):
    Image.fromarray(np.full((12, 16), 37, np.uint8)).save(mask)
    return mask


@pytest.mark.parametrize('spoil', [spoil_image_cut, spoil_image_missing, spoil_image_empty, spoil_mask_missing,
                                   spoil_mask_text, spoil_mask_size, spoil_mask_rgb, spoil_mask_label])
def test_each_kind_of_bad_sample(voc_config, voc_tree, spoil):
    file = spoil(voc_tree / 'JPEGImages/b.jpg', voc_tree / 'SegmentationClass/b.png')
    with pytest.raises(DataError) as caught:
        DATASETS.build(dict(voc_config, pipeline=LOAD))[1]
    assert str(file) in str(caught.value)
    dataset = DATASETS.build(dict(voc_config, pipeline=LOAD, bad_samples='skip'))
    assert len(dataset) == 3
    skipped = dataset[1]
    assert isinstance(skipped, SkippedSample) and skipped.file == str(file)
    assert str(file) in skipped.reason and '\n' not in skipped.reason
    assert dataset[0]['gt_seg_map'].shape == (12, 16) and dataset[2]['gt_seg_map'].shape == (12, 16)


def test_a_fault_of_the_code_is_not_skipped(voc_config):
    def broken(results):
        raise ValueError('a defect')
    with pytest.raises(ValueError, match='a defect'):
        DATASETS.build(dict(voc_config, pipeline=[broken], bad_samples='skip'))[0]
