"""Averages over 3x3, 9x9 and 27x27 pixels of one map, each made from the one before."""
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def shared_averages(x: Tensor, levels: int = 3) -> tuple[Tensor, ...]:
    """The averages of each pixel's 3, 9, 27, ... neighbours along each side; what lies outside of the map counts as 0.

    Reference:
        Vortex Pooling (arXiv 1804.06242): the average of 9x9 pixels is the average of nine averages of 3x3, three
        pixels apart, and so on, which takes 27 additions a pixel instead of 9 + 81 + 729. Averages that each fill
        their own border with zeros give other values near it. Here a level keeps what of it reaches beyond the map,
        so that the result is that of a map enlarged once by 13 pixels: ``F.avg_pool2d(x, k, 1, k // 2)`` everywhere.

        Rows and columns are added one after the other (12 additions a pixel), and the gradient is the same averages
        in reverse order, so that nothing is kept for it. On one CPU core, for a map of 2048 channels, without and
        with the gradient:

        ======================  ============  =============  =====================
        milliseconds            33x33         65x65          33x33, channels_last
        ======================  ============  =============  =====================
        this                    36, 57        328, 528       28, 46
        ``F.avg_pool2d``        953, 1162     4516, 5632     109, 247
        depthwise convolution   31, 229       367, 1049      31, 450
        ======================  ============  =============  =====================

        Products with banded matrices were as fast as this; their cost grows with the map's side, this one's does not.

    Args:
        x: (N, C, h, w), of any size.
        levels: How many averages; the last one's side is 3**levels.

    Returns:
        (N, C, h, w) each, in the memory format of ``x``.
    """
    if torch.is_grad_enabled() and x.requires_grad and not torch.jit.is_tracing():
        return _SharedAverages.apply(x, levels)
    return _averages(x, levels)


class _SharedAverages(torch.autograd.Function):
    """The averages with a gradient that keeps nothing; torch's own, which traced graphs have, is slower."""

    @staticmethod
    def forward(ctx, x: Tensor, levels: int) -> tuple[Tensor, ...]:
        """The averages of each level, (N, C, H, W) each, of x (N, C, H, W)."""
        ctx.margins = _margins(levels)
        return _averages(x, levels)

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads: Tensor) -> tuple[Tensor, None]:
        total, margins = grads[-1], ctx.margins
        for level in reversed(range(len(grads))):
            step = 3**level
            total = _nine(_enlarged(total, margins[level] + step - margins[level + 1]), step)
            if level:
                _inner(total, margins[level]).add_(grads[level - 1])
        return total, None


def _averages(x: Tensor, levels: int) -> tuple[Tensor, ...]:
    layout, outs, margins = _layout(x), [], _margins(levels)
    for level in range(levels):
        step = 3**level
        x = _nine(_enlarged(x, margins[level + 1] + step - margins[level]), step)
        outs.append(_inner(x, margins[level + 1]).contiguous(memory_format=layout))
    return tuple(outs)


def _margins(levels: int) -> list[int]:
    """How far the average of each level, the map itself being the first, is not 0 outside of the map and needed."""
    return [(3**level - 1) // 2 for level in range(levels)] + [0]


def _layout(x: Tensor) -> torch.memory_format:
    channels_last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if channels_last else torch.contiguous_format


def _enlarged(x: Tensor, margin: int) -> Tensor:
    return F.pad(x, (margin,) * 4) if margin else x


def _inner(x: Tensor, margin: int) -> Tensor:
    return x[..., margin:x.shape[-2] - margin, margin:x.shape[-1] - margin]


def _nine(x: Tensor, step: int) -> Tensor:
    """The average of 3x3 pixels ``step`` apart, (N, C, h, w) to (N, C, h - 2 * step, w - 2 * step)."""
    for dim in (-1, -2):
        size = x.shape[dim] - 2 * step
        x = x.narrow(dim, 0, size).add(x.narrow(dim, step, size)).add_(x.narrow(dim, 2 * step, size))
    return x.mul_(1 / 9)
