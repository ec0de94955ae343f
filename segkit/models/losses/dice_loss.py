"""Overlap of prediction and label, over all classes of an image together."""
from typing import Optional

import torch
from torch import Tensor

from segkit import ops
from segkit.errors import ConfigError
from segkit.models.losses.base_loss import BaseLoss
from segkit.registry import LOSSES


@LOSSES.register_module()
class DiceLoss(BaseLoss):
    """1 - Dice coefficient of each image, its classes taken together.

    Reference:
        V-Net (arXiv 1606.04797), section 3, in MMSegmentation's form: one coefficient for all classes of an image, not
        one for each. Different from it, and equal where there are no void pixels and several channels: the
        probabilities of void pixels count in no sum (there they count as wrong, whatever they are), an image without
        a valid pixel gives 0, and the single channel of a two-class head is class 1 (there class 0, so that such a
        head learns the opposite).

    Args:
        use_sigmoid: Probabilities by a sigmoid of each channel, else by a softmax.
        activate: Whether the scores are turned into probabilities at all.
        reduction: 'mean' or 'sum' over the images; 'none' is the mean too, since MMEngine averages what a loss
            leaves open.
        naive_dice: Sums in the denominator instead of sums of squares.
        loss_weight: Factor of the result.
        ignore_index: A class whose channel is left out, such as a background; 255 for none. Void pixels are the
            head's ``ignore_index``.
        eps: Keeps the denominator above 0; with ``naive_dice`` it is added to the numerator too.
        loss_name: Key of the loss in the log.

    Shape:
        logits (N, K, h, w), labels (N, H, W) int64 -> scalar.

    Raises:
        ConfigError: If a value cannot be used.
    """

    def __init__(self, use_sigmoid: bool = True, activate: bool = True, reduction: str = 'mean',
                 naive_dice: bool = False, loss_weight: float = 1.0, ignore_index: Optional[int] = 255,
                 eps: float = 1e-3, loss_name: str = 'loss_dice') -> None:
        super().__init__(loss_weight, loss_name)
        if not eps > 0:
            raise ConfigError(f'DiceLoss.eps: expected a number above 0, got {eps}.')
        self.use_sigmoid = use_sigmoid or not activate  # asked by heads whose single channel cannot be a softmax
        self.activate = activate
        self.reduction = self.checked_reduction(reduction)
        self.naive_dice = naive_dice
        self.ignore_index = ignore_index
        self.eps = eps

    def extra_repr(self) -> str:
        return f'use_sigmoid={self.use_sigmoid}, naive_dice={self.naive_dice}, loss_weight={self.loss_weight}'

    def check_channels(self, num_channels: int) -> None:
        """Refuse to leave out the only channel, or one that is not there.

        Raises:
            ConfigError: If so.
        """
        if num_channels == 1 and self.ignore_index in (0, 1):
            raise ConfigError(f'DiceLoss.ignore_index={self.ignore_index} leaves nothing of out_channels=1.')
        if self.ignore_index not in (None, 255) and not 0 <= self.ignore_index < max(num_channels, 2):
            raise ConfigError(f'DiceLoss.ignore_index={self.ignore_index} names a class to leave out, and there are '
                              f'{num_channels}: expected 0 to {num_channels - 1}, or 255 for none.\nThe label of void '
                              "pixels is the head's ignore_index.")

    def forward(self, logits: Tensor, labels: Tensor, ignore_index: int = 255, align_corners: bool = False) -> Tensor:
        """Compute the loss.

        Args:
            logits: (N, K, h, w), not larger than the labels.
            labels: (N, H, W) int64.
            ignore_index: The label that is not counted.
            align_corners: How the scores are resized.

        Returns:
            A scalar.
        """
        def one_image(scores: Tensor, label: Tensor, _: None) -> Tensor:
            return self._loss(scores, label, label != ignore_index)

        total = ops.sum_over_images(one_image, logits, labels, align_corners=align_corners)
        return self.loss_weight * (total if self.reduction == 'sum' else total / len(logits))

    def _loss(self, scores: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        """1 - Dice of one image (1, K, H, W) with its labels (1, H, W)."""
        shares = scores
        if self.activate:
            shares = scores.sigmoid() if self.use_sigmoid else scores.softmax(1)
        shares = shares * valid[:, None]
        if shares.shape[1] == 1:
            inside = valid & (labels == 1)
            hits = (shares[:, 0] * inside).sum()
        else:
            inside = valid
            if self.ignore_index is not None and 0 <= self.ignore_index < shares.shape[1]:
                inside = valid & (labels != self.ignore_index)
                shares = shares * (torch.arange(shares.shape[1], device=shares.device)
                                   != self.ignore_index)[:, None, None]
            hits = (shares.gather(1, labels.where(inside, torch.zeros_like(labels))[:, None])[:, 0] * inside).sum()
        if self.naive_dice:
            return 1 - (2 * hits + self.eps) / (shares.sum() + inside.sum() + self.eps)
        return (1 - 2 * hits / (shares.square().sum() + inside.sum() + 2 * self.eps)) * valid.any()
