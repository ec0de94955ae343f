"""Resizing by a random factor of a photo's own size."""
import math

import numpy as np
from mmcv.transforms import BaseTransform

from segkit.datasets.transforms.resize import Resize
from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomScale(BaseTransform):
    """Resizes ``img`` and its label maps by a factor of the photo's own size, drawn anew for each sample.

    RandomResize draws sizes that are the same for all photos; here a small photo stays smaller than a large one.

    Reference:
        DeepLabV3 (arXiv 1706.05587), section A: 0.5 to 2.0. Its authors' code draws in steps of 0.25, DeepLab-ResNet-
        Pytorch {0.5, 0.6, ..., 1.6}, pytorch-segmentation-toolbox {0.7, 0.8, ..., 2.1}, DeepLabV3-Tensorflow
        continuously. The draws come from numpy here.

    Args:
        ratio_range: Smallest and largest factor, ends included.
        step: Distance of the factors that can be drawn, at least 1e-9; 0 draws continuously.
        interpolation: Of the image, as in :class:`Resize`.

    Shape:
        As :class:`Resize`; (H, W) to (h, w), each side rounded.

    Raises:
        ConfigError: If the range is not ordered and positive, or ``step`` does not lead from one end to the other.
    """

    def __init__(self, ratio_range: tuple[float, float] = (0.5, 2.0), step: float = 0.,
                 interpolation: str = 'bilinear') -> None:
        if len(ratio_range) != 2 or not 0 < ratio_range[0] <= ratio_range[1] < math.inf:
            raise ConfigError(f'RandomScale.ratio_range must be (smallest, largest), both positive; got '
                              f'{ratio_range}.')
        low, high = ratio_range
        if step and not 1e-9 <= step < math.inf:
            raise ConfigError(f'RandomScale.step must be 0 or a number of at least 1e-9; got {step}.')
        count = (high - low) / step if step else 0
        if abs(count - round(count)) > 1e-6:
            raise ConfigError(f'RandomScale.step={step} does not lead from {low} to {high}; 0 draws continuously.')
        self.ratio_range = (low, high)
        self.step = step
        self.choices = round(count) + 1
        self.resize = Resize(scale_factor=1., interpolation=interpolation)

    def transform(self, results: dict) -> dict:
        """Resize (H, W) to (h, w)."""
        low, high = self.ratio_range
        if self.step:
            # Rounded, so that a factor is the number that was meant: 0.7 + 3 * 0.1 is not 1.
            factor = round(low + np.random.randint(self.choices) * self.step, 9)
        else:
            factor = np.random.random_sample() * (high - low) + low
        self.resize.scale_factor = (factor, factor)
        results = self.resize(results)
        results['keep_ratio'] = True
        return results

    def __repr__(self) -> str:
        return f'RandomScale(ratio_range={self.ratio_range}, step={self.step})'
