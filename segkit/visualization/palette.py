"""The colour of every value a label map can hold."""
from collections.abc import Sequence
from typing import Optional

import numpy as np

from segkit.palette import color_map

VOID = 255


def colour_table(num_classes: int, palette: Optional[Sequence[Sequence[int]]] = None) -> np.ndarray:
    """The colour of every value that a label map can hold; grey for those that are no class.

    Returns:
        (max(256, num_classes), 3) uint8 RGB.
    """
    table = np.full((max(256, num_classes), 3), 128, np.uint8)
    table[:num_classes] = color_map(num_classes) if palette is None else palette
    return table
