"""Cross-entropy, softmax or sigmoid."""
from typing import Optional, Union

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit import ops
from segkit.errors import ConfigError
from segkit.models.losses.base_loss import BaseLoss, ClassWeight
from segkit.registry import LOSSES


@LOSSES.register_module()
class CrossEntropyLoss(BaseLoss):
    """Cross-entropy between scores, resized to the labels' size, and labels.

    Reference:
        The means are MMSegmentation's. With ``avg_non_ignore=False`` the sum is divided by the number of all
        pixels, void ones too. With ``avg_non_ignore=True`` it is divided by the number of valid pixels, as in
        DeepLab, and here (not there) that number is the mean over the processes, so that the gradients
        averaged over processes are those of the global mean. With ``class_weight`` the divisor is the sum of
        the weights of the valid pixels in both cases. A batch without a valid pixel gives 0. The weights of a
        sampler multiply the pixels' losses and leave the divisor as it is.

    Args:
        use_sigmoid: One binary cross-entropy a channel instead of the softmax. For a head with
            ``out_channels=1`` the labels are 0 and 1; with K channels they are turned into K binary maps.
        use_mask: Only False; the loss over instance masks is not part of semantic segmentation.
        reduction: 'mean' or 'sum'; 'none' is the mean too, since MMEngine averages what a loss leaves open.
        class_weight: K factors, a file of them, 'median_freq' or 'inverse'; see :class:`BaseLoss`. With
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
                 class_weight: ClassWeight = None, loss_weight: float = 1.0, loss_name: str = 'loss_ce',
                 avg_non_ignore: bool = False) -> None:
        super().__init__(loss_weight, loss_name, class_weight)
        if use_mask:
            raise ConfigError('CrossEntropyLoss.use_mask=True is a loss over instance masks, which segkit does not '
                              'train; leave it out.')
        self.use_sigmoid = use_sigmoid
        self.reduction = self.checked_reduction(reduction)
        self.avg_non_ignore = avg_non_ignore

    def extra_repr(self) -> str:
        return (f'use_sigmoid={self.use_sigmoid}, loss_weight={self.loss_weight}, '
                f'avg_non_ignore={self.avg_non_ignore}')

    def forward(self, logits: Tensor, labels: Tensor, ignore_index: int = 255, align_corners: bool = False,
                weight: Optional[Tensor] = None) -> Tensor:
        """Compute the loss.

        Args:
            logits: (N, K, h, w), not larger than the labels.
            labels: (N, H, W) int64.
            ignore_index: The label that is not counted.
            align_corners: How the scores are resized.
            weight: (N, H, W) factor of each pixel, or None.

        Returns:
            A scalar.
        """
        weights, valid = self.weights_of_classes(), labels != ignore_index
        if self.use_sigmoid:
            def binary(scores: Tensor, label: Tensor, factor: Optional[Tensor]) -> Tensor:
                losses = self._binary(scores, label, ignore_index)
                return losses.sum() if factor is None else (losses * factor[:, None]).sum()
            total = ops.sum_over_images(binary, logits, labels, weight, align_corners)
        else:
            total = ops.upsampled_cross_entropy(logits, labels, weights, ignore_index, align_corners, weight)
        if self.reduction != 'sum':
            total = total / self._divisor(logits, labels, valid)
        return self.loss_weight * total

    @torch.no_grad()
    def pixel_losses(self, logits: Tensor, labels: Tensor, ignore_index: int = 255,
                     align_corners: bool = False) -> Tensor:
        """The loss of each pixel before the mean, (N, H, W), without gradients; of a sigmoid's channels the sum."""
        weights, found = self.weights_of_classes(), []
        for scores, label in ops.full_size_scores(logits, labels, align_corners):
            if self.use_sigmoid:
                found.append(self._binary(scores, label, ignore_index).sum(1))
            else:
                found.append(F.cross_entropy(scores, label, None if weights is None else weights.to(scores),
                                             ignore_index=ignore_index, reduction='none'))
        return self.loss_weight * torch.cat(found)

    def _binary(self, scores: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        """The loss of each channel of each pixel, (N, K, H, W); 0 where the label is void."""
        weights, num_channels = self.weights_of_classes(), scores.shape[1]
        valid = labels != ignore_index
        classes = labels.where(valid, torch.zeros_like(labels))
        if num_channels == 1:
            targets = classes[:, None]
        else:
            targets = F.one_hot(classes, num_channels).permute(0, 3, 1, 2)
        factor = None if weights is None else weights.to(scores)[:, None, None]
        return F.binary_cross_entropy_with_logits(
            scores, targets.to(scores), weight=valid[:, None].to(scores), pos_weight=factor, reduction='none')

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
