"""Binary cross-entropy of each class, with less weight on what is easy."""
from collections.abc import Sequence
from typing import Optional, Union

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit import ops
from segkit.errors import ConfigError
from segkit.models.losses.base_loss import BaseLoss, ClassWeight
from segkit.registry import LOSSES


@LOSSES.register_module()
class FocalLoss(BaseLoss):
    """The sum or mean over pixels and channels of alpha_t (1 - p_t)^gamma times the binary cross-entropy.

    Reference:
        Focal loss (arXiv 1708.02002), section 3, equation 5, with a sigmoid for each channel, as MMSegmentation
        computes it on CUDA; on a CPU it stops there with an error for label maps. The mean is over all pixels and
        channels, void ones too. Different from it: a sampler's weights are taken.

    Args:
        use_sigmoid: Only True; there is no softmax form.
        gamma: How much less easy pixels count, 0 or more.
        alpha: Weight of a channel's positive pixels, 0 to 1; its other pixels have 1 - alpha. A list has one for each
            channel.
        reduction: 'mean' or 'sum'; 'none' is the mean too, since MMEngine averages what a loss leaves open.
        class_weight: K factors of the channels, a file of them, 'median_freq' or 'inverse'; see :class:`BaseLoss`.
            The mean is not divided by them.
        loss_weight: Factor of the result.
        loss_name: Key of the loss in the log.

    Shape:
        logits (N, K, h, w), labels (N, H, W) int64 -> scalar.

    Raises:
        ConfigError: If a value cannot be used, or the lists do not fit the channels.
    """

    def __init__(self, use_sigmoid: bool = True, gamma: float = 2.0, alpha: Union[float, Sequence[float]] = 0.5,
                 reduction: str = 'mean', class_weight: ClassWeight = None, loss_weight: float = 1.0,
                 loss_name: str = 'loss_focal') -> None:
        super().__init__(loss_weight, loss_name, class_weight)
        if not use_sigmoid:
            raise ConfigError('FocalLoss.use_sigmoid=False: the focal loss is defined for a sigmoid; leave it out.')
        if gamma < 0:
            raise ConfigError(f'FocalLoss.gamma: expected 0 or more, got {gamma}.')
        values = alpha if isinstance(alpha, (list, tuple)) else [alpha]
        if not all(0 <= value <= 1 for value in values):
            raise ConfigError(f'FocalLoss.alpha: expected shares, 0 to 1, got {alpha}.')
        self.use_sigmoid = True
        self.gamma = gamma
        self.reduction = self.checked_reduction(reduction)
        self.register_buffer('alpha', torch.tensor(values, dtype=torch.float32), persistent=False)

    def extra_repr(self) -> str:
        return f'gamma={self.gamma}, loss_weight={self.loss_weight}'

    def check_channels(self, num_channels: int) -> None:
        """Refuse a list of ``alpha`` that is not one for each channel.

        Raises:
            ConfigError: If it is not.
        """
        if len(self.alpha) not in (1, num_channels):
            raise ConfigError(f'FocalLoss.alpha has {len(self.alpha)} values; expected one, or one for each of the '
                              f'{num_channels} channels of the scores.')

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
        def one_image(scores: Tensor, label: Tensor, factor: Optional[Tensor]) -> Tensor:
            losses = self._pixel_losses(scores, label, ignore_index)
            return losses.sum() if factor is None else (losses * factor).sum()

        total = ops.sum_over_images(one_image, logits, labels, weight, align_corners)
        return self.loss_weight * (total if self.reduction == 'sum' else total / (labels.numel() * logits.shape[1]))

    @torch.no_grad()
    def pixel_losses(self, logits: Tensor, labels: Tensor, ignore_index: int = 255,
                     align_corners: bool = False) -> Tensor:
        """The loss of each pixel, its channels added, before the mean: (N, H, W), without gradients."""
        return self.loss_weight * torch.cat([
            self._pixel_losses(scores, label, ignore_index)
            for scores, label in ops.full_size_scores(logits, labels, align_corners)])

    def _pixel_losses(self, scores: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        """(1, H, W) of one image's scores (1, K, H, W)."""
        valid, factors = labels != ignore_index, self.weights_of_classes()
        if scores.shape[1] == 1:
            truth = (labels == 1)[:, None]
        else:
            classes = labels.where(valid, torch.zeros_like(labels))[:, None]
            truth = torch.zeros_like(scores, dtype=torch.bool).scatter(1, classes, True)
        alpha = self.alpha.to(scores)[:, None, None]
        against = scores.where(~truth, -scores)  # the score of the wrong answer
        losses = torch.where(truth, alpha, 1 - alpha) * against.sigmoid().pow(self.gamma) * F.softplus(against)
        if factors is not None:
            losses = losses * factors.to(scores)[:, None, None]
        return losses.sum(1) * valid
