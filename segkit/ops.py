"""Pure tensor functions shared by heads, losses, segmentors and metrics."""
from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor


def resize_logits(logits: Tensor, size: tuple[int, int], align_corners: bool = False) -> Tensor:
    """Resize score maps bilinearly; returned as they are when the size is already right.

    Args:
        logits: (N, C, h, w).
        size: The wanted (H, W), in pixels.
        align_corners: Whether the corner pixels' centres coincide before and after.

    Returns:
        (N, C, H, W).
    """
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits, size=tuple(size), mode='bilinear', align_corners=align_corners)


def predicted_classes(logits: Tensor) -> Tensor:
    """The class of the largest score of each pixel; the first one where several are equal.

    ``max`` is 2 to 5 times as fast as ``argmax`` on a CPU for this layout and gives the same classes.

    Args:
        logits: (..., K, H, W).

    Returns:
        (..., H, W) int64, values 0 to K-1.
    """
    return logits.max(dim=-3)[1]


def confusion_matrix(prediction: Tensor, label: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Count the pixels of each (true class, predicted class).

    Pixels whose label is ``ignore_index`` are left out, whatever was predicted there. Labels and predictions
    are otherwise 0 to K-1; that is checked where the data enter.

    Args:
        prediction: Any integer shape.
        label: The same shape.
        num_classes: K.
        ignore_index: The label that is not counted.

    Returns:
        (K, K) int64 on the device of the label; rows are true classes, columns predicted ones.
    """
    # One bincount over label * K + prediction; void pixels fall into one bin of their own at the end, which
    # spares a gather. int16 is enough up to 180 classes and keeps the index array small.
    bins = num_classes * num_classes
    dtype = torch.int16 if bins + num_classes < 2**15 else torch.int32
    index = label.to(dtype) * num_classes + prediction.to(dtype)
    index = torch.where(label == ignore_index, torch.full_like(index, bins), index)
    counts = torch.bincount(index.flatten(), minlength=bins + 1)
    return counts[:bins].view(num_classes, num_classes)


def pixel_accuracy(logits: Tensor, labels: Tensor, ignore_index: Optional[int] = 255) -> Tensor:
    """Share of the valid pixels whose highest score is the true class.

    Args:
        logits: (N, K, H, W).
        labels: (N, H, W) int64.
        ignore_index: The label that is not counted.

    Returns:
        A scalar from 0 to 100 (per cent); 0 where no pixel is valid.
    """
    valid = labels != ignore_index
    hits = (predicted_classes(logits) == labels) & valid
    return 100.0 * hits.sum() / valid.sum().clamp(min=1)
