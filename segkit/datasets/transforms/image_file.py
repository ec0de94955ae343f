"""Reads image files and says what is wrong with one that cannot be used; no registered class lives here.

A decoder that meets a file cut short fills the rest with grey and returns. Each file is therefore checked
for its end marker first, which costs a comparison of a few bytes.
"""
import io
import zlib
from collections.abc import Iterator
from typing import Optional

import cv2
import mmcv
import mmengine.fileio as fileio
import numpy as np
from PIL import Image

from segkit.errors import DataError

PNG_START = b'\x89PNG\r\n\x1a\n'
JPEG_START, JPEG_END = b'\xff\xd8', b'\xff\xd9'
PALETTE, GREY = 3, 0  # PNG colour types


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
        raise DataError(f"'{path}' is empty (0 bytes). Copy or download it again.")
    return data


def check_complete(data: bytes, path: str) -> None:
    """Refuse a JPEG or PNG file that was cut short.

    Raises:
        DataError: If the end of the image is missing.
    """
    if data.startswith(JPEG_START):
        complete = data.endswith(JPEG_END)
    elif data.startswith(PNG_START):
        complete = data[-8:-4] == b'IEND'
    else:
        return
    if complete:
        return
    try:  # other bytes may follow the image, which is harmless; Pillow knows where an image ends
        Image.open(io.BytesIO(data)).load()
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(f"'{path}' is cut short or damaged after {len(data)} bytes ({error}).\n"
                        'Copy or download it again, or take it out of the list of the split.') from error


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
        DataError: If the file is no image, or is cut short.
    """
    check_complete(data, path)
    try:
        if backend == 'cv2' and color_type == 'color':
            img = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        else:
            img = mmcv.imfrombytes(data, flag=color_type, backend=backend)
    except (cv2.error, OSError) as error:
        raise DataError(f"'{path}' cannot be decoded as an image: {error}.") from error
    if img is None:
        raise DataError(f"'{path}' ({len(data)} bytes) is not an image that OpenCV can decode.\n"
                        'Replace it, or take it out of the list of the split.')
    return img


def decode_mask(data: bytes, path: str, backend: str = 'pillow') -> np.ndarray:
    """Decode a label map: the indices of a palette image, the values of a grey one, or RGB.

    Args:
        data: The file's content.
        path: For error messages.
        backend: 'tifffile' reads what only that package reads; any other reads indices as described.

    Returns:
        (H, W) integers, or (H, W, 3) uint8 RGB if the file holds colours.

    Raises:
        DataError: If the file is no image, is cut short or holds neither indices nor colours.
    """
    mask = decode_palette_png(data)
    if mask is not None:
        return mask
    check_complete(data, path)
    if backend == 'tifffile':
        return mmcv.imfrombytes(data, flag='unchanged', backend=backend).squeeze()
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode in ('P', 'L', '1', 'I', 'I;16', 'I;16B', 'I;16L'):
                return np.array(image).astype(np.uint8 if image.mode in ('P', 'L', '1') else np.int32)
            if image.mode in ('RGB', 'RGBA'):
                return np.array(image)[..., :3]
            mode = image.mode
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"'{path}' cannot be decoded as a mask: {error}.") from error
    raise DataError(f"'{path}' has mode '{mode}'; a mask is a palette or grey image that holds class indices.\n"
                    'Save it as 8-bit palette or grey PNG.')


def decode_palette_png(data: bytes) -> Optional[np.ndarray]:
    """Decode the common case fast: an 8-bit palette or grey PNG, not interlaced and whole.

    Rows stored without a filter need only be inflated. Otherwise OpenCV decodes the file with its colour type
    changed to grey, because from a palette image it would give colours.

    Returns:
        (H, W) uint8 indices, or None if the file is something else or damaged.
    """
    if data[:8] != PNG_START or data[12:16] != b'IHDR' or data[24:29] not in (b'\x08\x03\0\0\0', b'\x08\0\0\0\0'):
        return None
    width, height = int.from_bytes(data[16:20], 'big'), int.from_bytes(data[20:24], 'big')
    bodies = []
    for start, end in _image_data_chunks(data):
        if zlib.crc32(data[start - 4:end]) != int.from_bytes(data[end:end + 4], 'big'):
            return None
        bodies.append(data[start:end])
    size = height * (width + 1)
    try:  # the chunk's CRC was checked, so the zlib header and its slower checksum are skipped
        pixels = zlib.decompress(b''.join(bodies)[2:], -15, size)
    except zlib.error:
        return None
    if len(pixels) != size:
        return None
    rows = np.frombuffer(pixels, np.uint8).reshape(height, width + 1)
    if not rows[:, 0].any():  # the first byte of a row names its filter
        return rows[:, 1:].copy()  # writable, and without the filter bytes between its rows
    header = data[12:25] + bytes([GREY]) + data[26:29]
    parts = [data[:12], header, zlib.crc32(header).to_bytes(4, 'big')]
    parts += [data[start - 8:end + 4] for start, end in _image_data_chunks(data)]
    parts.append(b'\0\0\0\0IEND\xaeB`\x82')
    return cv2.imdecode(np.frombuffer(b''.join(parts), np.uint8), cv2.IMREAD_UNCHANGED)


def _image_data_chunks(data: bytes) -> Iterator[tuple[int, int]]:
    position = 8
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position:position + 4], 'big')
        if data[position + 4:position + 8] == b'IDAT' and end + 4 <= len(data):
            yield position + 8, end
        position = end + 4
