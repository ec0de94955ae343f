"""Label maps as PNG files: the class index of each pixel, shown in the dataset's colours."""
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image


def write_palette_png(path: str, mask: np.ndarray, palette: Sequence[Sequence[int]]) -> None:
    """Write class indices so that viewers show the classes' colours and programs read the indices.

    Up to 256 classes give a palette PNG as PASCAL VOC's masks are; above that a 16-bit grey one, which has no
    colours. An existing file is replaced at once.

    Args:
        path: The file to write.
        mask: (H, W) class indices.
        palette: An (r, g, b) for each class, 0 to 255.
    """
    if len(palette) > 256:
        image = Image.fromarray(mask.astype(np.uint16))
    else:
        image = Image.fromarray(mask.astype(np.uint8))
        colours = np.zeros((256, 3), np.uint8)
        colours[255] = (224, 224, 192)  # what VOC's own files show for void
        colours[:len(palette)] = palette
        image.putpalette(colours.tobytes())
    unfinished = f'{path}.part'
    image.save(unfinished, format='PNG')
    os.replace(unfinished, path)
