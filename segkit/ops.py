"""Pure tensor functions shared by heads, losses, segmentors and metrics."""
from collections.abc import Callable, Iterator
from typing import Optional

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# Full-size scores (1, K, H, W), labels (1, H, W) and a weight of that image or None -> scalar.
PerImage = Callable[[Tensor, Tensor, Optional[Tensor]], Tensor]


def resize_logits(logits: Tensor, size: tuple[int, int], align_corners: bool = False) -> Tensor:
    """Resize score maps bilinearly; returned as they are when the size is already right.

    Args:
        logits: (N, C, h, w).
        size: The wanted (H, W), in pixels.
        align_corners: Whether the corner pixels' centres coincide before and after.

    Returns:
        (N, C, H, W).
    """
    if _known(*logits.shape[-2:], *size) and tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits, size=tuple(size), mode='bilinear', align_corners=align_corners)


def _known(*sides: int) -> bool:
    """Whether sizes are numbers. A graph exported for any size leaves them open, and comparing them would close it."""
    return not any(isinstance(side, torch.SymInt) for side in sides)


def corner_aligned_pixels(length: int, wanted: int, device: Optional[torch.device] = None) -> Tensor:
    """Which of n pixels along an axis lie nearest to m points spread evenly from the first to the last; halves go up.

    Args:
        length: n, in pixels.
        wanted: m; one point is the first pixel.
        device: Where the result is wanted.

    Returns:
        (m,) int64, ascending: round(i (n - 1) / (m - 1)).
    """
    step = (length - 1) / (wanted - 1) if wanted > 1 else 0.
    return (torch.arange(wanted, dtype=torch.float64, device=device) * step + 0.5).long()


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


class _SumOverImages(torch.autograd.Function):
    """Sum of a function of full-size scores, one image at a time.

    The gradient is taken together with the value, while an image's full-size scores are at hand, and kept at the
    size of the small ones. So the memory is that of one image instead of the batch, and no full-size tensor
    waits for the backward pass.
    """

    @staticmethod
    def forward(ctx, logits: Tensor, labels: Tensor, weight: Optional[Tensor], function: PerImage,
                align_corners: bool) -> Tensor:
        total = logits.new_zeros((), dtype=torch.promote_types(logits.dtype, torch.float32))
        gradients = torch.empty_like(logits, dtype=total.dtype)
        for index in range(len(logits)):
            one = slice(index, index + 1)
            # Scores of half precision are resized in full precision; that costs nothing at their size.
            scores = logits[one].detach().to(total.dtype).requires_grad_()
            with torch.enable_grad():
                full = resize_logits(scores, labels.shape[-2:], align_corners)
                value = function(full, labels[one], None if weight is None else weight[one])
            gradients[one], = torch.autograd.grad(value, scores)
            total += value.detach()
        ctx.save_for_backward(gradients)
        ctx.dtype = logits.dtype
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output: Tensor):
        gradients, = ctx.saved_tensors
        return (gradients * grad_output).to(ctx.dtype), None, None, None, None


