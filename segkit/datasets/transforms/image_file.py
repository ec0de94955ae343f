"""Reads image files and says what is wrong with one that cannot be used; no registered class lives here.

A decoder that meets a file cut short fills the rest with grey and returns, one that meets a damaged size asks for
gigabytes. Each file is therefore looked at before it is decoded: its end, the size it promises, a PNG's checksums.
JPEG has no checksums: damage between its header and its end mark gives wrong pixels, and no error.
"""
import io
import warnings
from typing import Optional

import cv2
import mmcv
import mmengine.fileio as fileio
import numpy as np
from PIL import Image

from segkit.datasets.image_header import ImageHeader, header_of
from segkit.datasets.transforms.label_runs import RUNS_START, decode_runs, runs_size
from segkit.datasets.transforms.png_file import PNG_START, decode_palette_png, png_fault
from segkit.errors import DataError

JPEG_START, JPEG_END = b'\xff\xd8', b'\xff\xd9'
AGAIN = 'Copy or download it again, or take it out of the list of the split.'


def read_bytes(path: str, backend_args: Optional[dict] = None) -> bytes:
    """Return the content of ``path``, a local file unless ``backend_args`` or a scheme says otherwise.

    Raises:
        DataError: If there is no such file, or it is empty.
    """
    try:
        if backend_args is None and '://' not in path:
            with open(path, 'rb') as file:
                data = file.read()
        else:
            data = fileio.get(path, backend_args=backend_args)
    except OSError as error:
        raise DataError(f"Cannot read '{path}': {error.strerror or error}.\n"
                        'Check data_root, data_prefix and the suffixes of the dataset, or the list that '
                        'names the file.') from error
    if not data:
        raise DataError(f"'{path}' is empty (0 bytes).\n{AGAIN}")
    return data


def content_header(data: bytes) -> Optional[ImageHeader]:
    """The header of a JPEG, a PNG or run lengths; None for any other content."""
    if not data.startswith(RUNS_START):
        return header_of(data)
    height, width = runs_size(data)
    return ImageHeader('run lengths', width, height, 'grey', whole=True)


def check_whole(data: bytes, path: str) -> None:
    """Refuse a JPEG or PNG file that was cut short, promises a size that cannot be, or has a wrong checksum.

    Raises:
        DataError: It names the file.
    """
    is_png = data.startswith(PNG_START)
    if not is_png and not data.startswith(JPEG_START):
        return
    header = header_of(data)
    fault = header.size_fault if header is not None else ''
    if not fault and is_png:
        fault = png_fault(data)
    elif not fault and not data.endswith(JPEG_END):
        # other bytes may follow the image, which is harmless; but its end must be there
        missing = header is not None and not header.whole
        fault = f'is cut short: the end of the JPEG is not in its {len(data)} bytes' if missing else _jpeg_fault(data)
    if fault:
        raise DataError(f"'{path}' {fault}.\n{AGAIN}")


def _jpeg_fault(data: bytes) -> str:
    """What Pillow finds, which knows where an image ends."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            Image.open(io.BytesIO(data)).load()
    except Exception as error:  # damaged bytes make Pillow raise anything
        return f'is cut short or damaged after {len(data)} bytes ({_reason(error)})'
    return ''


def decode_image(data: bytes, path: str, color_type: str = 'color', backend: str = 'cv2') -> np.ndarray:
    """Decode a photo.

    Args:
        data: The file's content.
        path: For error messages.
        color_type: ``flag`` of :func:`mmcv.imfrombytes`. 'color' gives BGR and turns the photo as its EXIF
            orientation says; 'color_ignore_orientation' does not turn it.
        backend: ``backend`` of :func:`mmcv.imfrombytes`.

    Returns:
        (H, W, 3) uint8 BGR for 'color'; otherwise what the flag says.

    Raises:
        DataError: If the file is no image, or is damaged so that it can be told.
    """
    check_whole(data, path)
    try:
        if backend == 'cv2' and color_type == 'color':
            img = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        else:
            img = mmcv.imfrombytes(data, flag=color_type, backend=backend)
    except ImportError:  # turbojpeg and tifffile are packages of their own
        raise
    except Exception as error:  # damaged bytes make decoders raise anything
        raise DataError(f"'{path}' cannot be decoded as an image: {_reason(error)}.\n{AGAIN}") from error
    if img is None:
        raise DataError(f"'{path}' ({len(data)} bytes) is not an image that OpenCV can decode.\n{AGAIN}")
    return img


def decode_mask(data: bytes, path: str, backend: str = 'pillow') -> np.ndarray:
    """Decode a label map: run lengths, the indices of a palette image, the values of a grey one, or RGB.

    Args:
        data: The file's content.
        path: For error messages.
        backend: 'tifffile' reads what only that package reads; any other reads indices as described.

    Returns:
        (H, W) integers, or (H, W, 3) uint8 RGB if the file holds colours.

    Raises:
        DataError: If the file is no image, is damaged so that it can be told, or holds neither indices nor colours.
    """
    if data.startswith(RUNS_START):
        try:
            return decode_runs(data)
        except ValueError as error:
            raise DataError(f"'{path}' is damaged: {error}.\n{AGAIN}") from error
    check_whole(data, path)
    mask = decode_palette_png(data) if data.startswith(PNG_START) else None
    if mask is not None:
        return mask
    try:
        if backend == 'tifffile':
            return mmcv.imfrombytes(data, flag='unchanged', backend=backend).squeeze()
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(io.BytesIO(data)) as image:
                mode = image.mode
                if mode in ('P', 'L', '1', 'I', 'I;16', 'I;16B', 'I;16L'):
                    return np.array(image).astype(np.uint8 if mode in ('P', 'L', '1') else np.int32)
                if mode in ('RGB', 'RGBA'):
                    return np.array(image)[..., :3]
    except ImportError:  # tifffile is a package of its own
        raise
    except Exception as error:  # damaged bytes make decoders raise anything
        raise DataError(f"'{path}' cannot be decoded as a mask: {_reason(error)}.\n{AGAIN}") from error
    raise DataError(f"'{path}' has mode '{mode}'; a mask is a palette or grey image that holds class indices.\n"
                    'Save it as 8-bit palette or grey PNG.')


def _reason(error: Exception) -> str:
    """An error's text on one line."""
    return ' '.join(str(error).split()).rstrip('.')[:200] or type(error).__name__
