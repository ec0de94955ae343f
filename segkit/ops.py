"""Pure tensor functions shared by heads, losses, segmentors and metrics."""
from typing import Optional

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


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


def predicted_classes(logits: Tensor, threshold: Optional[float] = None) -> Tensor:
    """The class of the largest score of each pixel; the first one where several are equal.

    ``max`` is 2 to 5 times as fast as ``argmax`` on a CPU for this layout and gives the same classes.

    Args:
        logits: (..., K, H, W).
        threshold: For K = 1, the probability (sigmoid of the score) above which a pixel is class 1.

    Returns:
        (..., H, W) int64, values 0 to K-1; 0 or 1 for K = 1.
    """
    if logits.shape[-3] == 1:
        return (logits.squeeze(-3).sigmoid() > threshold).long()
    return logits.max(dim=-3)[1]


def label_counts(prediction: Tensor, label: Tensor, num_classes: int) -> Tensor:
    """Count the pixels of each (label value, predicted class); also of values that are no class, such as void.

    Args:
        prediction: Any integer shape, values 0 to K-1.
        label: The same shape, values 0 and up.
        num_classes: K.

    Returns:
        (V, K) int64 on the device of the label; row v holds the pixels labelled v. V is at least K, and 256 or more
        for uint8 labels.
    """
    highest = 255 if label.dtype == torch.uint8 else int(label.max()) if label.numel() else 0
    values = max(highest + 1, num_classes)
    # A single bincount: leaving void out before it would take longer than counting it. int16 keeps the index small.
    dtype = torch.int16 if values * num_classes < 2**15 else torch.int32
    index = (label.to(dtype) * num_classes).add_(prediction)
    return torch.bincount(index.flatten(), minlength=values * num_classes).view(values, num_classes)


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
    counts = label_counts(prediction, label, num_classes)[:num_classes]
    counts[ignore_index:ignore_index + 1] = 0
    return counts


def pixel_accuracy(logits: Tensor, labels: Tensor, ignore_index: Optional[int] = 255,
                   align_corners: bool = False, threshold: Optional[float] = None) -> Tensor:
    """Share of the valid pixels whose highest score is the true class.

    Scores smaller than the labels are resized first, one image at a time, so that never more than one image's
    full-size scores exist.

    Args:
        logits: (N, K, h, w).
        labels: (N, H, W) int64.
        ignore_index: The label that is not counted.
        align_corners: As for :func:`resize_logits`.
        threshold: As for :func:`predicted_classes`.

    Returns:
        A scalar from 0 to 100 (per cent); 0 where no pixel is valid.
    """
    hits = torch.zeros((), dtype=torch.int64, device=labels.device)
    for scores, label in zip(logits.split(1), labels.split(1)):
        scores = resize_logits(scores, label.shape[-2:], align_corners)
        hits += ((predicted_classes(scores, threshold) == label) & (label != ignore_index)).sum()
    return 100.0 * hits / (labels != ignore_index).sum().clamp(min=1)


def mean_over_ranks(value: Tensor) -> Tensor:
    """The mean of a number over all processes; the number itself in a single process.

    Args:
        value: A scalar; not changed.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


class _UpsampledCrossEntropy(torch.autograd.Function):
    """Sum of the cross-entropy over the labels' pixels, one image at a time.

    The gradient is taken together with the loss, while an image's full-size scores are at hand, and kept at the
    size of the small ones. So the memory is that of one image instead of the batch, and no full-size tensor
    waits for the backward pass.
    """

    @staticmethod
    def forward(ctx, logits: Tensor, labels: Tensor, weight: Optional[Tensor], ignore_index: int,
                align_corners: bool) -> Tensor:
        total = logits.new_zeros((), dtype=torch.float64 if logits.dtype == torch.float64 else torch.float32)
        gradients = torch.empty_like(logits, dtype=total.dtype)
        for index in range(len(logits)):
            # Scores of half precision are resized in full precision; that costs nothing at their size.
            scores = logits[index:index + 1].detach().to(total.dtype).requires_grad_()
            with torch.enable_grad():
                loss = _resized_cross_entropy(scores, labels[index:index + 1], weight, ignore_index, align_corners)
            gradients[index:index + 1], = torch.autograd.grad(loss, scores)
            total += loss.detach()
        ctx.save_for_backward(gradients)
        ctx.dtype = logits.dtype
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output: Tensor):
        gradients, = ctx.saved_tensors
        return (gradients * grad_output).to(ctx.dtype), None, None, None, None


def _resized_cross_entropy(logits: Tensor, labels: Tensor, weight: Optional[Tensor], ignore_index: int,
                           align_corners: bool) -> Tensor:
    scores = resize_logits(logits, labels.shape[-2:], align_corners)
    if scores.is_cuda and torch.are_deterministic_algorithms_enabled():
        # The sum within the kernel is added up in no fixed order on CUDA, and torch refuses it in this mode.
        return F.cross_entropy(scores, labels, weight=weight, ignore_index=ignore_index, reduction='none').sum()
    return F.cross_entropy(scores, labels, weight=weight, ignore_index=ignore_index, reduction='sum')


def upsampled_cross_entropy(logits: Tensor, labels: Tensor, weight: Optional[Tensor] = None,
                            ignore_index: int = 255, align_corners: bool = False) -> Tensor:
    """Sum over the valid pixels of the cross-entropy of scores that are first resized to the labels' size.

    Equal, to the order of summation, to ``F.cross_entropy(resize_logits(logits, ...), labels, reduction='sum')``;
    faster, and with the memory of one image. It cannot be differentiated twice.

    Args:
        logits: (N, K, h, w).
        labels: (N, H, W) int64.
        weight: (K,) factor of each class, or None.
        ignore_index: The label that is not counted.
        align_corners: As for :func:`resize_logits`.

    Returns:
        A scalar; 0, with gradients of 0, where no pixel is valid.
    """
    if weight is not None:
        weight = weight.to(torch.float64 if logits.dtype == torch.float64 else torch.float32)
    if torch.is_grad_enabled() and logits.requires_grad:
        return _UpsampledCrossEntropy.apply(logits, labels, weight, ignore_index, align_corners)
    images = zip(logits.split(1), labels.split(1))
    return sum(_resized_cross_entropy(a.to(torch.promote_types(a.dtype, torch.float32)), b, weight, ignore_index,
                                      align_corners) for a, b in images)
