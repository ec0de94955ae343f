"""Cropping a photo and its label maps."""
from typing import Union

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS

TRIES = 10


@TRANSFORMS.register_module()
class RandomCrop(BaseTransform):
    """Cuts a random window, drawing again while one class fills too much of it.

    Reference:
        MMSegmentation's transform of this name; the same random draws and windows, its class counts done by one
        histogram per try.

    Args:
        crop_size: (h, w) in pixels, or one number for both. A smaller image stays as it is in that direction.
        cat_max_ratio: Largest share in (0, 1] of the labelled pixels that one class may have. Below 1 a window with
            fewer than two classes is drawn again too, ten times at most.
        ignore_index: Label that is not counted.

    Shape:
        img: (H, W, 3) to (h, w, 3); label maps: (H, W) to (h, w), both views.

    Raises:
        ConfigError: If ``crop_size`` is not positive.
    """

    def __init__(self,
                 crop_size: Union[int, tuple[int, int]],
                 cat_max_ratio: float = 1.,
                 ignore_index: int = 255) -> None:
        size = (crop_size, crop_size) if isinstance(crop_size, int) else tuple(crop_size)
        if len(size) != 2 or min(size) <= 0:
            raise ConfigError(f'RandomCrop.crop_size must be one positive number or two, (h, w); got {crop_size}.')
        self.crop_size = size
        self.cat_max_ratio = cat_max_ratio
        self.ignore_index = ignore_index

    def transform(self, results: dict) -> dict:
        """Cut (H, W) to (h, w)."""
        height, width = results['img'].shape[:2]
        window = self._draw(height, width)
        if self.cat_max_ratio < 1.:
            mask = results['gt_seg_map']
            for _ in range(TRIES):
                if self._is_mixed(mask[window]):
                    break
                window = self._draw(height, width)
        results['img'] = img = results['img'][window]
        for key in results.get('seg_fields', ()):
            results[key] = results[key][window]
        results['img_shape'] = img.shape[:2]
        return results

    def _draw(self, height: int, width: int) -> tuple[slice, slice]:
        crop_h, crop_w = self.crop_size
        top = np.random.randint(0, max(height - crop_h, 0) + 1)
        left = np.random.randint(0, max(width - crop_w, 0) + 1)
        return slice(top, top + crop_h), slice(left, left + crop_w)

    def _is_mixed(self, mask: np.ndarray) -> bool:
        if mask.dtype == np.uint8:
            counts = cv2.calcHist([mask], [0], None, [256], [0, 256]).ravel().astype(np.int64)
        else:
            counts = np.bincount(mask.ravel(), minlength=self.ignore_index + 1)
        counts[self.ignore_index] = 0
        present = counts[counts > 0]
        return len(present) > 1 and present.max() / present.sum() < self.cat_max_ratio

    def __repr__(self) -> str:
        return f'RandomCrop(crop_size={self.crop_size}, cat_max_ratio={self.cat_max_ratio})'
