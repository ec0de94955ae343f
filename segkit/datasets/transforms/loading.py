"""Reading a photo and its mask."""
import importlib.util
from typing import Optional

import numpy as np
from mmcv.image.io import imread_flags
from mmcv.transforms import BaseTransform

from segkit.datasets.transforms.image_file import decode_image, decode_mask, read_bytes
from segkit.datasets.transforms.label_values import apply_color_map, apply_label_map, check_labels, drop_zero_label
from segkit.errors import ConfigError, DataError
from segkit.registry import TRANSFORMS

BACKENDS = ('cv2', 'pillow', 'turbojpeg', 'tifffile')
PACKAGES = dict(turbojpeg='PyTurboJPEG', tifffile='tifffile')  # of backends that segkit does not bring along


def _require_package(backend: str, owner: str) -> None:
    if backend in PACKAGES and importlib.util.find_spec(backend) is None:
        raise ConfigError(f'{owner}.imdecode_backend={backend!r} needs a package that is not installed.\n'
                          f"Install it (pip install {PACKAGES[backend]}), or take 'cv2' or 'pillow'.")


def _file_backend(owner: str, backend_args: Optional[dict], file_client_args: Optional[dict]) -> Optional[dict]:
    """The file backend, also by its older name."""
    if file_client_args is not None and backend_args is not None:
        raise ConfigError(f'{owner}: file_client_args={file_client_args} is the older name of backend_args, and '
                          f'backend_args={backend_args} is given too.\nKeep backend_args.')
    args = backend_args if file_client_args is None else file_client_args
    return None if args == dict(backend='disk') else args  # 'disk' is what local files were called then


@TRANSFORMS.register_module()
class LoadImageFromFile(BaseTransform):
    """Reads ``img_path`` into ``img``.

    Reference:
        MMCV's transform of this name; a file that is missing, cut short or no image is a DataError here.

    Args:
        to_float32: Give ``img`` as float32, values unchanged.
        color_type: 'color' gives BGR, turned as the photo's EXIF orientation says; 'color_ignore_orientation',
            'grayscale' and 'unchanged' as in :func:`mmcv.imfrombytes`.
        imdecode_backend: 'cv2', 'pillow', 'turbojpeg' or 'tifffile'.
        ignore_empty: Return None for a file that cannot be read, instead of an error.
        backend_args: File backend of MMEngine, e.g. ``dict(backend='petrel')``; None reads local files.
        file_client_args: Older name of ``backend_args``.

    Shape:
        img: (H, W, 3) uint8 BGR. Also sets ``img_shape`` and ``ori_shape``, both (H, W).

    Raises:
        ConfigError: If the backend or colour type is unknown.
        DataError: If the file cannot be read or decoded.
    """

    def __init__(self,
                 to_float32: bool = False,
                 color_type: str = 'color',
                 imdecode_backend: str = 'cv2',
                 ignore_empty: bool = False,
                 *,
                 backend_args: Optional[dict] = None,
                 file_client_args: Optional[dict] = None) -> None:
        if imdecode_backend not in BACKENDS or color_type not in imread_flags:
            raise ConfigError(f"LoadImageFromFile.imdecode_backend knows {', '.join(BACKENDS)}, color_type "
                              f"{', '.join(imread_flags)};\ngot {imdecode_backend!r} and {color_type!r}.")
        _require_package(imdecode_backend, 'LoadImageFromFile')
        self.to_float32 = to_float32
        self.color_type = color_type
        self.imdecode_backend = imdecode_backend
        self.ignore_empty = ignore_empty
        self.backend_args = _file_backend('LoadImageFromFile', backend_args, file_client_args)

    def transform(self, results: dict) -> Optional[dict]:
        """Add ``img`` (H, W, 3) to ``results``."""
        path = results['img_path']
        try:
            img = decode_image(read_bytes(path, self.backend_args), path, self.color_type, self.imdecode_backend)
        except DataError:
            if self.ignore_empty:
                return None
            raise
        results['img'] = img.astype(np.float32) if self.to_float32 else img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results

    def __repr__(self) -> str:
        return (f'LoadImageFromFile(to_float32={self.to_float32}, color_type={self.color_type!r}, '
                f'imdecode_backend={self.imdecode_backend!r}, backend_args={self.backend_args})')


