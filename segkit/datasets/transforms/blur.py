"""Blurring a photo."""
import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageFilter

from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomGaussianBlur(BaseTransform):
    """Blurs the image by a Gaussian of random radius, with a given probability; labels stay.

    Reference:
        GluonCV's segmentation data (``data/segbase.py``): Pillow's GaussianBlur with a radius from U(0, 1), in one
        half of the samples. The draws come from numpy here.

    Args:
        prob: Probability in [0, 1].
        radius: Smallest and largest standard deviation, in pixels.

    Shape:
        img: (H, W, 3) uint8, unchanged.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(self, prob: float = 0.5, radius: tuple[float, float] = (0., 1.)) -> None:
        if not 0 <= prob <= 1:
            raise ConfigError(f'RandomGaussianBlur.prob must be in [0, 1]; got {prob}.')
        if len(radius) != 2 or not 0 <= radius[0] <= radius[1]:
            raise ConfigError(f'RandomGaussianBlur.radius must be (smallest, largest), neither negative; got {radius}.')
        self.prob = prob
        self.radius = tuple(radius)

    def transform(self, results: dict) -> dict:
        """Blur ``img`` (H, W, 3), or leave it."""
        if np.random.random_sample() < self.prob:
            gaussian = ImageFilter.GaussianBlur(np.random.uniform(*self.radius))
            results['img'] = np.array(Image.fromarray(results['img']).filter(gaussian))
        return results

    def __repr__(self) -> str:
        return f'RandomGaussianBlur(prob={self.prob}, radius={self.radius})'
