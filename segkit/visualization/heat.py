"""Maps of numbers in colours, alone or over a photo."""
from collections.abc import Sequence

import cv2
import numpy as np

from segkit.visualization import mosaic


def colours_of(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Colour numbers from dark blue (``low``) over green to dark red (``high``).

    Args:
        values: (h, w).
        low: What is darkest blue, and everything below.
        high: What is darkest red; where it is not above ``low``, everything is blue.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    span = high - low
    scaled = np.clip((values - low) / span, 0, 1) if span > 0 else np.zeros_like(values, np.float64)
    return cv2.cvtColor(cv2.applyColorMap((255 * scaled).round().astype(np.uint8), cv2.COLORMAP_TURBO),
                        cv2.COLOR_BGR2RGB)


def over_photo(photo: np.ndarray, values: np.ndarray, low: float, high: float, alpha: float = 0.6) -> np.ndarray:
    """Lay a map, resized bilinearly to the photo's size, over the grey photo.

    Args:
        photo: (H, W, 3) uint8 RGB.
        values: (h, w).
        low: As for :func:`colours_of`.
        high: As for :func:`colours_of`.
        alpha: Weight of the colours, 0 to 1.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    size = (photo.shape[1], photo.shape[0])
    heat = colours_of(cv2.resize(np.float32(values), size, interpolation=cv2.INTER_LINEAR), low, high)
    grey = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(heat, alpha, grey, 1 - alpha, 0)


def channel_grid(maps: np.ndarray, channels: Sequence[int], heading: str, width: int = 180,
                 across: int = 4) -> np.ndarray:
    """Lay channels out in rows, each from its own smallest to its own largest value; numbers stand under the rows.

    Args:
        maps: (C, h, w).
        channels: Which of them, in order.
        heading: Over the sheet.
        width: Of a cell, in pixels.
        across: Cells in a row.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    size = mosaic.cell_size([maps.shape[1:]], width)
    cells = [cv2.resize(colours_of(maps[k], float(maps[k].min()), float(maps[k].max())), size[::-1],
                        interpolation=cv2.INTER_NEAREST) for k in channels]
    starts = range(0, len(cells), across)
    captions = ['channels ' + ', '.join(map(str, channels[start:start + across])) for start in starts]
    return mosaic.sheet([cells[start:start + across] for start in starts], size, captions=captions, heading=heading)
