"""Rotating a photo and its label maps, by any angle or by quarters."""
from typing import Optional, Union

import numpy as np
from mmcv.image import imrotate
from mmcv.transforms import BaseTransform

from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomRotate(BaseTransform):
    """Turns image and label maps by a random angle, with a given probability.

    Reference:
        MMSegmentation's transform of this name; the same random draws. There a ``pad_val`` other than 0 fills the
        blue channel alone, here all three.

    Args:
        prob: Probability in [0, 1].
        degree: Largest angle in degrees to either side, or (smallest, largest); positive is clockwise.
        pad_val: Value of image pixels that come from outside, or one for each channel.
        seg_pad_val: The same for label maps.
        center: (x, y) in pixels to turn about; None is the middle of the image.
        auto_bound: Enlarge the result so that no corner is lost; not together with ``center``.

    Shape:
        img: (H, W, 3), label maps: (H, W); sizes unchanged, or (h, w) with ``auto_bound``.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(self,
                 prob: float,
                 degree: Union[float, tuple[float, float]],
                 pad_val: Union[float, tuple[float, ...]] = 0,
                 seg_pad_val: float = 255,
                 center: Optional[tuple[float, float]] = None,
                 auto_bound: bool = False) -> None:
        if not 0 <= prob <= 1:
            raise ConfigError(f'RandomRotate.prob must be in [0, 1]; got {prob}.')
        self.degree = (-degree, degree) if isinstance(degree, (int, float)) else tuple(degree)
        if len(self.degree) != 2 or isinstance(degree, (int, float)) and degree <= 0:
            raise ConfigError(f'RandomRotate.degree must be a positive number or (smallest, largest); got {degree}.')
        if center is not None and auto_bound:
            raise ConfigError('RandomRotate turns about `center` or enlarges by `auto_bound`, not both.')
        self.prob = prob
        self.pad_val = tuple(pad_val) if isinstance(pad_val, (tuple, list)) else (pad_val,) * 4
        self.seg_pad_val = seg_pad_val
        self.center = None if center is None else tuple(center)
        self.auto_bound = auto_bound

    def transform(self, results: dict) -> dict:
        """Turn (H, W), or leave it."""
        turn = np.random.rand() < self.prob
        angle = np.random.uniform(min(self.degree), max(self.degree))  # drawn in any case, as MMSegmentation does
        if not turn:
            return results
        how = dict(angle=angle, center=self.center, auto_bound=self.auto_bound)
        results['img'] = imrotate(results['img'], border_value=self.pad_val, **how)
        for key in results.get('seg_fields', ()):
            results[key] = imrotate(results[key], border_value=self.seg_pad_val, interpolation='nearest', **how)
        results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return (f'RandomRotate(prob={self.prob}, degree={self.degree}, pad_val={self.pad_val}, '
                f'seg_pad_val={self.seg_pad_val}, center={self.center}, auto_bound={self.auto_bound})')


@TRANSFORMS.register_module()
class RandomRotFlip(BaseTransform):
    """Turns image and label maps by a random angle, or else by quarters and mirrors them, or leaves them.

    Reference:
        MMSegmentation's transform of this name, for slices of CT; the same random draws and the same image. There the
        label maps are interpolated between neighbouring classes while they are turned, which makes labels that are in
        neither; here each pixel takes the nearest one, as in TransUNet, whose augmentation this is.

    Args:
        rotate_prob: Probability in [0, 1] of turning by an angle.
        flip_prob: Probability in [0, 1] of quarter turns and a mirror image, where it was not turned.
        degree: Largest angle in degrees to either side, or (smallest, largest); positive is clockwise.

    Shape:
        img: (H, W, 3), label maps: (H, W); to (W, H) where a quarter turn was drawn. What comes from outside is 0, in
        the label maps too: in CT that is background.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(self, rotate_prob: float = 0.5, flip_prob: float = 0.5,
                 degree: Union[float, tuple[float, float]] = (-20, 20)) -> None:
        if not 0 <= rotate_prob <= 1 or not 0 <= flip_prob <= 1:
            raise ConfigError('RandomRotFlip.rotate_prob and flip_prob must be in [0, 1]; '
                              f'got {rotate_prob} and {flip_prob}.')
        self.degree = (-degree, degree) if isinstance(degree, (int, float)) else tuple(degree)
        if len(self.degree) != 2 or isinstance(degree, (int, float)) and degree <= 0:
            raise ConfigError(f'RandomRotFlip.degree must be a positive number or (smallest, largest); got {degree}.')
        self.rotate_prob = rotate_prob
        self.flip_prob = flip_prob

    def transform(self, results: dict) -> dict:
        """Turn or mirror (H, W), or leave it."""
        fields = results.get('seg_fields', ())
        turn = np.random.random_sample() < self.rotate_prob
        if turn:
            angle = np.random.uniform(min(self.degree), max(self.degree))
            results['img'] = imrotate(results['img'], angle=angle)
            for key in fields:
                results[key] = imrotate(results[key], angle=angle, interpolation='nearest')
        mirror = np.random.random_sample() < self.flip_prob  # drawn in any case, as MMSegmentation does
        if mirror and not turn:
            quarters, axis = np.random.randint(0, 4), np.random.randint(0, 2)
            for key in ('img', *fields):
                results[key] = np.ascontiguousarray(np.flip(np.rot90(results[key], quarters), axis=axis))
            results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return (f'RandomRotFlip(rotate_prob={self.rotate_prob}, flip_prob={self.flip_prob}, degree={self.degree})')
