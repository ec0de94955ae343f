"""Blocks that are computed again in the backward pass instead of keeping their activations."""
from contextlib import contextmanager, nullcontext
from typing import Callable, Iterator

import torch
import torch.utils.checkpoint
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def recomputed(block: nn.Module, compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Run a part of a network and keep its input alone; the backward pass runs it again. Changes no number.

    Args:
        block: Holds the batch norms that ``compute`` runs.
        compute: From (N, C, H, W) to a tensor.
        x: (N, C, H, W).
    """
    if not torch.is_grad_enabled():
        return compute(x)
    if torch.compiler.is_compiling():
        return torch.utils.checkpoint.checkpoint(compute, x, use_reentrant=False)
    return torch.utils.checkpoint.checkpoint(
        compute, x, use_reentrant=False, context_fn=lambda: (nullcontext(), _statistics_untouched(block)))


@contextmanager
def _statistics_untouched(block: nn.Module) -> Iterator[None]:
    # The second computation sees the same batch again: it must not enter the running statistics twice. They are
    # left in place, because the backward pass compares what both computations kept.
    norms = [m for m in block.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    before = [(norm, norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, count in before:
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(count)
