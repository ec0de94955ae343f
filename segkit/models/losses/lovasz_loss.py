"""The Lovasz extension of the Jaccard index, a surrogate of the mean IoU itself."""
from collections.abc import Iterator, Sequence
from typing import Optional, Union

import torch
from torch import Tensor

from segkit import ops
from segkit.errors import ConfigError
from segkit.models.losses.base_loss import BaseLoss, ClassWeight
from segkit.registry import LOSSES


@LOSSES.register_module()
class LovaszLoss(BaseLoss):
    """Lovasz softmax over the classes, or Lovasz hinge of two classes with one channel.

    Reference:
        The Lovasz-Softmax loss (arXiv 1705.08790), algorithm 1, in MMSegmentation's form. Without ``per_image`` the
        errors of the whole batch are sorted together, in each process by itself, so n processes x B are not one
        process x nB. Different from it: what the sorting gives is kept as one weight for each probability instead of a
        graph (a third of the memory), its differences are taken in double precision, a batch or image without a
        valid pixel gives 0 (there NaN or an error), and the default ``reduction`` is accepted without ``per_image``.

    Args:
        loss_type: 'multi_class' (softmax) or 'binary' (hinge, scores of one channel).
        classes: 'present' averages over the classes that are in the labels, 'all' over all, a list over those in it.
            Only 'present' with 'binary'.
        per_image: Whether each image is taken by itself instead of the batch as a whole.
        reduction: With ``per_image``: 'mean' or 'sum' over the images; 'none' is the mean too, since MMEngine
            averages what a loss leaves open.
        class_weight: K factors, a file of them, 'median_freq' or 'inverse'; see :class:`BaseLoss`. The mean over
            classes is not divided by them. Only with 'multi_class'.
        loss_weight: Factor of the result.
        loss_name: Key of the loss in the log.

    Shape:
        logits (N, K, h, w), labels (N, H, W) int64 -> scalar.

    Raises:
        ConfigError: If a value cannot be used, or does not fit the channels.
    """

    def __init__(self, loss_type: str = 'multi_class', classes: Union[str, Sequence[int]] = 'present',
                 per_image: bool = False, reduction: str = 'mean', class_weight: ClassWeight = None,
                 loss_weight: float = 1.0, loss_name: str = 'loss_lovasz') -> None:
        super().__init__(loss_weight, loss_name, class_weight)
        if loss_type not in ('multi_class', 'binary'):
            raise ConfigError(f"LovaszLoss.loss_type must be 'multi_class' or 'binary', not {loss_type!r}.")
        if classes not in ('present', 'all') and (isinstance(classes, str) or not classes):
            raise ConfigError(f"LovaszLoss.classes must be 'present', 'all' or a list of classes, not {classes!r}.")
        if loss_type == 'binary' and (class_weight is not None or classes != 'present'):
            raise ConfigError("LovaszLoss: with loss_type='binary' nothing reads class_weight or classes; leave them "
                              'out.')
        if reduction == 'sum' and not per_image:
            raise ConfigError("LovaszLoss.reduction='sum' adds up images, and per_image=False gives one number; leave "
                              'it out, or set per_image=True.')
        self.binary = loss_type == 'binary'
        self.classes = classes
        self.per_image = per_image
        self.reduction = self.checked_reduction(reduction)

    def extra_repr(self) -> str:
        return f'binary={self.binary}, classes={self.classes}, per_image={self.per_image}, ' \
               f'loss_weight={self.loss_weight}'

    def check_channels(self, num_channels: int) -> None:
        """Refuse scores whose channels do not fit ``loss_type`` or ``classes``.

        Raises:
            ConfigError: If so.
        """
        if self.binary != (num_channels == 1):
            raise ConfigError(f"LovaszLoss.loss_type='{'binary' if self.binary else 'multi_class'}' cannot take scores "
                              f"of {num_channels} channel{'' if num_channels == 1 else 's'}: 'binary' takes one, "
                              "'multi_class' several.")
        wrong = [c for c in self._classes(num_channels) if not 0 <= c < num_channels]
        if wrong:
            raise ConfigError(f'LovaszLoss.classes: {wrong[0]} is not one of 0 to {num_channels - 1}.')

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
        valid = labels != ignore_index
        slopes, constant = self._slopes(logits, labels, valid, align_corners)
        total = ops.sum_over_images(self._hinge if self.binary else _weighted_shares, logits, labels, slopes,
                                    align_corners)
        count = len(logits) if self.per_image and self.reduction != 'sum' else 1
        return self.loss_weight * (total + constant) / count

    @torch.no_grad()
    def _slopes(self, logits: Tensor, labels: Tensor, valid: Tensor, align_corners: bool) -> tuple[Tensor, Tensor]:
        """The loss is piecewise linear in the errors: its slope for each probability or hinge, and what is constant.

        Returns:
            (N, K, H, W), 0 at void pixels, and a scalar.
        """
        images = ops.full_size_scores(logits, labels, align_corners)
        values = torch.cat([scores if self.binary else scores.softmax(1) for scores, _ in images])
        constant = values.new_zeros(())
        weights = self.weights_of_classes()
        for group in self._groups(len(logits)):
            at, truth, part = valid[group], labels[group][valid[group]], values[group]
            if self.binary:
                inside = truth == 1
                scores = part[:, 0][at]
                part.zero_()
                part[:, 0][at] = _jaccard_slopes(1 - torch.where(inside, scores, -scores), inside)
                continue
            counts = torch.bincount(truth, minlength=part.shape[1]).tolist()
            chosen = [c for c in self._classes(part.shape[1]) if self.classes != 'present' or counts[c]]
            if not len(truth):
                chosen = []
            for c in set(range(part.shape[1])) - set(chosen):
                part[:, c] = 0
            for c in chosen:
                inside, share = truth == c, part[:, c][at]
                slope = _jaccard_slopes(torch.where(inside, 1 - share, share), inside) / len(chosen)
                if weights is not None:
                    slope = slope * weights[c]
                constant += slope[inside].sum()
                part[:, c] = 0
                part[:, c][at] = slope.where(~inside, -slope)  # an error is p where the class is not, 1 - p where it is
        return values, constant

    def _groups(self, count: int) -> Iterator[slice]:
        """The images whose errors are sorted together."""
        yield from (slice(i, i + 1) for i in range(count)) if self.per_image else [slice(None)]

    def _classes(self, num_channels: int) -> list[int]:
        return list(range(num_channels)) if isinstance(self.classes, str) else list(self.classes)

    @staticmethod
    def _hinge(scores: Tensor, labels: Tensor, slopes: Optional[Tensor]) -> Tensor:
        return ((1 - scores * torch.where(labels == 1, 1.0, -1.0)[:, None]).relu() * slopes).sum()


def _weighted_shares(scores: Tensor, labels: Tensor, slopes: Optional[Tensor]) -> Tensor:
    return (scores.softmax(1) * slopes).sum()


def _jaccard_slopes(errors: Tensor, inside: Tensor) -> Tensor:
    """The slope of the Lovasz extension for each error (algorithm 1 of the paper).

    Args:
        errors: (P,), all valid pixels.
        inside: (P,) bool, whether the pixel belongs to the class.
    """
    order = errors.argsort(descending=True)
    found = inside[order].cumsum(0)  # of integers: exact, and in a fixed order on CUDA
    total = found[-1:]
    steps = torch.arange(1, len(errors) + 1, device=errors.device)
    jaccard = 1 - (total - found).double() / (total + steps - found)
    slopes = jaccard.diff(prepend=jaccard.new_zeros(1))
    return torch.empty_like(errors).scatter_(0, order, slopes.to(errors))
