"""Where the windows of a sliding-window inference lie."""
from typing import Callable

from torch import Tensor


def window_starts(length: int, window: int, stride: int) -> list[int]:
    """First pixels of the windows along one axis; the last window is shifted back inside the image.

    Args:
        length: Pixels of the image along the axis.
        window: Pixels of the window.
        stride: Pixels from window to window.

    Returns:
        The starts, ascending; [0] where the window is not smaller than the image.
    """
    count = max(length - window + stride - 1, 0) // stride + 1
    return [max(min(i * stride + window, length) - window, 0) for i in range(count)]


def slide(score: Callable[[Tensor], Tensor], images: Tensor, window: tuple[int, int], stride: tuple[int, int],
          num_channels: int) -> Tensor:
    """Score overlapping windows and average the scores where they overlap.

    Args:
        score: Takes (N, 3, h, w) and gives (N, K, h, w).
        images: (N, 3, H, W).
        window: (h, w) of the windows, in pixels; cut where the image is smaller.
        stride: (h, w) from window to window, in pixels; not larger than the windows.
        num_channels: K.

    Returns:
        (N, K, H, W) float32.
    """
    height, width = images.shape[-2:]
    total = images.new_zeros(len(images), num_channels, height, width)
    count = images.new_zeros(1, 1, height, width)
    for top in window_starts(height, window[0], stride[0]):
        for left in window_starts(width, window[1], stride[1]):
            area = (..., slice(top, top + window[0]), slice(left, left + window[1]))
            total[area] += score(images[area])
            count[area] += 1
    return total / count
