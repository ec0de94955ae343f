"""Changing the values of a photo without chance: contrast, gamma, grey, range."""
from collections.abc import Sequence
from typing import Optional

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS


@TRANSFORMS.register_module()
class CLAHE(BaseTransform):
    """Evens out the contrast of each channel, tile by tile and with a limit; labels stay.

    Reference:
        MMSegmentation's transform of this name; the method is Zuiderveld, Contrast Limited Adaptive Histogram
        Equalization, Graphics Gems IV, 1994, as OpenCV has it.

    Args:
        clip_limit: Largest share of one value in a tile's histogram, in multiples of the mean.
        tile_grid_size: How many tiles there are, (across, down).

    Shape:
        img: (H, W, C) uint8, unchanged. Values of other types are cut to whole ones of 0 to 255.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(self, clip_limit: float = 40.0, tile_grid_size: tuple[int, int] = (8, 8)) -> None:
        if not isinstance(clip_limit, (int, float)):
            raise ConfigError(f'CLAHE.clip_limit must be a number; got {clip_limit!r}.')
        if len(tile_grid_size) != 2 or min(tile_grid_size) < 1:
            raise ConfigError(f'CLAHE.tile_grid_size must be two positive numbers; got {tile_grid_size}.')
        self.clip_limit = clip_limit
        self.tile_grid_size = tuple(tile_grid_size)

    def transform(self, results: dict) -> dict:
        """Even out ``img`` (H, W, C)."""
        img = results['img']
        even = cv2.createCLAHE(self.clip_limit, self.tile_grid_size)
        planes = [even.apply(np.array(img[..., k], np.uint8)) for k in range(img.shape[2])]
        results['img'] = np.stack(planes, axis=-1).astype(img.dtype, copy=False)
        return results

    def __repr__(self) -> str:
        return f'CLAHE(clip_limit={self.clip_limit}, tile_grid_size={self.tile_grid_size})'


@TRANSFORMS.register_module()
class AdjustGamma(BaseTransform):
    """Raises the brightness to the power 1 / gamma; labels stay.

    Reference:
        MMSegmentation's transform of this name.

    Args:
        gamma: Positive; above 1 the dark parts become brighter.

    Shape:
        img: (H, W, C) uint8, unchanged. Values of other types are cut to whole ones of 0 to 255.

    Raises:
        ConfigError: If ``gamma`` is not positive.
    """

    def __init__(self, gamma: float = 1.0) -> None:
        if not gamma > 0:
            raise ConfigError(f'AdjustGamma.gamma must be positive; got {gamma}.')
        self.gamma = gamma
        self.table = ((np.arange(256) / 255) ** (1 / gamma) * 255).astype(np.uint8)

    def transform(self, results: dict) -> dict:
        """Look up each value of ``img`` (H, W, C)."""
        results['img'] = cv2.LUT(np.asarray(results['img'], np.uint8), self.table)
        return results

    def __repr__(self) -> str:
        return f'AdjustGamma(gamma={self.gamma})'


@TRANSFORMS.register_module()
class RGB2Gray(BaseTransform):
    """Replaces the channels by their weighted sum, repeated; labels stay.

    Reference:
        MMSegmentation's transform of this name. As there, the weights are those of the channels in the order they
        have: of a photo read as BGR the first weight is that of blue, so that the default is luma of an RGB image
        only. For BGR write ``weights=(0.114, 0.587, 0.299)``.

    Args:
        out_channels: How often the sum is repeated; None: as many channels as there were.
        weights: One for each channel.

    Shape:
        img: (H, W, C) to (H, W, out_channels), float64. Sets ``img_shape`` (H, W).

    Raises:
        ConfigError: If an argument is out of its range, or there are not as many weights as channels.
    """

    def __init__(self, out_channels: Optional[int] = None,
                 weights: Sequence[float] = (0.299, 0.587, 0.114)) -> None:
        if out_channels is not None and out_channels < 1:
            raise ConfigError(f'RGB2Gray.out_channels must be positive or None; got {out_channels}.')
        self.out_channels = out_channels
        self.weights = tuple(weights)

    def transform(self, results: dict) -> dict:
        """Sum up the channels of ``img`` (H, W, C)."""
        img = results['img']
        if img.ndim != 3 or img.shape[2] != len(self.weights):
            raise ConfigError(f'RGB2Gray has {len(self.weights)} weights for an image of shape {img.shape}.\n'
                              'Give weights one number for each channel.')
        gray = (img * np.array(self.weights)).sum(axis=2, keepdims=True)
        results['img'] = gray.repeat(self.out_channels or img.shape[2], axis=2)
        results['img_shape'] = img.shape[:2]
        return results

    def __repr__(self) -> str:
        return f'RGB2Gray(out_channels={self.out_channels}, weights={self.weights})'


@TRANSFORMS.register_module()
class Rerange(BaseTransform):
    """Moves the values of a photo so that its smallest and largest are two given ones; labels stay.

    Reference:
        MMSegmentation's transform of this name. There a photo of one value ends the run; here it becomes
        ``min_value`` all over.

    Args:
        min_value: What the smallest value becomes.
        max_value: What the largest value becomes.

    Shape:
        img: (H, W, C), to float64.

    Raises:
        ConfigError: If ``min_value`` is not below ``max_value``.
    """

    def __init__(self, min_value: float = 0, max_value: float = 255) -> None:
        if not min_value < max_value:
            raise ConfigError(f'Rerange.min_value must be below max_value; got {min_value} and {max_value}.')
        self.min_value = min_value
        self.max_value = max_value

    def transform(self, results: dict) -> dict:
        """Stretch ``img`` (H, W, C)."""
        img = results['img']
        low, high = img.min(), img.max()
        share = (img - low) / (high - low) if low < high else np.zeros(img.shape)
        results['img'] = share * (self.max_value - self.min_value) + self.min_value
        return results

    def __repr__(self) -> str:
        return f'Rerange(min_value={self.min_value}, max_value={self.max_value})'
