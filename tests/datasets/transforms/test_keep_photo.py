import numpy as np
import pytest
import torch

from segkit.datasets.transforms import KeepPhoto, PackSegInputs, RandomFlip, Resize
from segkit.errors import ConfigError, DataError


def results(dtype=np.uint8):
    img = np.random.RandomState(0).randint(0, 256, (6, 9, 3)).astype(dtype)
    return dict(img=img, img_path='a.jpg', img_shape=(6, 9), ori_shape=(6, 9))


def test_the_photo_stays_as_it_was_loaded():
    given = results()
    wanted = given['img'].copy()
    made = Resize(scale=(18, 12), keep_ratio=True)(KeepPhoto()(given))
    made = RandomFlip(prob=1.0)(made)
    made['img'][:] = 0
    sample = PackSegInputs()(made)['data_samples']
    assert made['img'].shape == (12, 18, 3) and sample.photo.data.dtype == torch.uint8
    assert np.array_equal(sample.photo.data.numpy(), wanted.transpose(2, 0, 1))


def test_what_is_written_into_the_image_does_not_reach_it():
    made = KeepPhoto()(results())
    made['img'][:] = 0
    assert np.array_equal(made['photo'], results()['img'])


def test_without_it_no_photo_is_packed():
    assert 'photo' not in PackSegInputs()(results())['data_samples']


def test_whole_numbers_as_float_are_taken():
    assert np.array_equal(KeepPhoto()(results(np.float32))['photo'], results()['img'])


@pytest.mark.parametrize('img', [np.full((6, 9, 3), 0.5, np.float32), np.full((6, 9, 3), 300.0, np.float32),
                                 np.zeros((6, 9), np.uint8), np.zeros((6, 9, 4), np.uint8)])
def test_what_is_no_photo(img):
    with pytest.raises(DataError, match='KeepPhoto: a.jpg is .*three channels of whole numbers'):
        KeepPhoto()(dict(results(), img=img))


def test_behind_a_resize_it_is_too_late():
    made = Resize(scale=(18, 12), keep_ratio=True)(results())
    with pytest.raises(ConfigError, match='a.jpg was changed to 12x18.*as loaded it has 6x9.\n.*right behind'):
        KeepPhoto()(made)
