"""A photo with its classes tinted over it, and a legend that names them."""
from collections.abc import Sequence

import cv2
import numpy as np

from segkit.visualization.mosaic import fit_mask
from segkit.visualization.palette import VOID
from segkit.visualization.text import canvas, font, text_width


def tint(image: np.ndarray, mask: np.ndarray, colours: np.ndarray, plain: Sequence[int],
         alpha: float = 0.5) -> np.ndarray:
    """Lay each class's colour over the photo and draw a thin line inside the edge of each region.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) class indices.
        colours: (V, 3) uint8 RGB, the colour of each value of the mask.
        plain: Values under which the photo stays exactly as it is (background, void).
        alpha: Weight of the colour, 0 (photo only) to 1.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    tinted = ~np.isin(mask, plain)
    colour = colours[mask]
    mixed = cv2.addWeighted(image, 1 - alpha, colour, alpha, 0)
    # A palette has dark colours too (VOC's are half black), so the line is the colour halfway to white.
    line = cv2.addWeighted(colour, 0.5, np.full_like(colour, 255), 0.5, 0)
    out = np.where(tinted[..., None], mixed, image)
    return np.where((region_edges(mask) & tinted)[..., None], line, out)


def over_padded(mask: np.ndarray, shape: tuple[int, int], padded: tuple[int, int]) -> np.ndarray:
    """Lay class indices over a photo that was resized and then padded at the bottom and on the right.

    Args:
        mask: (h, w) class indices over the photo, at any size.
        shape: (h', w') of the photo before it was padded.
        padded: (H, W) with the padding, not smaller.

    Returns:
        (H, W) class indices; void on the padding.
    """
    out = np.full(padded, VOID, mask.dtype)
    out[:shape[0], :shape[1]] = fit_mask(mask, shape)
    return out


def region_edges(mask: np.ndarray) -> np.ndarray:
    """Whether a pixel's neighbourhood holds another class; wider in large pictures, so that it can be seen.

    Returns:
        (H, W) bool.
    """
    reach = max(1, round(min(mask.shape) / 500))
    size = (2 * reach + 1, 2 * reach + 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, size)
    values = mask.astype(np.uint16)
    border = dict(borderType=cv2.BORDER_REPLICATE)
    return cv2.dilate(values, kernel, **border) != cv2.erode(values, kernel, **border)


def areas(mask: np.ndarray) -> dict[int, float]:
    """The share of the area of each value that occurs, largest first."""
    counts = np.bincount(mask.ravel())
    order = np.argsort(-counts, kind='stable')
    return {int(value): counts[value] / mask.size for value in order if counts[value]}


def add_legend(image: np.ndarray, mask: np.ndarray, names: Sequence[str], colours: np.ndarray,
               plain: Sequence[int]) -> np.ndarray:
    """Put a panel with the names, colours and area shares of the classes that occur at the right of the photo.

    The picture grows downward too where the list is longer than the photo is high.

    Args:
        image: (H, W, 3) uint8 RGB; found unchanged at the upper left of the result.
        mask: (H, W) class indices.
        names: Of each class.
        colours: (V, 3) uint8 RGB.
        plain: Values that are not tinted; their swatch is hollow.

    Returns:
        (H' >= H, W' > W, 3) uint8 RGB.
    """
    entries = [(_name(value, names), _share(share), None if value in plain else colours[value])
               for value, share in sorted(areas(mask).items(), key=lambda item: item[0] == VOID)]
    panel = legend_panel(entries, image.shape[0])
    height = max(image.shape[0], panel.shape[0])
    out = np.full((height, image.shape[1] + panel.shape[1], 3), 255, np.uint8)
    out[:image.shape[0], :image.shape[1]] = image
    out[:panel.shape[0], image.shape[1]:] = panel
    return out


def legend_panel(entries: Sequence[tuple], height: int) -> np.ndarray:
    """A white panel with one swatch, name and share a line, in as many columns as the height asks for.

    Args:
        entries: (name, share as text, colour or None for a hollow swatch).
        height: Of the picture beside it, in pixels; it decides the size of the letters.

    Returns:
        (H, W, 3) uint8 RGB; higher than ``height`` only where less than 8 lines would fit.
    """
    size = int(np.clip(height / 26, 12, 60))
    line, gap = round(1.7 * size), round(0.6 * size)
    per_column = max(8, (height - 2 * gap) // line)
    columns = [entries[start:start + per_column] for start in range(0, len(entries), per_column)]
    name_widths = [max(text_width(name, size) for name, *_ in column) for column in columns]
    share_widths = [max(text_width(share, size) for _, share, _ in column) for column in columns]
    widths = [gap + size + gap + name + 2 * gap + share + gap for name, share in zip(name_widths, share_widths)]
    needed = 2 * gap + line * max(map(len, columns))
    picture, pen = canvas(needed, sum(widths))
    left = 0
    for column, width in zip(columns, widths):
        for row, (name, share, colour) in enumerate(column):
            middle = gap + row * line + line // 2
            box = (left + gap, middle - size // 2, left + gap + size, middle - size // 2 + size)
            pen.rectangle(box, fill=None if colour is None else tuple(map(int, colour)), outline=(110, 110, 110))
            pen.text((left + 2 * gap + size, middle), name, fill=(20, 20, 20), font=font(size), anchor='lm')
            pen.text((left + width - gap, middle), share, fill=(90, 90, 90), font=font(size), anchor='rm')
        left += width
    return np.asarray(picture)


def _name(value: int, names: Sequence[str]) -> str:
    if value < len(names):
        return names[value]
    return 'void' if value == VOID else f'class {value}'


def _share(share: float) -> str:
    return '< 0.1 %' if share < 0.001 else f'{100 * share:.1f} %'
