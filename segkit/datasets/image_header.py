"""What the first and last bytes of an image file say, without decoding it."""
import io
import os
from typing import BinaryIO, NamedTuple, Optional

_PNG_START = b'\x89PNG\r\n\x1a\n'
_JPEG_COLORS = {1: 'grey', 4: 'CMYK'}  # by the number of channels
_PNG_COLORS = {0: 'grey', 2: 'RGB', 3: 'palette', 4: 'grey and alpha', 6: 'RGBA'}
_BLOCK = 4096
MAX_PIXELS = int(os.environ.get('OPENCV_IO_MAX_IMAGE_PIXELS') or 1 << 30)  # OpenCV's own limit, and its name
# What a byte of a file can hold at most: a Huffman code takes at least one bit for each 8x8 block of a JPEG; deflate,
# which PNG uses, makes at most 1,032 bytes of one, and those hold at least a bit for each pixel.
_PIXELS_PER_BYTE = dict(JPEG=8 * 64, PNG=8 * 1032)
_ARITHMETIC = range(0xC9, 0xD0)  # JPEG frames that are not Huffman coded


class ImageHeader(NamedTuple):
    """Format ('JPEG' or 'PNG'), size in pixels, kind of pixels, whether the file is whole, and EXIF orientation.

    ``fits`` is whether a file of that many bytes can hold that many pixels, and there are some; ``bits`` are those of a
    value.
    """

    format: str
    width: int
    height: int
    color: str
    whole: bool
    orientation: int = 1
    fits: bool = True
    bits: int = 8

    @property
    def turned_size(self) -> tuple[int, int]:
        """(width, height) after turning the image as its EXIF orientation says."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)

    @property
    def size_fault(self) -> str:
        """What is wrong with the size that is promised, which no decoder should believe; empty if nothing is."""
        size = f'promises {self.width}x{self.height} pixels'
        if not self.fits:
            return f'{size}, which a file of its length cannot hold: its header is damaged'
        if self.width * self.height > MAX_PIXELS:
            return f'{size}; at most {MAX_PIXELS:,} are read (environment variable OPENCV_IO_MAX_IMAGE_PIXELS)'
        return ''


def read_header(path: str) -> Optional[ImageHeader]:
    """Read a JPEG or PNG file's header and end; None for any other content.

    Raises:
        OSError: If the file cannot be read.
    """
    with open(path, 'rb', buffering=0) as file:
        return _header_of(file)


def header_of(data: bytes) -> Optional[ImageHeader]:
    """The header of a file's content, as :func:`read_header` reads it; None also where it breaks off."""
    try:
        return _header_of(io.BytesIO(data))
    except IndexError:
        return None


def _header_of(file: BinaryIO) -> Optional[ImageHeader]:
    start = file.read(_BLOCK)
    if start.startswith(_PNG_START):
        return _png(file, start)
    if start.startswith(b'\xff\xd8'):
        return _jpeg(file, start)
    return None


def _png(file: BinaryIO, start: bytes) -> Optional[ImageHeader]:
    if len(start) < 29 or start[12:16] != b'IHDR':
        return None
    color = _PNG_COLORS.get(start[25], 'unknown')
    whole = b'IEND\xaeB`\x82' in _last(file, start, 64) or b'IEND\xaeB`\x82' in _all(file)
    width, height = int.from_bytes(start[16:20], 'big'), int.from_bytes(start[20:24], 'big')
    return ImageHeader('PNG', width, height, color, whole, fits=_fits(file, 'PNG', width, height),
                       bits=start[24])


def _fits(file: BinaryIO, format: str, width: int, height: int) -> bool:
    return 0 < width * height <= file.seek(0, os.SEEK_END) * _PIXELS_PER_BYTE[format]


def _jpeg(file: BinaryIO, block: bytes) -> Optional[ImageHeader]:
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
            fits = marker in _ARITHMETIC or _fits(file, 'JPEG', width, height)
            color = _JPEG_COLORS.get(block[at + 9], 'RGB')
            return ImageHeader('JPEG', width, height, color, whole, orientation, fits, bits=block[at + 4])
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


def _last(file: BinaryIO, start: bytes, count: int) -> bytes:
    size = file.seek(0, os.SEEK_END)
    if size <= len(start):
        return start[-count:]
    file.seek(size - count)
    return file.read(count)


def _all(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
