"""Padding a photo and its label maps."""
from typing import Optional, Union

from mmcv.image import impad
from mmcv.transforms import BaseTransform

from segkit.errors import ConfigError
from segkit.registry import TRANSFORMS

MODES = ('constant', 'edge', 'reflect', 'symmetric')


@TRANSFORMS.register_module()
class Pad(BaseTransform):
    """Adds pixels at the bottom and the right, to a fixed size, to a square or to a multiple.

    Reference:
        MMSegmentation's transform of this name. What is larger than ``size`` stays as it is.

    Args:
        size: (w, h) in pixels.
        size_divisor: Height and width become multiples of it; may be combined with ``pad_to_square``.
        pad_to_square: Pad to the longer edge.
        pad_val: Value for the image, and 255 for label maps; or ``dict(img=0 or (b, g, r), seg=255)``.
        padding_mode: 'constant', 'edge', 'reflect' or 'symmetric'; applies to label maps too.

    Shape:
        img: (H, W, 3) to (h, w, 3); label maps: (H, W) to (h, w). Sets ``pad_shape`` (h, w, 3) and ``img_shape``.

    Raises:
        ConfigError: If not exactly one target is given, or the mode is unknown.
    """

    DICT_KEYS = dict(pad_val=('img', 'seg'))  # what load_config lets this dict hold

    def __init__(self,
                 size: Optional[tuple[int, int]] = None,
                 size_divisor: Optional[int] = None,
                 pad_to_square: bool = False,
                 pad_val: Union[float, dict] = dict(img=0, seg=255),  # noqa: B006 (read only)
                 padding_mode: str = 'constant') -> None:
        if (size is not None) + (size_divisor is not None or pad_to_square) != 1:
            raise ConfigError('Pad needs one of `size` (w, h), `size_divisor` and `pad_to_square` (the last two may be '
                              f'combined); got size={size}, size_divisor={size_divisor}, '
                              f'pad_to_square={pad_to_square}.')
        if size_divisor is not None and size_divisor < 1:
            raise ConfigError(f'Pad.size_divisor must be 1 or more; got {size_divisor}.')
        if padding_mode not in MODES:
            raise ConfigError(f'Pad.padding_mode knows {MODES}; got {padding_mode!r}.')
        self.size = size
        self.size_divisor = size_divisor
        self.pad_to_square = pad_to_square
        self.pad_val = dict(pad_val) if isinstance(pad_val, dict) else dict(img=pad_val)
        self.padding_mode = padding_mode

    def transform(self, results: dict) -> dict:
        """Pad (H, W) to (h, w)."""
        img = results['img']
        shape = self._target(*img.shape[:2])
        fill = self.pad_val.get('img', 0)
        if img.ndim == 3:
            fill = tuple(fill) if isinstance(fill, (tuple, list)) else (fill,) * img.shape[2]
        results['img'] = impad(img, shape=shape, pad_val=fill, padding_mode=self.padding_mode)
        for key in results.get('seg_fields', ()):
            results[key] = impad(
                results[key], shape=shape, pad_val=self.pad_val.get('seg', 255), padding_mode=self.padding_mode)
        results['pad_shape'] = results['img'].shape
        results['img_shape'] = results['img'].shape[:2]
        return results

    def _target(self, height: int, width: int) -> tuple[int, int]:
        if self.size is not None:
            return self.size[1], self.size[0]
        if self.pad_to_square:
            height = width = max(height, width)
        if self.size_divisor is not None:
            height, width = (-(-edge // self.size_divisor) * self.size_divisor for edge in (height, width))
        return height, width

    def __repr__(self) -> str:
        return (f'Pad(size={self.size}, size_divisor={self.size_divisor}, pad_to_square={self.pad_to_square}, '
                f'pad_val={self.pad_val}, padding_mode={self.padding_mode!r})')
