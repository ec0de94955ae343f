"""Changing the colours of a photo."""
from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS

LEVELS = np.arange(256, dtype=np.float32)
NEAR_INTEGER = 1e-4  # several times the rounding error of two float32 operations on values up to 256
HUES = 180  # OpenCV's hue of an 8-bit image is in half degrees


@TRANSFORMS.register_module()
class PhotoMetricDistortion(BaseTransform):
    """Changes brightness, contrast, saturation and hue, each with probability one half.

    Contrast comes before or after saturation and hue, with equal chance.

    Reference:
        MMSegmentation's transform of this name (after SSD, arXiv 1512.02325): the same random draws and the same
        bytes, without its float32 copies.

    Args:
        brightness_delta: Largest amount added to or taken from every value (0 to 255).
        contrast_range: Smallest and largest factor of every value.
        saturation_range: Smallest and largest factor of the saturation.
        hue_delta: Largest turn of the hue, in half degrees.

    Shape:
        img: (H, W, 3) uint8 BGR, unchanged.

    Raises:
        ConfigError: If the image is not uint8.
    """

    def __init__(self,
                 brightness_delta: int = 32,
                 contrast_range: Sequence[float] = (0.5, 1.5),
                 saturation_range: Sequence[float] = (0.5, 1.5),
                 hue_delta: int = 18) -> None:
        self.brightness_delta = brightness_delta
        self.contrast_range = contrast_range
        self.saturation_range = saturation_range
        self.hue_delta = hue_delta

    def transform(self, results: dict) -> dict:
        """Change the colours of ``img`` (H, W, 3)."""
        random = np.random
        img = results['img']
        if img.dtype != np.uint8:
            raise ConfigError(f'PhotoMetricDistortion works on uint8 images and got {img.dtype}.\n'
                              'Leave out to_float32 in LoadImageFromFile.')
        if random.randint(2):
            img = shifted(img, random.uniform(-self.brightness_delta, self.brightness_delta))
        contrast_first = random.randint(2)
        if contrast_first and random.randint(2):
            img = scaled(img, random.uniform(*self.contrast_range))
        if random.randint(2):
            hsv = cv2.cvtColor(img, cv2.COLOR_BGR2HSV)
            hue, saturation, value = cv2.split(hsv)
            saturation = scaled(saturation, random.uniform(*self.saturation_range))
            img = cv2.cvtColor(cv2.merge((hue, saturation, value), dst=hsv), cv2.COLOR_HSV2BGR)
        if random.randint(2):
            hsv = cv2.cvtColor(img, cv2.COLOR_BGR2HSV)
            hue, saturation, value = cv2.split(hsv)
            turn = random.randint(-self.hue_delta, self.hue_delta) if self.hue_delta else 0
            hue = cv2.LUT(hue, ((np.arange(256) + turn) % HUES).astype(np.uint8))
            img = cv2.cvtColor(cv2.merge((hue, saturation, value), dst=hsv), cv2.COLOR_HSV2BGR)
        if not contrast_first and random.randint(2):
            img = scaled(img, random.uniform(*self.contrast_range))
        results['img'] = img
        return results

    def __repr__(self) -> str:
        return (f'PhotoMetricDistortion(brightness_delta={self.brightness_delta}, contrast_range='
                f'{self.contrast_range}, saturation_range={self.saturation_range}, hue_delta={self.hue_delta})')


def shifted(img: np.ndarray, delta: float) -> np.ndarray:
    """Add ``delta`` to an image (H, W, 3) and cut to uint8 as MMSegmentation does: float32, clip, truncate."""
    table = _cut(LEVELS + np.float32(delta))
    step = int(np.floor(delta))
    if np.array_equal(table, np.clip(LEVELS + step, 0, 255)):  # all but deltas a rounding error below an integer
        return cv2.add(img, (step, step, step, 0))
    return cv2.LUT(img, table)


def scaled(img: np.ndarray, factor: float) -> np.ndarray:
    """Multiply an image (H, W, 3) or (H, W) and cut to uint8 as MMSegmentation does: float32, clip, truncate.

    OpenCV's vector code rounds to nearest, so half a level is taken off first. That truncates as long as no product
    lies so near an integer that the order of float32 operations could matter; then a table does.
    """
    products = np.minimum(LEVELS[1:] * factor, 255.5)
    if np.abs(products - np.rint(products)).min() > NEAR_INTEGER:
        return cv2.convertScaleAbs(img, alpha=factor, beta=-0.5)
    return cv2.LUT(img, _cut(LEVELS * np.float32(factor)))


def _cut(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 255).astype(np.uint8)
