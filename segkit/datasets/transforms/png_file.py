"""PNG files: whether one is whole, and the fast way to the indices of a mask; no registered class lives here.

Reference: PNG standard, third edition, sections 5 (chunks), 9 (filters) and 11 (IHDR).
"""
import zlib
from collections.abc import Iterator
from typing import Optional

import cv2
import numpy as np

PNG_START = b'\x89PNG\r\n\x1a\n'
PALETTE, GREY = 3, 0  # colour types
END = b'\0\0\0\0IEND\xaeB`\x82'


def png_fault(data: bytes) -> str:
    """What is wrong with a PNG file; empty if every checksum is right and its end is there.

    Bytes behind the end are harmless. The checksums take a hundredth of the time that decoding takes.
    """
    for kind, start, end in png_chunks(data):
        if end + 4 > len(data):
            break
        if zlib.crc32(data[start - 4:end]) != int.from_bytes(data[end:end + 4], 'big'):
            return f'is damaged: the checksum of its part at byte {start - 8} is wrong'
        if kind == b'IEND':
            return ''
    return f'is cut short or damaged after {len(data)} bytes: the end of the PNG is missing'


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each chunk and the (start, end) of its body; the last one may reach beyond the data."""
    position = len(PNG_START)
    while position + 8 <= len(data):
        end = position + 8 + int.from_bytes(data[position:position + 4], 'big')
        yield data[position + 4:position + 8], position + 8, end
        position = end + 4


def decode_palette_png(data: bytes) -> Optional[np.ndarray]:
    """Decode the common case fast: an 8-bit palette or grey PNG, not interlaced.

    Rows stored without a filter need only be inflated. Otherwise OpenCV decodes the file with its colour type
    changed to grey, because from a palette image it would give colours.

    Args:
        data: A file without a :func:`png_fault`.

    Returns:
        (H, W) uint8 indices, or None if the file is something else or does not hold its pixels.
    """
    if data[12:16] != b'IHDR' or data[24:29] not in (b'\x08\x03\0\0\0', b'\x08\0\0\0\0'):
        return None
    width, height = int.from_bytes(data[16:20], 'big'), int.from_bytes(data[20:24], 'big')
    bodies = [(start, end) for kind, start, end in png_chunks(data) if kind == b'IDAT']
    size = height * (width + 1)
    try:  # the chunks' checksums are right, so the zlib header and its slower checksum are skipped
        pixels = zlib.decompress(b''.join(data[start:end] for start, end in bodies)[2:], -15, size)
    except zlib.error:
        return None
    if len(pixels) != size:
        return None
    rows = np.frombuffer(pixels, np.uint8).reshape(height, width + 1)
    if not rows[:, 0].any():  # the first byte of a row names its filter
        return rows[:, 1:].copy()  # writable, and without the filter bytes between its rows
    if rows[:, 0].max() > 4:  # there is no such filter, and libpng would print that
        return None
    header = data[12:25] + bytes([GREY]) + data[26:29]
    parts = [data[:12], header, zlib.crc32(header).to_bytes(4, 'big')]
    parts += [data[start - 8:end + 4] for start, end in bodies]
    return cv2.imdecode(np.frombuffer(b''.join([*parts, END]), np.uint8), cv2.IMREAD_UNCHANGED)
