"""Resizing a photo and its label maps."""
from collections.abc import Sequence
from typing import Optional, Union

import numpy as np
from mmcv.image import imresize
from mmcv.image.geometric import cv2_interp_codes
from mmcv.transforms import BaseTransform

from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS


@TRANSFORMS.register_module()
class Resize(BaseTransform):
    """Resizes ``img``, and with nearest-neighbour sampling every label map that is loaded by then.

    A mask loaded after this transform keeps its original size, which is what evaluation wants.

    Reference:
        MMSegmentation's transform of this name (without its boxes and key points).

    Args:
        scale: (w, h) in pixels, or one number for both. With ``keep_ratio`` the largest size whose long edge is at
            most the larger, and whose short edge is at most the smaller of the two.
        scale_factor: (w, h) factors, or one for both; used when ``scale`` is None.
        keep_ratio: Whether to keep the ratio of width to height.
        backend: 'cv2' or 'pillow'.
        interpolation: Of the image: 'nearest', 'bilinear', 'bicubic', 'area' or 'lanczos'.

    Shape:
        img: (H, W, 3) to (h, w, 3); label maps: (H, W) to (h, w). Sets ``scale``, ``img_shape`` (h, w),
        ``scale_factor`` (w, h) and ``keep_ratio``.

    Raises:
        ConfigError: If neither size is given, one is not positive, ``backend`` or ``interpolation`` is unknown, or
            Pillow is to resize anything but 8-bit arrays.
    """

    def __init__(self,
                 scale: Union[int, tuple[int, int], None] = None,
                 scale_factor: Union[float, tuple[float, float], None] = None,
                 keep_ratio: bool = False,
                 backend: str = 'cv2',
                 interpolation: str = 'bilinear') -> None:
        if scale is None and scale_factor is None:
            raise ConfigError('Resize needs `scale` (w, h) or `scale_factor`; it got neither.')
        if interpolation not in cv2_interp_codes or backend not in ('cv2', 'pillow'):
            raise ConfigError(f"Resize.interpolation knows {', '.join(cv2_interp_codes)}, Resize.backend 'cv2' and "
                              f"'pillow'; got {interpolation!r} and {backend!r}.")
        self.scale = _pair(scale, 'Resize.scale')
        self.scale_factor = _pair(scale_factor, 'Resize.scale_factor')
        self.keep_ratio = keep_ratio
        self.backend = backend
        self.interpolation = interpolation

    def transform(self, results: dict) -> dict:
        """Resize (H, W) to (h, w)."""
        img = results['img']
        for key in ('img', *results.get('seg_fields', ())) if self.backend == 'pillow' else ():
            if results[key].dtype != np.uint8:
                raise ConfigError(f"Resize.backend='pillow' resizes 8-bit arrays alone, and {key} is "
                                  f"{results[key].dtype}.\nTake backend='cv2'.")
        height, width = img.shape[:2]
        size = scale = self.scale or _rounded(width, height, *self.scale_factor)
        if self.keep_ratio:
            factor = min(max(scale) / max(height, width), min(scale) / min(height, width))
            size = _rounded(width, height, factor, factor)
        results['img'] = imresize(img, size, interpolation=self.interpolation, backend=self.backend)
        for key in results.get('seg_fields', ()):
            results[key] = imresize(results[key], size, interpolation='nearest', backend=self.backend)
        results['scale'] = scale
        results['img_shape'] = size[::-1]
        results['scale_factor'] = (size[0] / width, size[1] / height)
        results['keep_ratio'] = self.keep_ratio
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(scale={self.scale}, scale_factor={self.scale_factor}, '
                f'keep_ratio={self.keep_ratio}, interpolation={self.interpolation!r})')


