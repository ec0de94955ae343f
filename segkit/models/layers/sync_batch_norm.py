"""Batch normalisation over the batch of all processes, on any device."""
from typing import Optional

import mmcv.cnn  # noqa: F401  registers torch's SyncBatchNorm as 'SyncBN', which ours replaces
import torch
import torch.distributed as dist
from mmengine.registry import MODELS as MMENGINE_MODELS
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.modules._functions import SyncBatchNorm as TorchSyncFunction
from torch.nn.modules.batchnorm import _BatchNorm

from segkit.registry import MODELS


# Without a default scope mmcv's build_norm_layer looks in MMEngine's root alone.
@MMENGINE_MODELS.register_module(name='SyncBN', force=True)
@MODELS.register_module(name='SyncBN')
class SyncBatchNorm(_BatchNorm):
    """Batch norm whose mean and variance in training are those of all processes' batches together.

    In one process, and always in evaluation, it is plain batch norm and communicates nothing. On CUDA it uses
    torch's synchronised function. Elsewhere it gathers each process's count, mean and variance; the processes may
    hold different numbers of pixels.

    Reference: Peng et al., MegDet (2017), cross-GPU batch normalisation. It differs from ``torch.nn.SyncBatchNorm``
    in that it runs on CPU; it is no subclass, since DistributedDataParallel refuses that one there.

    Args:
        num_features: Channels C.
        eps: Added to the variance, above 0.
        momentum: Share of the new batch in the running statistics, 0 to 1; None is their plain average.
        affine: Whether it learns a scale and a shift per channel.
        track_running_stats: Whether it keeps running statistics for evaluation.

    Shape:
        (N, C, ...) -> the same.

    Raises:
        ValueError: In one process, if a channel has a single value to take the variance of.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f'expected at least 2 dimensions, got {input.dim()}')

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) -> the same."""
        if not (self.training and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(input)
        self._check_input_dim(input)
        mean, var, factor = None, None, 0.0
        if self.track_running_stats:
            mean, var = self.running_mean, self.running_var
            self.num_batches_tracked.add_(1)
            factor = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        if input.is_cuda:
            return TorchSyncFunction.apply(input, self.weight, self.bias, mean, var, self.eps, factor,
                                           dist.group.WORLD, dist.get_world_size())
        return _GatheredBatchNorm.apply(input, self.weight, self.bias, mean, var, self.eps, factor)


class _GatheredBatchNorm(torch.autograd.Function):
    """Batch norm over every process's batch; the gradient of a parameter is this process's share of it."""

    @staticmethod
    def forward(ctx, input: Tensor, weight: Optional[Tensor], bias: Optional[Tensor], running_mean: Optional[Tensor],
                running_var: Optional[Tensor], eps: float, factor: float) -> Tensor:
        """(N, C, ...) -> the same, in the input's dtype."""
        x = _precise(input)
        # Means and squared deviations are joined, not sums of squares: those lose all digits where the mean is large.
        local_var, local_mean = torch.var_mean(x, _all_but_channels(x), correction=0)
        local_count = local_mean.new_tensor([x.numel() // x.shape[1]], dtype=torch.float64)
        packed = torch.cat([local_count, local_mean.double(), local_var.double()])
        gathered = [torch.empty_like(packed) for _ in range(dist.get_world_size())]
        dist.all_gather(gathered, packed)
        counts, means, variances = torch.stack(gathered).split([1, x.shape[1], x.shape[1]], dim=1)
        count = counts.sum()
        mean = (counts * means).sum(0) / count
        deviation = (counts * (variances + (means - mean).square())).sum(0)
        if running_mean is not None:
            running_mean.lerp_(mean.to(running_mean.dtype), factor)
            running_var.lerp_((deviation / (count - 1)).to(running_var.dtype), factor)
        mean, scale = mean.to(x.dtype), (deviation / count + eps).rsqrt().to(x.dtype)
        ctx.save_for_backward(input, weight, mean, scale, count)
        out = (x - _row(mean, x)) * _row(scale, x)
        if weight is not None:
            out = torch.addcmul(_row(bias.to(x.dtype), x), out, _row(weight.to(x.dtype), x))
        return out.to(input.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple:
        input, weight, mean, scale, count = ctx.saved_tensors
        x, dy = _precise(input), _precise(grad)
        dims = _all_but_channels(x)
        normal = (x - _row(mean, x)) * _row(scale, x)
        sums = torch.stack([dy.sum(dims, dtype=torch.float64), (dy * normal).sum(dims, dtype=torch.float64)])
        grad_bias, grad_weight = sums.clone()
        dist.all_reduce(sums)
        mean_dy, mean_dy_normal = (sums / count).to(x.dtype)
        gain = scale if weight is None else scale * weight.to(x.dtype)
        dx = ((dy - _row(mean_dy, x) - normal * _row(mean_dy_normal, x)) * _row(gain, x)).to(input.dtype)
        if weight is None:
            return dx, None, None, None, None, None, None
        return dx, grad_weight.to(weight.dtype), grad_bias.to(weight.dtype), None, None, None, None


def _precise(x: Tensor) -> Tensor:
    """float32, or float64 where it is that already."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _all_but_channels(x: Tensor) -> list[int]:
    return [0, *range(2, x.dim())]


def _row(values: Tensor, like: Tensor) -> Tensor:
    """(C,) -> (1, C, 1, ...), to stand beside ``like``."""
    return values.view(1, -1, *[1] * (like.dim() - 2))
