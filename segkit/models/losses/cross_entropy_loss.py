"""Cross-entropy, softmax or sigmoid."""
from pathlib import Path
from typing import Optional, Sequence, Union

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from segkit import ops
from segkit.errors import ConfigError
from segkit.registry import LOSSES


@LOSSES.register_module()
class CrossEntropyLoss(nn.Module):
    """Cross-entropy between scores, resized to the labels' size, and labels.

    Reference:
        The means are MMSegmentation's. With ``avg_non_ignore=False`` the sum is divided by the number of all
        pixels, void ones too. With ``avg_non_ignore=True`` it is divided by the number of valid pixels, as in
        DeepLab, and here (not there) that number is the mean over the processes, so that the gradients
        averaged over processes are those of the global mean. With ``class_weight`` the divisor is the sum of
        the weights of the valid pixels in both cases. A batch without a valid pixel gives 0.

    Args:
        use_sigmoid: One binary cross-entropy a channel instead of the softmax. For a head with
            ``out_channels=1`` the labels are 0 and 1; with K channels they are turned into K binary maps.
        use_mask: Only False; the loss over instance masks is not part of semantic segmentation.
        reduction: 'mean' or 'sum'.
        class_weight: K positive factors, or the path of a .npy, .json or .yaml file that holds them. With
            ``use_sigmoid`` they multiply the positive pixels only.
        loss_weight: Factor of the result.
        loss_name: Key of the loss in the log; only names that contain 'loss' are part of the total.
        avg_non_ignore: Whether the mean is taken over the valid pixels.

    Shape:
        logits (N, K, h, w), labels (N, H, W) int64 -> scalar.

    Raises:
        ConfigError: If a value is not one of those above.
    """

    def __init__(self, use_sigmoid: bool = False, use_mask: bool = False, reduction: str = 'mean',
                 class_weight: Union[None, str, Sequence[float]] = None, loss_weight: float = 1.0,
                 loss_name: str = 'loss_ce', avg_non_ignore: bool = False) -> None:
        super().__init__()
        if use_mask:
            raise ConfigError('CrossEntropyLoss.use_mask=True is a loss over instance masks, which segkit does not '
                              'train; leave it out.')
        if reduction not in ('mean', 'sum'):
            raise ConfigError(f"CrossEntropyLoss.reduction must be 'mean' or 'sum', not {reduction!r}.")
        self.use_sigmoid = use_sigmoid
        self.reduction = reduction
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        self.avg_non_ignore = avg_non_ignore
        self.register_buffer('class_weight', _class_weight(class_weight), persistent=False)

    def extra_repr(self) -> str:
        return (f'use_sigmoid={self.use_sigmoid}, loss_weight={self.loss_weight}, '
                f'avg_non_ignore={self.avg_non_ignore}')

    def forward(self, logits: Tensor, labels: Tensor, ignore_index: int = 255,
                align_corners: bool = False) -> Tensor:
        """Compute the loss.

        Args:
            logits: (N, K, h, w), not larger than the labels.
            labels: (N, H, W) int64.
            ignore_index: The label that is not counted.
            align_corners: How the scores are resized.

        Returns:
            A scalar.
        """
        valid = labels != ignore_index
        if self.use_sigmoid:
            total = self._binary_sum(logits, labels, valid, align_corners)
        else:
            total = ops.upsampled_cross_entropy(logits, labels, self.class_weight, ignore_index, align_corners)
        if self.reduction == 'mean':
            total = total / self._divisor(logits, labels, valid)
        return self.loss_weight * total

    def _binary_sum(self, logits: Tensor, labels: Tensor, valid: Tensor, align_corners: bool) -> Tensor:
        num_channels = logits.shape[1]
        scores = ops.resize_logits(logits, labels.shape[-2:], align_corners)
        classes = labels.where(valid, torch.zeros_like(labels))
        if num_channels == 1:
            targets = classes[:, None]
        else:
            targets = F.one_hot(classes, num_channels).permute(0, 3, 1, 2)
        factor = None if self.class_weight is None else self.class_weight.to(scores)[:, None, None]
        return F.binary_cross_entropy_with_logits(
            scores, targets.to(scores), weight=valid[:, None].to(scores), pos_weight=factor, reduction='sum')

    def _divisor(self, logits: Tensor, labels: Tensor, valid: Tensor) -> Union[int, Tensor]:
        channels = logits.shape[1] if self.use_sigmoid else 1
        if self.class_weight is not None and not self.use_sigmoid:
            weights = self.class_weight[labels.where(valid, torch.zeros_like(labels))]
            count = (weights * valid).sum()
        elif self.avg_non_ignore:
            count = valid.sum().float() * channels
        else:
            return labels.numel() * channels
        # In validation the processes need not be in step, so nothing may be exchanged there.
        if self.avg_non_ignore and torch.is_grad_enabled():
            count = ops.mean_over_ranks(count)
        return count.clamp(min=torch.finfo(torch.float32).eps)


def _class_weight(value: Union[None, str, Sequence[float]]) -> Optional[Tensor]:
    if value is None:
        return None
    if isinstance(value, str):
        if not value.endswith(('.npy', '.json', '.yaml', '.yml')):
            raise ConfigError(f'CrossEntropyLoss.class_weight: {value} must be a .npy, .json or .yaml file with one '
                              'number a class.')
        try:
            # JSON is YAML too; neither safe_load nor numpy runs code that a file may contain, MMEngine's load does
            value = np.load(value).tolist() if value.endswith('.npy') else yaml.safe_load(Path(value).read_text())
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise ConfigError(f'CrossEntropyLoss.class_weight: cannot read {value}: {error}') from None
    return torch.tensor([float(w) for w in value])
