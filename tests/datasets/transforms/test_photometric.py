import cv2
import numpy as np
import pytest

from segkit.datasets.transforms import PhotoMetricDistortion
from segkit.datasets.transforms.photometric import scaled, shifted
from segkit.errors import ConfigError

EVERY = np.arange(256, dtype=np.uint8)


def cut(values):
    return np.clip(values, 0, 255).astype(np.uint8)


def by_definition(img, delta=32, contrast=(0.5, 1.5), saturation=(0.5, 1.5), hue=18):
    """Each change on float32 or integers as SSD describes it, with a coin before each."""
    random = np.random

    def contrasted(img):
        if random.randint(2):
            return cut(img.astype(np.float32) * random.uniform(*contrast))
        return img

    if random.randint(2):
        img = cut(img.astype(np.float32) + random.uniform(-delta, delta))
    early = random.randint(2) == 1
    if early:
        img = contrasted(img)
    if random.randint(2):
        hsv = cv2.cvtColor(img, cv2.COLOR_BGR2HSV)
        hsv[..., 1] = cut(hsv[..., 1].astype(np.float32) * random.uniform(*saturation))
        img = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    if random.randint(2):
        hsv = cv2.cvtColor(img, cv2.COLOR_BGR2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(int) + random.randint(-hue, hue)) % 180
        img = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    return img if early else contrasted(img)


@pytest.mark.parametrize('shape', [(40, 64), (33, 51), (7, 3)])
def test_images_are_those_of_the_definition(shape):
    img = np.random.RandomState(0).randint(0, 256, (*shape, 3)).astype(np.uint8)
    transform = PhotoMetricDistortion()
    for seed in range(80):
        np.random.seed(seed)
        expected = by_definition(img)
        after = np.random.random_sample()
        np.random.seed(seed)
        found = transform(dict(img=img))['img']
        assert np.array_equal(found, expected), seed
        assert np.random.random_sample() == after, seed


def test_other_ranges():
    img = np.random.RandomState(0).randint(0, 256, (30, 41, 3)).astype(np.uint8)
    transform = PhotoMetricDistortion(90, contrast_range=(0.1, 4.0), saturation_range=(0.0, 3.0), hue_delta=90)
    for seed in range(80):
        np.random.seed(seed)
        expected = by_definition(img, 90, (0.1, 4.0), (0.0, 3.0), 90)
        np.random.seed(seed)
        assert np.array_equal(transform(dict(img=img))['img'], expected), seed


def test_a_window_of_a_larger_image_and_the_image_itself_stay_as_they_were():
    whole = np.random.RandomState(0).randint(0, 256, (60, 70, 3)).astype(np.uint8)
    before = whole.copy()
    for seed in range(20):
        np.random.seed(seed)
        expected = by_definition(whole[5:45, 9:57].copy())
        np.random.seed(seed)
        assert np.array_equal(PhotoMetricDistortion()(dict(img=whole[5:45, 9:57]))['img'], expected)
    assert np.array_equal(whole, before)


def test_shift_of_every_value():
    wide = np.stack([np.tile(EVERY, 3)] * 3, axis=-1)[None]
    state = np.random.RandomState(0)
    nasty = [0., -0., 1., -1., 0.5, -0.5, 31.9999999, -31.9999999, 1e-9, -1e-9]
    for delta in [*nasty, *state.uniform(-300, 300, 500).tolist()]:
        assert np.array_equal(shifted(wide, delta), cut(wide.astype(np.float32) + delta)), delta


def test_scaling_of_every_value():
    wide = np.tile(EVERY, 3)[None]
    state = np.random.RandomState(0)
    nasty = [0., 1., 0.5, 1.5, 1 / 3, 2 / 3, 1 + 1e-7, 1 - 1e-7, 0.99999, 254 / 255, 255 / 254, 1e-9, 300.]
    for factor in [*nasty, *state.uniform(0, 3, 2000).tolist()]:
        expected = cut(wide.astype(np.float32) * factor)
        assert np.array_equal(scaled(wide, factor), expected), factor
        assert np.array_equal(scaled(wide[:, :201], factor), expected[:, :201]), factor  # with a rest after the vectors


def test_float_images_are_refused():
    with pytest.raises(ConfigError, match='to_float32'):
        PhotoMetricDistortion()(dict(img=np.zeros((4, 4, 3), np.float32)))


def test_a_hue_delta_of_0_leaves_the_hue():
    grey = np.full((4, 4, 3), 90, np.uint8)
    still = PhotoMetricDistortion(brightness_delta=0, contrast_range=(1, 1), saturation_range=(1, 1), hue_delta=0)
    for seed in range(8):
        np.random.seed(seed)
        assert np.array_equal(still(dict(img=grey))['img'], grey)
