"""Cross-entropy over the pixels that the network is least sure of."""
from typing import Optional

from torch import Tensor

from segkit import ops
from segkit.errors import ConfigError
from segkit.models.losses.base_loss import BaseLoss, ClassWeight
from segkit.registry import LOSSES


@LOSSES.register_module()
class OhemCrossEntropy(BaseLoss):
    """The mean cross-entropy of the pixels whose true class has a low probability (online hard example mining).

    Reference:
        MMSegmentation's loss of this name, which follows PIDNet (arXiv 2206.02066). The hard pixels are chosen from
        the batch of each process by itself, so n processes x B are not one process x nB. Different from it: without
        a valid or hard pixel the loss is 0 with gradients of 0, there it is NaN or has none; and it works in any
        head, there only in heads that hand no ``ignore_index`` on. The mean is not divided by the weights of classes.

    Args:
        ignore_label: The label that is not counted; None takes the head's ``ignore_index``.
        thres: Pixels whose true class is less probable than this are kept, 0 to 1.
        min_kept: If so many pixels of the batch do not lie below ``thres``, it is raised to the probability of the
            ``min_kept`` + 1st least sure one.
        loss_weight: Factor of the result.
        class_weight: K factors, a file of them, 'median_freq' or 'inverse'; see :class:`BaseLoss`.
        loss_name: Key of the loss in the log.

    Shape:
        logits (N, K, h, w), labels (N, H, W) int64 -> scalar.

    Raises:
        ConfigError: If a value is out of range, or the scores have one channel.
    """

    def __init__(self, ignore_label: Optional[int] = None, thres: float = 0.7, min_kept: int = 100000,
                 loss_weight: float = 1.0, class_weight: ClassWeight = None, loss_name: str = 'loss_ohem') -> None:
        super().__init__(loss_weight, loss_name, class_weight)
        if not 0 <= thres <= 1:
            raise ConfigError(f'OhemCrossEntropy.thres: expected a probability, 0 to 1, got {thres}.')
        self.ignore_label = ignore_label
        self.thres = thres
        if min_kept < 1:
            raise ConfigError(f'OhemCrossEntropy.min_kept: expected a number of pixels above 0, got {min_kept}.')
        self.min_kept = min_kept

    def extra_repr(self) -> str:
        return f'thres={self.thres}, min_kept={self.min_kept}, loss_weight={self.loss_weight}'

    def check_channels(self, num_channels: int) -> None:
        """Refuse scores of one channel.

        Raises:
            ConfigError: If there is one.
        """
        if num_channels == 1:
            raise ConfigError('OhemCrossEntropy: a softmax over out_channels=1 is always 1.\nUse two channels, '
                              "or CrossEntropyLoss(use_sigmoid=True) with sampler=dict(type='OHEMPixelSampler').")

    def forward(self, logits: Tensor, labels: Tensor, ignore_index: int = 255, align_corners: bool = False) -> Tensor:
        """Compute the loss.

        Args:
            logits: (N, K, h, w), not larger than the labels.
            labels: (N, H, W) int64.
            ignore_index: The label that is not counted, where ``ignore_label`` is None.
            align_corners: How the scores are resized.

        Returns:
            A scalar.
        """
        void = ignore_index if self.ignore_label is None else self.ignore_label
        hard = ops.unsure_pixels(logits, labels, self.thres, self.min_kept, void, align_corners)
        total = ops.upsampled_cross_entropy(logits, labels, self.weights_of_classes(), void, align_corners, hard)
        return self.loss_weight * total / hard.sum().clamp(min=1)
