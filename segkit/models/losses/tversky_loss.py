"""Overlap of prediction and label, class by class, with a weight for each kind of error."""
import math
from typing import Optional

import torch
from torch import Tensor

from segkit import ops
from segkit.errors import ConfigError
from segkit.models.losses.base_loss import BaseLoss, ClassWeight
from segkit.registry import LOSSES


@LOSSES.register_module()
class TverskyLoss(BaseLoss):
    """The mean over images and classes of 1 - Tversky index.

    Reference:
        Tversky loss function for image segmentation (arXiv 1706.05721), in MMSegmentation's form: softmax
        probabilities, ``smooth`` in numerator and denominator, each class of each image by itself, absent ones too.
        Different from it: void is the head's ``ignore_index``, where the loss states none (there always 255).

    Args:
        smooth: Added to numerator and denominator, 0 or more.
        class_weight: K factors, a file of them, 'median_freq' or 'inverse'; see :class:`BaseLoss`. The mean is not
            divided by them.
        loss_weight: Factor of the result.
        ignore_index: The label that is not counted; None takes the head's. A class of that number has no term of its
            own, and the mean is over all K all the same.
        alpha: Weight of false positives, 0 to 1.
        beta: Weight of false negatives; 1 - ``alpha``.
        loss_name: Key of the loss in the log.

    Shape:
        logits (N, K, h, w), labels (N, H, W) int64 -> scalar.

    Raises:
        ConfigError: If ``alpha`` and ``beta`` are not shares that add up to 1, ``smooth`` is below 0, or the scores
            have one channel.
    """

    def __init__(self, smooth: float = 1, class_weight: ClassWeight = None, loss_weight: float = 1.0,
                 ignore_index: Optional[int] = None, alpha: float = 0.3, beta: float = 0.7,
                 loss_name: str = 'loss_tversky') -> None:
        super().__init__(loss_weight, loss_name, class_weight)
        if min(alpha, beta) < 0:
            raise ConfigError(f'TverskyLoss: alpha and beta must be 0 to 1; got {alpha} and {beta}.')
        if not math.isclose(alpha + beta, 1):
            raise ConfigError(f'TverskyLoss: alpha + beta must be 1; got {alpha} + {beta} = {alpha + beta:.6g}.')
        if smooth < 0:
            raise ConfigError(f'TverskyLoss.smooth: expected 0 or more, got {smooth}.')
        self.smooth = smooth
        self.ignore_index = ignore_index
        self.alpha = alpha
        self.beta = beta

    def extra_repr(self) -> str:
        return f'alpha={self.alpha}, beta={self.beta}, smooth={self.smooth}, loss_weight={self.loss_weight}'

    def check_channels(self, num_channels: int) -> None:
        """Refuse scores of one channel.

        Raises:
            ConfigError: If there is one.
        """
        if num_channels == 1:
            raise ConfigError('TverskyLoss is over a softmax, which is always 1 over out_channels=1.\nUse '
                              'out_channels=2, or DiceLoss, which has a sigmoid.')

    def forward(self, logits: Tensor, labels: Tensor, ignore_index: int = 255, align_corners: bool = False) -> Tensor:
        """Compute the loss.

        Args:
            logits: (N, K, h, w), not larger than the labels.
            labels: (N, H, W) int64.
            ignore_index: The label that is not counted, where the loss states none itself.
            align_corners: How the scores are resized.

        Returns:
            A scalar.
        """
        void = ignore_index if self.ignore_index is None else self.ignore_index
        factors = torch.ones(logits.shape[1], device=logits.device)
        if self.weights_of_classes() is not None:
            factors = self.weights_of_classes().clone()
        if 0 <= void < len(factors):
            factors[void] = 0

        def one_image(scores: Tensor, label: Tensor, _: None) -> Tensor:
            return (self._losses(scores, label, label != void) * factors).mean()

        total = ops.sum_over_images(one_image, logits, labels, align_corners=align_corners)
        return self.loss_weight * total / len(logits)

    def _losses(self, scores: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        """1 - Tversky index of each class of one image, (K,)."""
        shares, num_classes = scores.softmax(1), scores.shape[1]
        classes = labels.where(valid, torch.zeros_like(labels))
        of_truth = (shares.gather(1, classes[:, None])[:, 0] * valid).flatten()
        # Added up one by one, in double: a quarter of a million single ones would lose four digits.
        none = shares.new_zeros(num_classes, dtype=torch.float64)
        hits = none.index_add(0, classes.flatten(), of_truth.double())
        there = none.index_add(0, classes.flatten(), valid.flatten().double())
        predicted = (shares * valid[:, None]).sum(dim=(0, 2, 3))
        top = hits + self.smooth
        bottom = top + self.alpha * (predicted - hits) + self.beta * (there - hits)
        defined = bottom > 0  # without smoothing an absent class that nothing predicts is 0 / 0
        return torch.where(defined, 1 - top / bottom.where(defined, torch.ones_like(bottom)), 0.0).to(shares)
