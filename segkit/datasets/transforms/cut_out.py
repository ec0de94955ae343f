"""Covering parts of a photo."""
from collections.abc import Sequence
from typing import Optional, Union

import numpy as np
from mmcv.transforms import BaseTransform

from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomCutOut(BaseTransform):
    """Covers a random number of rectangles of the image, with a given probability.

    Reference:
        MMSegmentation's transform of this name; the same random draws. The method is DeVries and Taylor, Improved
        Regularization of Convolutional Neural Networks with Cutout, arXiv:1708.04552.

    Args:
        prob: Probability in [0, 1].
        n_holes: How many rectangles, or (fewest, most).
        cutout_shape: (w, h) of a rectangle in pixels, or a list of such pairs to draw from.
        cutout_ratio: The same as shares of the image's width and height; one of the two must be given.
        fill_in: Value of each channel in the rectangles.
        seg_fill_in: What labels become there, 0 to 255; None leaves them.

    Shape:
        img: (H, W, 3), label maps: (H, W); sizes unchanged. A rectangle reaches from its upper left corner, which is
        anywhere in the image, to the edge of the image at most.

    Raises:
        ConfigError: If an argument is out of its range, or not exactly one of the two sizes is given.
    """

    def __init__(self,
                 prob: float,
                 n_holes: Union[int, tuple[int, int]],
                 cutout_shape: Union[tuple[int, int], Sequence[tuple[int, int]], None] = None,
                 cutout_ratio: Union[tuple[float, float], Sequence[tuple[float, float]], None] = None,
                 fill_in: tuple[float, float, float] = (0, 0, 0),
                 seg_fill_in: Optional[int] = None) -> None:
        if not 0 <= prob <= 1:
            raise ConfigError(f'RandomCutOut.prob must be in [0, 1]; got {prob}.')
        if (cutout_shape is None) == (cutout_ratio is None):
            raise ConfigError('RandomCutOut needs `cutout_shape` (w, h) or `cutout_ratio`, one of the two;\n'
                              f'got {cutout_shape} and {cutout_ratio}.')
        if seg_fill_in is not None and not (isinstance(seg_fill_in, int) and 0 <= seg_fill_in <= 255):
            raise ConfigError(f'RandomCutOut.seg_fill_in must be a label, 0 to 255, or None; got {seg_fill_in}.')
        self.prob = prob
        self.n_holes = (n_holes, n_holes) if isinstance(n_holes, int) else tuple(n_holes)
        if len(self.n_holes) != 2 or not 0 <= self.n_holes[0] <= self.n_holes[1]:
            raise ConfigError(f'RandomCutOut.n_holes must be a number or (fewest, most); got {n_holes}.')
        self.with_ratio = cutout_ratio is not None
        sizes = cutout_ratio if self.with_ratio else cutout_shape
        self.sizes = [tuple(one) for one in ([sizes] if isinstance(sizes[0], (int, float)) else sizes)]
        if any(len(one) != 2 or min(one) < 0 for one in self.sizes):
            raise ConfigError(f'RandomCutOut takes pairs (w, h), none negative; got {sizes}.')
        self.fill_in = tuple(fill_in)
        self.seg_fill_in = seg_fill_in

    def transform(self, results: dict) -> dict:
        """Cover rectangles of (H, W), or leave it."""
        if not np.random.rand() < self.prob:
            return results
        height, width = results['img'].shape[:2]
        holes = []
        for _ in range(np.random.randint(self.n_holes[0], self.n_holes[1] + 1)):
            x, y = np.random.randint(0, width), np.random.randint(0, height)
            w, h = self.sizes[np.random.randint(0, len(self.sizes))]
            if self.with_ratio:
                w, h = int(w * width), int(h * height)
            holes.append((slice(y, y + h), slice(x, x + w)))
        fills = {'img': self.fill_in}
        if self.seg_fill_in is not None:
            fills.update(dict.fromkeys(results.get('seg_fields', ()), self.seg_fill_in))
        for key, value in fills.items():
            results[key] = results[key].copy()
            for hole in holes:
                results[key][hole] = value
        return results

    def __repr__(self) -> str:
        return (f'RandomCutOut(prob={self.prob}, n_holes={self.n_holes}, '
                f"{'cutout_ratio' if self.with_ratio else 'cutout_shape'}={self.sizes}, fill_in={self.fill_in}, "
                f'seg_fill_in={self.seg_fill_in})')
