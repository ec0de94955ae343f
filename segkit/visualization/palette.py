"""Colours of classes."""
from collections.abc import Sequence
from typing import Optional

import numpy as np

VOID = 255


def default_palette(num_classes: int) -> np.ndarray:
    """A colour for each class number, far apart for neighbouring numbers; PASCAL VOC's rule.

    The bits of the class number are dealt to red, green and blue in turn, from the highest bit of the colour down.

    Returns:
        (num_classes, 3) uint8 RGB.
    """
    numbers = np.arange(num_classes)
    palette = np.zeros((num_classes, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((numbers >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return palette


def colour_table(num_classes: int, palette: Optional[Sequence[Sequence[int]]] = None) -> np.ndarray:
    """The colour of every value that a label map can hold; grey for those that are no class.

    Returns:
        (max(256, num_classes), 3) uint8 RGB.
    """
    table = np.full((max(256, num_classes), 3), 128, np.uint8)
    table[:num_classes] = default_palette(num_classes) if palette is None else palette
    return table
