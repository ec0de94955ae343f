import numpy as np
import pytest

from segkit.datasets.transforms import CLAHE, AdjustGamma, Rerange, RGB2Gray
from segkit.errors import ConfigError


def ramp():
    return dict(img=np.arange(64 * 64 * 3, dtype=np.int64).reshape(64, 64, 3).astype(np.uint8))


def test_gamma_is_a_power_of_the_brightness():
    img = ramp()['img']
    found = AdjustGamma(gamma=2.0)(ramp())['img']
    assert found.dtype == np.uint8
    assert np.abs(found - np.sqrt(img / 255) * 255).max() < 1
    assert np.array_equal(AdjustGamma(gamma=1.0)(ramp())['img'], img)


def test_clahe_widens_a_narrow_range_of_each_channel():
    rng = np.random.RandomState(0)
    img = rng.randint(100, 120, (64, 64, 3)).astype(np.uint8)
    img[..., 2] = 7
    given = img.copy()
    found = CLAHE()(dict(img=img))['img']
    assert found.dtype == np.uint8 and found.shape == img.shape and np.array_equal(img, given)
    assert np.ptp(found[..., 0]) > 5 * np.ptp(img[..., 0])
    assert len(np.unique(found[..., 2])) == 1  # no channel leaks into another


def test_gray_weighs_the_channels_in_their_order():
    img = np.zeros((2, 3, 3), np.uint8)
    img[..., 0], img[..., 2] = 100, 10
    found = RGB2Gray(weights=(0.5, 0.3, 0.2))(dict(img=img))
    assert found['img'].shape == (2, 3, 3) and np.allclose(found['img'], 52) and found['img_shape'] == (2, 3)
    assert RGB2Gray(out_channels=1)(dict(img=img))['img'].shape == (2, 3, 1)
    with pytest.raises(ConfigError, match='RGB2Gray has 2 weights'):
        RGB2Gray(weights=(1, 1))(dict(img=img))


def test_rerange_reaches_both_ends_and_bears_a_photo_of_one_value():
    found = Rerange(-1, 1)(ramp())['img']
    assert found.min() == -1 and found.max() == 1
    assert np.allclose(found, ramp()['img'] / 255 * 2 - 1)
    assert (Rerange(3, 4)(dict(img=np.full((2, 2, 3), 9, np.uint8)))['img'] == 3).all()


@pytest.mark.parametrize('build', [
    lambda: AdjustGamma(gamma=0), lambda: CLAHE(clip_limit='high'), lambda: CLAHE(tile_grid_size=(8,)),
    lambda: CLAHE(tile_grid_size=(0, 8)), lambda: RGB2Gray(out_channels=0), lambda: Rerange(5, 5)])
def test_wrong_arguments_are_refused(build):
    with pytest.raises(ConfigError, match=r'(AdjustGamma|CLAHE|RGB2Gray|Rerange)\.'):
        build()
