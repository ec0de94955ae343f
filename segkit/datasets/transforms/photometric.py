"""Changing the colours of a photo."""
from typing import Optional, Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from segkit.registry import TRANSFORMS

LEVELS = np.arange(256, dtype=np.float32)
IDENTITY = np.arange(256, dtype=np.uint8)
HUES = 180  # OpenCV's hue of an 8-bit image is in half degrees


@TRANSFORMS.register_module()
class PhotoMetricDistortion(BaseTransform):
    """Changes brightness, contrast, saturation and hue, each with probability one half.

    Contrast comes before or after saturation and hue, with equal chance.

    Reference:
        MMSegmentation's transform of this name (from SSD, section 3.2); the same random draws and the same bytes. Each change is
        a table of 256 entries here, and changes that follow each other are one table.

    Args:
        brightness_delta: Largest amount added to or taken from every value (0 to 255).
        contrast_range: Smallest and largest factor of every value.
        saturation_range: Smallest and largest factor of the saturation.
        hue_delta: Largest turn of the hue, in half degrees.

    Shape:
        img: (H, W, 3) uint8 BGR, unchanged.
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
        table = None
        if random.randint(2):
            table = _clipped(LEVELS + np.float32(random.uniform(-self.brightness_delta, self.brightness_delta)))
        contrast_last = random.randint(2) == 0
        if not contrast_last:
            table = self._contrast(table)
        if random.randint(2):
            img, table = _apply(img, table)
            factor = np.float32(random.uniform(*self.saturation_range))
            img = _change_hsv(img, 1, _clipped(LEVELS * factor))
        if random.randint(2):
            img, table = _apply(img, table)
            turn = random.randint(-self.hue_delta, self.hue_delta)
            img = _change_hsv(img, 0, ((np.arange(256) + turn) % HUES).astype(np.uint8))
        if contrast_last:
            table = self._contrast(table)
        results['img'], _ = _apply(img, table)
        return results

    def _contrast(self, table: Optional[np.ndarray]) -> Optional[np.ndarray]:
        if not np.random.randint(2):
            return table
        contrast = _clipped(LEVELS * np.float32(np.random.uniform(*self.contrast_range)))
        return contrast if table is None else contrast[table]

    def __repr__(self) -> str:
        return (f'PhotoMetricDistortion(brightness_delta={self.brightness_delta}, contrast_range='
                f'{self.contrast_range}, saturation_range={self.saturation_range}, hue_delta={self.hue_delta})')


def _clipped(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 255).astype(np.uint8)


def _apply(img: np.ndarray, table: Optional[np.ndarray]) -> tuple[np.ndarray, None]:
    return (img if table is None else cv2.LUT(img, table)), None


def _change_hsv(img: np.ndarray, channel: int, table: np.ndarray) -> np.ndarray:
    tables = np.stack([IDENTITY] * 3, axis=-1)
    tables[:, channel] = table
    hsv = cv2.cvtColor(img, cv2.COLOR_BGR2HSV)
    return cv2.cvtColor(cv2.LUT(hsv, tables[None]), cv2.COLOR_HSV2BGR)