@TRANSFORMS.register_module()
class RandomResize(BaseTransform):
    """Resizes to a random scale, drawn anew for each sample.

    Reference:
        MMCV's transform of this name; the same random draws.

    Args:
        scale: (w, h) in pixels, multiplied by a ratio from ``ratio_range``; or two such pairs, between which each
            edge is drawn on its own (ends included).
        ratio_range: Smallest and largest factor.
        resize_type: Registered name of the transform that resizes.
        **resize_kwargs: Its arguments, e.g. ``keep_ratio=True``.

    Shape:
        As :class:`Resize`.

    Raises:
        ConfigError: If ``scale`` is one pair and ``ratio_range`` is missing or not ordered, or ``resize_type`` does not
            take an argument.
    """

    def __init__(self,
                 scale: Union[tuple[int, int], Sequence[tuple[int, int]]],
                 ratio_range: Optional[tuple[float, float]] = None,
                 resize_type: str = 'Resize',
                 **resize_kwargs) -> None:
        self.pairs = None if isinstance(scale[0], int) else [tuple(pair) for pair in scale]
        if self.pairs is None and (ratio_range is None or not 0 < ratio_range[0] <= ratio_range[1]):
            raise ConfigError(f'RandomResize.scale={scale} needs ratio_range=(smallest, largest), both positive; '
                              f'got {ratio_range}.')
        if self.pairs is not None and len(self.pairs) != 2:
            raise ConfigError(f'RandomResize.scale must be (w, h) or two such pairs; got {scale}.')
        self.scale = tuple(scale)
        self.ratio_range = ratio_range
        try:
            self.resize = TRANSFORMS.build({'type': resize_type, 'scale': (1, 1), **resize_kwargs})
        except TypeError as error:  # what stands in **resize_kwargs escapes the check of the config
            raise ConfigError(f'RandomResize hands {sorted(resize_kwargs)} on to {resize_type}, which does not take '
                              f'them all: {error}') from None

    def transform(self, results: dict) -> dict:
        """Resize (H, W) to a drawn (h, w)."""
        self.resize.scale = self._draw()
        return self.resize(results)

    def _draw(self) -> tuple[int, int]:
        if self.pairs is None:
            low, high = self.ratio_range
            ratio = np.random.random_sample() * (high - low) + low
            return max(int(self.scale[0] * ratio), 1), max(int(self.scale[1] * ratio), 1)
        (w0, h0), (w1, h1) = self.pairs
        width = np.random.randint(min(w0, w1), max(w0, w1) + 1)
        return width, np.random.randint(min(h0, h1), max(h0, h1) + 1)

    def __repr__(self) -> str:
        return f'RandomResize(scale={self.scale}, ratio_range={self.ratio_range}, resize={self.resize})'


@TRANSFORMS.register_module()
class ResizeShortestEdge(BaseTransform):
    """Resizes to a length of the short edge, or to a largest length of the long one where that would be exceeded.

    Reference:
        MMSegmentation's transform of this name, which follows detectron2's. As there, sides are rounded before the
        ratio is kept, so that a very long photo may end some pixels below ``max_size``.

    Args:
        scale: Length of the short edge in pixels; of a pair the smaller one.
        max_size: Largest length of the long edge, in pixels.

    Shape:
        As :class:`Resize` with ``keep_ratio``.

    Raises:
        ConfigError: If a length is not positive.
    """

    def __init__(self, scale: Union[int, tuple[int, int]], max_size: int) -> None:
        self.short = min(_pair(scale, 'ResizeShortestEdge.scale'))
        self.max_size, _ = _pair(max_size, 'ResizeShortestEdge.max_size')
        self.resize = Resize(scale=1, keep_ratio=True)

    def transform(self, results: dict) -> dict:
        """Resize (H, W) to (h, w)."""
        height, width = results['img'].shape[:2]
        factor = self.short * 1.0 / min(height, width)
        # The short edge is set, not multiplied, so that it is exact.
        h, w = (self.short * 1.0, factor * width) if height < width else (factor * height, self.short * 1.0)
        if max(h, w) > self.max_size:
            factor = self.max_size * 1.0 / max(h, w)
            h, w = h * factor, w * factor
        self.resize.scale = (int(w + 0.5), int(h + 0.5))
        return self.resize(results)

    def __repr__(self) -> str:
        return f'ResizeShortestEdge(scale={self.short}, max_size={self.max_size})'


@TRANSFORMS.register_module()
class ResizeToMultiple(BaseTransform):
    """Resizes to the next multiples of a number, as little as that takes.

    Reference:
        MMSegmentation's transform of this name. It sets ``pad_shape`` there, though nothing was padded; not here.

    Args:
        size_divisor: What height and width shall be multiples of, in pixels.
        interpolation: Of the image, as in :class:`Resize`; None is 'bilinear'.

    Shape:
        As :class:`Resize`, with h >= H and w >= W.

    Raises:
        ConfigError: If ``size_divisor`` is not positive, or ``interpolation`` is unknown.
    """

    def __init__(self, size_divisor: int = 32, interpolation: Optional[str] = None) -> None:
        if not isinstance(size_divisor, int) or size_divisor < 1:
            raise ConfigError(f'ResizeToMultiple.size_divisor must be a positive whole number; got {size_divisor}.')
        self.resize = Resize(scale=1, interpolation=interpolation or 'bilinear')
        self.size_divisor = size_divisor

    def transform(self, results: dict) -> dict:
        """Resize (H, W) to (h, w)."""
        height, width = (-(-side // self.size_divisor) * self.size_divisor for side in results['img'].shape[:2])
        self.resize.scale = (width, height)
        return self.resize(results)

    def __repr__(self) -> str:
        return (f'ResizeToMultiple(size_divisor={self.size_divisor}, '
                f'interpolation={self.resize.interpolation!r})')


def _pair(value, name: str) -> Optional[tuple]:
    if value is None:
        return None
    pair = (value, value) if isinstance(value, (int, float)) else tuple(value)
    if len(pair) != 2 or min(pair) <= 0:
        raise ConfigError(f'{name} must be one positive number or two, (w, h); got {value}.')
    return pair


def _rounded(width: int, height: int, factor_w: float, factor_h: float) -> tuple[int, int]:
    return max(int(width * float(factor_w) + 0.5), 1), max(int(height * float(factor_h) + 0.5), 1)
