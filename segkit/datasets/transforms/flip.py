"""Mirroring a photo and its label maps."""
from bisect import bisect_right
from collections.abc import Sequence
from typing import Optional, Union

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS

CODES = dict(horizontal=1, vertical=0, diagonal=-1)


@TRANSFORMS.register_module()
class RandomFlip(BaseTransform):
    """Mirrors image and label maps with a given probability.

    Reference:
        MMSegmentation's transform of this name; the same random draws.

    Args:
        prob: Probability in [0, 1], shared evenly by the directions; or one for each of them.
        direction: 'horizontal', 'vertical' or 'diagonal' (both), or a list of these.
        swap_seg_labels: Pairs of labels that change places when mirrored, such as left and right arm.

    Shape:
        img: (H, W, 3), label maps: (H, W), sizes unchanged. Sets ``flip`` and ``flip_direction`` (None: not flipped).

    Raises:
        ConfigError: If the probabilities or directions cannot be used.
    """

    def __init__(self,
                 prob: Union[float, Sequence[float]],
                 direction: Union[str, Sequence[str]] = 'horizontal',
                 swap_seg_labels: Optional[Sequence[tuple[int, int]]] = None) -> None:
        self.directions = [direction] if isinstance(direction, str) else list(direction)
        if isinstance(prob, (int, float)):
            shares = [float(prob) / len(self.directions)] * len(self.directions)
            total = float(prob)
        else:
            shares, total = [float(p) for p in prob], float(sum(prob))
        if len(shares) != len(self.directions) or min(shares) < 0 or total > 1:
            raise ConfigError(f'RandomFlip.prob must be in [0, 1], or one number for each of {self.directions} with a '
                              f'sum of at most 1; got {prob}.')
        for name in self.directions:
            if name not in CODES:
                raise ConfigError(f'RandomFlip.direction knows {list(CODES)}; got {name!r}.')
        self.prob = prob
        self.swap_seg_labels = swap_seg_labels
        # numpy.random.choice draws one number and looks it up in this sum; done here, it costs a tenth
        cumulative = np.array(shares + [1. - total]).cumsum()
        self.thresholds = (cumulative / cumulative[-1]).tolist()

    def transform(self, results: dict) -> dict:
        """Flip (H, W), or leave it."""
        drawn = bisect_right(self.thresholds, np.random.random_sample())
        direction = self.directions[drawn] if drawn < len(self.directions) else None
        results['flip'] = direction is not None
        results['flip_direction'] = direction
        if direction is None:
            return results
        results['img'] = cv2.flip(results['img'], CODES[direction])
        for key in results.get('seg_fields', ()):
            results[key] = self._swap(cv2.flip(results[key], CODES[direction]))
        return results

    def _swap(self, mask: np.ndarray) -> np.ndarray:
        if not self.swap_seg_labels:
            return mask
        swapped = mask.copy()
        for left, right in self.swap_seg_labels:
            swapped[mask == left] = right
            swapped[mask == right] = left
        return swapped

    def __repr__(self) -> str:
        return f'RandomFlip(prob={self.prob}, direction={self.directions})'
