"""Colours of classes: PASCAL VOC's, and those of classes that bring none of their own."""
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

BACKGROUND = ('background', '_background_', 'bg')  # the visualizer leaves a class 0 of these names untinted


def color_map(num_colors: int) -> list[list[int]]:
    """Return the RGB colours of PASCAL VOC's devkit.

    The bits of the class index are dealt out in turn to red, green and blue, highest bit first, so that the first
    colours lie far apart: black, dark red, dark green, ...

    Args:
        num_colors: How many colours; entry 255 is VOC's void colour.
    """
    colors = []
    for index in range(num_colors):
        rgb, rest = [0, 0, 0], index
        for bit in range(7, -1, -1):
            for channel in range(3):
                rgb[channel] |= (rest >> channel & 1) << bit
            rest >>= 3
        colors.append(rgb)
    return colors


def bright_palette(classes: Sequence[str]) -> list[list[int]]:
    """Return an RGB colour for each class that is seen over dark and bright photos and unlike the others.

    VOC's own begin with dark red, dark green and dark blue, which a dark photo hides. A first class that is called
    background is black.
    """
    hidden = bool(classes) and classes[0].lower() in BACKGROUND
    return [[0, 0, 0]] * hidden + [list(color) for color in _bright_colors(len(classes) - hidden)]


@lru_cache(maxsize=8)
def _bright_colors(number: int) -> tuple[tuple[int, int, int], ...]:
    """From orange on, each colour is that which lies farthest in CIELAB from those before it."""
    levels = np.arange(0, 256, 17)
    colors = np.stack(np.meshgrid(levels, levels, levels, indexing='ij'), axis=-1).reshape(-1, 3)
    lab = cv2.cvtColor((colors / 255).astype(np.float32)[None], cv2.COLOR_RGB2LAB)[0]
    # Neither dark nor near to white, nor grey as void is.
    useful = (lab[:, 0] > 55) & (lab[:, 0] < 93) & (np.hypot(lab[:, 1], lab[:, 2]) > 35)
    colors, lab = colors[useful], lab[useful]
    farthest, distances, chosen = int((lab[:, 1] + lab[:, 2]).argmax()), np.full(len(lab), np.inf), []
    for _ in range(number):
        chosen.append(tuple(map(int, colors[farthest])))
        distances = np.minimum(distances, np.square(lab - lab[farthest]).sum(axis=1).round(2))
        farthest = int(distances.argmax())
    return tuple(chosen)