def full_size_scores(logits: Tensor, labels: Tensor, align_corners: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
    """Each image's scores (1, K, H, W), resized in at least float32, with its labels (1, H, W)."""
    for scores, label in zip(logits.split(1), labels.split(1)):
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        yield resize_logits(scores, label.shape[-2:], align_corners), label


def sum_over_images(function: PerImage, logits: Tensor, labels: Tensor, weight: Optional[Tensor] = None,
                    align_corners: bool = False) -> Tensor:
    """Sum over the images of a function of scores that are first resized to the labels' size, in float32.

    Never more than one image's full-size scores and their graph exist; the gradient is computed here. It cannot be
    differentiated twice.

    Args:
        function: Takes scores (1, K, H, W), labels (1, H, W) and that image's part of ``weight``; gives a scalar that
            depends on the scores.
        logits: (N, K, h, w).
        labels: (N, H, W) int64.
        weight: (N, ...), or None.
        align_corners: As for :func:`resize_logits`.

    Returns:
        A scalar.
    """
    if torch.is_grad_enabled() and logits.requires_grad:
        return _SumOverImages.apply(logits, labels, weight, function, align_corners)
    parts = [None] * len(logits) if weight is None else weight.split(1)
    images = full_size_scores(logits, labels, align_corners)
    return torch.stack([function(scores, label, part) for (scores, label), part in zip(images, parts)]).sum()


def upsampled_cross_entropy(logits: Tensor, labels: Tensor, weight: Optional[Tensor] = None,
                            ignore_index: int = 255, align_corners: bool = False,
                            pixel_weight: Optional[Tensor] = None) -> Tensor:
    """Sum over the valid pixels of the cross-entropy of scores that are first resized to the labels' size.

    Equal, to the order of summation, to ``F.cross_entropy(resize_logits(logits, ...), labels, reduction='sum')``;
    faster, and with the memory of one image. It cannot be differentiated twice.

    Args:
        logits: (N, K, h, w).
        labels: (N, H, W) int64.
        weight: (K,) factor of each class, or None.
        ignore_index: The label that is not counted.
        align_corners: As for :func:`resize_logits`.
        pixel_weight: (N, H, W) factor of each pixel, or None.

    Returns:
        A scalar; 0, with gradients of 0, where no pixel is valid.
    """
    if weight is not None:
        weight = weight.to(torch.promote_types(logits.dtype, torch.float32))

    def cross_entropy(scores: Tensor, label: Tensor, factor: Optional[Tensor]) -> Tensor:
        # The sum within the kernel is added up in no fixed order on CUDA, and torch refuses it in deterministic mode.
        if factor is None and not (scores.is_cuda and torch.are_deterministic_algorithms_enabled()):
            return F.cross_entropy(scores, label, weight=weight, ignore_index=ignore_index, reduction='sum')
        losses = F.cross_entropy(scores, label, weight=weight, ignore_index=ignore_index, reduction='none')
        return losses.sum() if factor is None else (losses * factor).sum()

    return sum_over_images(cross_entropy, logits, labels, pixel_weight, align_corners)


def kth_smallest(values: Tensor, k: int) -> Tensor:
    """The k-th smallest of (n,) values, k from 1 to n, without sorting them."""
    if values.is_cuda and torch.are_deterministic_algorithms_enabled():  # kthvalue is refused: its index may vary
        return values.sort()[0][k - 1]
    return values.kthvalue(k)[0]


@torch.no_grad()
def unsure_pixels(logits: Tensor, labels: Tensor, thresh: float, min_kept: int, ignore_index: int = 255,
                  align_corners: bool = False) -> Tensor:
    """The valid pixels whose true class has a probability below a threshold.

    The threshold is ``thresh``, or the probability of the ``min_kept`` + 1st least sure pixel where that is higher
    (of the surest one, where fewer are valid).

    Args:
        logits: (N, K, h, w); for K = 1 the probability is that of a sigmoid, else of a softmax.
        labels: (N, H, W) int64.
        thresh: A probability.
        min_kept: How many pixels there should be at least, over the batch.
        ignore_index: The label that is not counted.
        align_corners: As for :func:`resize_logits`.

    Returns:
        (N, H, W) bool.
    """
    valid = labels != ignore_index
    known = labels.where(valid, torch.zeros_like(labels))[:, None]
    found = []
    for scores, classes in full_size_scores(logits, known, align_corners):
        if scores.shape[1] == 1:
            found.append((scores * (2 * classes - 1)).sigmoid()[:, 0])
        else:
            found.append(scores.softmax(1).gather(1, classes)[:, 0])
    probability = torch.cat(found)
    unsure = valid & (probability < thresh)
    count = int(valid.sum())
    if count and int(unsure.sum()) <= min_kept:  # else that many lie below thresh already
        least = kth_smallest(probability[valid], min(min_kept, count - 1) + 1)
        unsure |= valid & (probability < least)
    return unsure


def largest_pixels(losses: Tensor, labels: Tensor, kept: int, ignore_index: int = 255) -> Tensor:
    """The ``kept`` valid pixels of the highest losses; of equal losses the first ones.

    Args:
        losses: (N, H, W).
        labels: (N, H, W) int64.
        kept: How many, over the batch.
        ignore_index: The label that is not counted.

    Returns:
        (N, H, W) bool.
    """
    chosen = labels != ignore_index
    values = losses[chosen]
    if kept < len(values):
        least = kth_smallest(values, len(values) - kept + 1)
        above = values > least
        above[(values == least).nonzero()[:kept - int(above.sum()), 0]] = True
        chosen[chosen.clone()] = above
    return chosen
