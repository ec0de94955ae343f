import numpy as np
import pytest
from PIL import Image, ImageFilter

from segkit.datasets.transforms import RandomGaussianBlur
from segkit.errors import ConfigError


def photo():
    return np.random.RandomState(0).randint(0, 256, (40, 50, 3)).astype(np.uint8)


def test_half_of_the_samples_are_blurred_by_a_radius_below_one():
    blur, blurred = RandomGaussianBlur(), 0
    for seed in range(100):
        np.random.seed(seed)
        coin, radius = np.random.random_sample(), np.random.uniform(0, 1)
        np.random.seed(seed)
        found = blur(dict(img=photo()))['img']
        expected = photo()
        if coin < 0.5:
            blurred += 1
            expected = np.array(Image.fromarray(photo()).filter(ImageFilter.GaussianBlur(radius)))
        assert np.array_equal(found, expected)
    assert 35 < blurred < 65


def test_a_point_spreads_with_the_given_deviation():
    point = np.zeros((61, 61, 3), np.uint8)
    point[30, 30] = 255
    found = RandomGaussianBlur(prob=1., radius=(3., 3.))(dict(img=point))['img'][..., 0].astype(float)
    across = found.sum(0) / found.sum()
    assert abs((across * np.arange(61)).sum() - 30) < 0.05
    assert 2.5 < np.sqrt((across * (np.arange(61) - 30) ** 2).sum()) < 3.3


def test_labels_and_the_given_image_stay():
    img, mask = photo(), np.ones((40, 50), np.uint8)
    found = RandomGaussianBlur(prob=1.)(dict(img=img, gt_seg_map=mask))
    assert found['gt_seg_map'] is mask and np.array_equal(img, photo())


@pytest.mark.parametrize('options', [dict(prob=-1), dict(radius=(1., 0.)), dict(radius=(-1., 0.))])
def test_wrong_arguments_are_refused(options):
    with pytest.raises(ConfigError, match='RandomGaussianBlur'):
        RandomGaussianBlur(**options)
