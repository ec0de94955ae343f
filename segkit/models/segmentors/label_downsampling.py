"""Label maps at the size of scores; the systems differ in which pixel they take."""
from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor

FLAVOURS = ('corner-aligned', 'nearest-exact', 'nearest')


def source_indices(length: int, wanted: int, flavour: str, device: Optional[torch.device] = None) -> Tensor:
    """Which of n pixels along an axis are kept, for m pixels.

    ================  ============================  ====================  ========================================
    Flavour           Pixel i takes                 321 to 41             As
    ================  ============================  ====================  ========================================
    'corner-aligned'  round(i (n - 1) / (m - 1))    0, 8, 16, ..., 320    scipy.ndimage.zoom of order 0
    'nearest-exact'   floor((i + 1/2) n / m)        3, 11, 19, ..., 317   Pillow, torch's mode of this name
    'nearest'         floor(i n / m)                0, 7, 15, ..., 313    OpenCV, torch's mode of this name
    ================  ============================  ====================  ========================================

    The first looks where scores lie that are resized with ``align_corners=True``; it rounds a half up. scipy itself
    puts a 0 in place of the last pixel for some sizes (183 to 42), where its arithmetic steps past the edge.

    Args:
        length: n, in pixels.
        wanted: m, in pixels.
        flavour: One of the table's.
        device: Where the result is wanted.

    Returns:
        (m,) int64, ascending.
    """
    if flavour == 'corner-aligned':
        step = (length - 1) / (wanted - 1) if wanted > 1 else 0.0
        return (torch.arange(wanted, dtype=torch.float64, device=device) * step + 0.5).long()
    # torch itself decides, whose steps have single precision: where two pixels are equally near, others may differ.
    pixels = torch.arange(length, dtype=torch.float32, device=device)[None, None]
    return F.interpolate(pixels, size=wanted, mode=flavour).flatten().long()


def downsample_labels(labels: Tensor, size: tuple[int, int], flavour: str) -> Tensor:
    """Keep a grid of pixels of label maps; void stays void.

    Args:
        labels: (N, H, W).
        size: The wanted (h, w), in pixels.
        flavour: As for :func:`source_indices`.

    Returns:
        (N, h, w).
    """
    rows, columns = (source_indices(length, wanted, flavour, labels.device)
                     for length, wanted in zip(labels.shape[-2:], size))
    return labels[:, rows[:, None], columns]
