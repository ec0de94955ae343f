"""What the first and last bytes of an image file say, without decoding it."""
import os
from typing import NamedTuple, Optional

_PNG_START = b'\x89PNG\r\n\x1a\n'
_PNG_COLORS = {0: 'grey', 2: 'RGB', 3: 'palette', 4: 'grey and alpha', 6: 'RGBA'}
_BLOCK = 4096


class ImageHeader(NamedTuple):
    """Format ('JPEG' or 'PNG'), size in pixels, kind of pixels, whether the file is whole, and EXIF orientation."""

    format: str
    width: int
    height: int
    color: str
    whole: bool
    orientation: int = 1

    @property
    def turned_size(self) -> tuple[int, int]:
        """(width, height) after turning the image as its EXIF orientation says."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_header(path: str) -> Optional[ImageHeader]:
    """Read a JPEG or PNG file's header and end; None for any other content.

    Raises:
        OSError: If the file cannot be read.
    """
    with open(path, 'rb', buffering=0) as file:
        start = file.read(_BLOCK)
        if start.startswith(_PNG_START):
            return _png(file, start)
        if start.startswith(b'\xff\xd8'):
            return _jpeg(file, start)
    return None


def _png(file, start: bytes) -> Optional[ImageHeader]:
    if len(start) < 29 or start[12:16] != b'IHDR':
        return None
    color = _PNG_COLORS.get(start[25], 'unknown')
    whole = b'IEND\xaeB`\x82' in _last(file, start, 64) or b'IEND\xaeB`\x82' in _all(file)
    return ImageHeader('PNG', int.from_bytes(start[16:20], 'big'), int.from_bytes(start[20:24], 'big'), color, whole)


def _jpeg(file, block: bytes) -> Optional[ImageHeader]:
    """Walk over the segments to the frame header, which gives the size."""
    start, base, position, orientation = block, 0, 2, 1
    while True:
        if position + 32 > base + len(block):
            base = position
            file.seek(base)
            block = file.read(_BLOCK)
            if len(block) < 10:
                return None
        at = position - base
        if block[at] != 0xFF:
            return None
        marker, length = block[at + 1], int.from_bytes(block[at + 2:at + 4], 'big')
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = int.from_bytes(block[at + 5:at + 7], 'big'), int.from_bytes(block[at + 7:at + 9], 'big')
            # Inside a scan FF is never followed by D9, so the end marker cannot be there by chance.
            whole = b'\xff\xd9' in _last(file, start, 64) or b'\xff\xd9' in _all(file)[position:]
            return ImageHeader('JPEG', width, height, 'grey' if block[at + 9] == 1 else 'RGB', whole, orientation)
        if marker == 0xE1 and block[at + 4:at + 10] == b'Exif\0\0':
            file.seek(position + 10)
            orientation = _exif_orientation(file.read(length - 8))
        position += 2 + length


def _exif_orientation(tiff: bytes) -> int:
    """Entry 0x0112 of the first directory; 1 if there is none."""
    order = 'little' if tiff[:2] == b'II' else 'big'
    directory = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[directory:directory + 2], order)
    for i in range(count):
        entry = tiff[directory + 2 + 12 * i:directory + 14 + 12 * i]
        if int.from_bytes(entry[:2], order) == 0x0112:
            return int.from_bytes(entry[8:10], order)
    return 1


def _last(file, start: bytes, count: int) -> bytes:
    size = os.fstat(file.fileno()).st_size
    if size <= len(start):
        return start[-count:]
    file.seek(size - count)
    return file.read(count)


def _all(file) -> bytes:
    file.seek(0)
    return file.readall()