@TRANSFORMS.register_module()
class LoadImageFromNDArray(BaseTransform):
    """Takes an array that is already in ``img`` instead of reading a file, for inference on frames.

    Reference:
        MMSegmentation's transform of this name.

    Args:
        to_float32: Give ``img`` as float32, values unchanged.

    Shape:
        img: (H, W, 3) BGR. Sets ``img_shape`` and ``ori_shape``, both (H, W), and ``img_path`` to None.
    """

    def __init__(self, to_float32: bool = False) -> None:
        self.to_float32 = to_float32

    def transform(self, results: dict) -> dict:
        """Complete ``results`` around ``img`` (H, W, 3)."""
        if self.to_float32:
            results['img'] = results['img'].astype(np.float32)
        results['img_path'] = None
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'LoadImageFromNDArray(to_float32={self.to_float32})'


@TRANSFORMS.register_module()
class LoadAnnotations(BaseTransform):
    """Reads ``seg_map_path`` into ``gt_seg_map`` and refuses labels that the model could not be trained on.

    Palette and grey images are read as indices, whatever their colours. Order: ``color_map`` for RGB masks,
    then ``reduce_zero_label`` (0 becomes 255, the others move down by one), then ``label_map``.

    Reference:
        MMSegmentation's transform of this name, which reads the same values but checks nothing.

    Args:
        reduce_zero_label: Whether 0 means "no class"; None takes the dataset's value.
        backend_args: File backend of MMEngine; None reads local files.
        file_client_args: Older name of ``backend_args``.
        imdecode_backend: 'pillow' or 'cv2' (both read indices), or 'tifffile' for formats only that one reads.
        color_map: Colour to label, ``{(r, g, b): id}``, for masks stored as RGB.

    Shape:
        gt_seg_map: (H, W), uint8, or int32 if the labels do not fit; size of the unscaled photo.

    Raises:
        ConfigError: If ``reduce_zero_label`` contradicts the dataset, or the dataset has no masks.
        DataError: If the file cannot be read, is an RGB image without a colour map, has another size than the
            photo, or holds a label outside 0..num_classes-1 and the ignore index.
    """

    def __init__(self,
                 reduce_zero_label: Optional[bool] = None,
                 backend_args: Optional[dict] = None,
                 imdecode_backend: str = 'pillow',
                 color_map: Optional[dict] = None,
                 file_client_args: Optional[dict] = None) -> None:
        _require_package(imdecode_backend, 'LoadAnnotations')
        self.reduce_zero_label = reduce_zero_label
        self.backend_args = _file_backend('LoadAnnotations', backend_args, file_client_args)
        self.imdecode_backend = imdecode_backend
        self.color_map = color_map

    def transform(self, results: dict) -> dict:
        """Add ``gt_seg_map`` (H, W) to ``results``."""
        if 'seg_map_path' not in results:
            raise ConfigError(f"LoadAnnotations has no mask to read for '{results.get('img_path')}'.\n"
                              'Give the dataset data_prefix.seg_map_path, or leave LoadAnnotations out.')
        path = results['seg_map_path']
        data = read_bytes(path, self.backend_args)
        mask = decode_mask(data, path, self.imdecode_backend)
        if mask.ndim == 3:
            mask = apply_color_map(mask, self.color_map, path)
        self._check_size(mask, results)
        reduce_zero_label = results.get('reduce_zero_label')
        if self.reduce_zero_label is not None:
            if reduce_zero_label is not None and reduce_zero_label != self.reduce_zero_label:
                raise ConfigError(f'LoadAnnotations.reduce_zero_label={self.reduce_zero_label}, but the dataset has '
                                  f'reduce_zero_label={reduce_zero_label}.\nSet it in the dataset alone.')
            reduce_zero_label = self.reduce_zero_label
        if reduce_zero_label:
            mask = drop_zero_label(mask)
        if results.get('label_map'):
            mask = apply_label_map(mask, results['label_map'])
        if results.get('num_classes'):
            check_labels(mask, results)
        results['gt_seg_map'] = mask
        results['seg_fields'].append('gt_seg_map')
        return results

    @staticmethod
    def _check_size(mask: np.ndarray, results: dict) -> None:
        expected = results.get('ori_shape')
        if expected is None or mask.shape == tuple(expected):
            return
        sizes = '{1}x{0} pixels'.format(*mask.shape), '{1}x{0}'.format(*expected)
        hint = results.get('size_hint', 'Every mask must have the size of its photo.')
        if mask.shape == tuple(expected)[::-1]:
            hint = ("The photo may carry an EXIF orientation that the mask ignores: then set LoadImageFromFile's "
                    "color_type='color_ignore_orientation'.")
        raise DataError(f"'{results['seg_map_path']}' has {sizes[0]}, but its photo\n'{results.get('img_path')}' has "
                        f'{sizes[1]}.\n{hint}')

    def __repr__(self) -> str:
        return (f'LoadAnnotations(reduce_zero_label={self.reduce_zero_label}, '
                f'imdecode_backend={self.imdecode_backend!r}, backend_args={self.backend_args})')
