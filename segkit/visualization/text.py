"""Text on pictures, in a font that every installation has."""
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and also knows accents, Greek and Cyrillic.

    Args:
        size: Height of a line in pixels.
    """
    import matplotlib  # here, since it takes a while to import
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), 'fonts/ttf/DejaVuSans.ttf')), size)


def text_width(text: str, size: int) -> int:
    """Width of a text, in pixels."""
    return int(np.ceil(font(size).getlength(text)))


def canvas(height: int, width: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A white RGB picture and the pen for it."""
    picture = Image.new('RGB', (width, height), 'white')
    return picture, ImageDraw.Draw(picture)
