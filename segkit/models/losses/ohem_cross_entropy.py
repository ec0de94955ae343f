"""Cross-entropy over the pixels that the network is least sure of."""
from typing import Optional

import torch
import torch.nn.functional as F
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
        With ``search_stride=8`` it is the loss of pytorch-segmentation-toolbox.

    Args:
        ignore_label: The label that is not counted; None takes the head's ``ignore_index``.
        thres: Pixels whose true class is less probable than this are kept, 0 to 1.
        min_kept: If so many pixels of the batch do not lie below ``thres``, it is raised to the probability of the
            ``min_kept`` + 1st least sure one.
        loss_weight: Factor of the result.
        class_weight: K factors, a file of them, 'median_freq' or 'inverse'; see :class:`BaseLoss`.
        loss_name: Key of the loss in the log.
        search_stride: Look for the raised threshold on the probabilities and labels of a map smaller by this factor,
            1 or more; see :func:`unsure_by_zoom`. None looks at every pixel.

    Shape:
        logits (N, K, h, w), labels (N, H, W) int64 -> scalar.

    Raises:
        ConfigError: If a value is out of range, or the scores have one channel.
    """

    def __init__(self, ignore_label: Optional[int] = None, thres: float = 0.7, min_kept: int = 100000,
                 loss_weight: float = 1.0, class_weight: ClassWeight = None, loss_name: str = 'loss_ohem',
                 search_stride: Optional[int] = None) -> None:
        super().__init__(loss_weight, loss_name, class_weight)
        if not 0 <= thres <= 1:
            raise ConfigError(f'OhemCrossEntropy.thres: expected a probability, 0 to 1, got {thres}.')
        self.ignore_label = ignore_label
        self.thres = thres
        if min_kept < 1:
            raise ConfigError(f'OhemCrossEntropy.min_kept: expected a number of pixels above 0, got {min_kept}.')
        self.min_kept = min_kept
        if search_stride is not None and (not isinstance(search_stride, int) or search_stride < 1):
            raise ConfigError('OhemCrossEntropy.search_stride: expected a whole number, 1 or more, or None; got '
                              f'{search_stride!r}.')
        self.search_stride = search_stride

    def extra_repr(self) -> str:
        return (f'thres={self.thres}, min_kept={self.min_kept}, search_stride={self.search_stride}, '
                f'loss_weight={self.loss_weight}')

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
        if self.search_stride is None:
            hard = ops.unsure_pixels(logits, labels, self.thres, self.min_kept, void, align_corners)
        else:
            hard = unsure_by_zoom(logits, labels, self.thres, self.min_kept, self.search_stride, void, align_corners)
        total = ops.upsampled_cross_entropy(logits, labels, self.weights_of_classes(), void, align_corners, hard)
        return self.loss_weight * total / hard.sum().clamp(min=1)


@torch.no_grad()
def unsure_by_zoom(logits: Tensor, labels: Tensor, thresh: float, min_kept: int, stride: int, ignore_index: int,
                   align_corners: bool) -> Tensor:
    """The valid pixels whose true class has at most the probability of a threshold, which a smaller map tells.

    The map has 1 / ``stride`` of the height and width, rounded; the corner pixels' centres coincide, probabilities are
    interpolated, labels taken from the nearest pixel. The threshold is ``thresh``, or the k-th smallest probability of
    a true class there where that is higher, k = ``min_kept`` // ``stride`` ** 2, or 1 where no more than k pixels there
    are valid.

    Args:
        logits: (N, K, h, w), not larger than the labels.
        labels: (N, H, W) int64.
        thresh: A probability.
        min_kept: About how many pixels there should be at least, over the batch.
        stride: How many times smaller the map is, 1 or more.
        ignore_index: The label that is not counted.
        align_corners: How the scores are resized to the labels' size.

    Returns:
        (N, H, W) bool.
    """
    size = [max(round(side / stride), 1) for side in labels.shape[-2:]]
    rows, columns = (_spread(side, small).to(labels.device) for side, small in zip(labels.shape[-2:], size))
    found, sampled = [], []
    for scores, label in ops.full_size_scores(logits, labels, align_corners):
        probabilities = scores.softmax(1)
        classes = label.where(label != ignore_index, torch.zeros_like(label))
        found.append(probabilities.gather(1, classes[:, None])[:, 0])
        label, classes = (full[:, rows[:, None], columns] for full in (label, classes))
        probabilities = F.interpolate(probabilities, size=size, mode='bilinear', align_corners=True)
        sampled.append(probabilities.gather(1, classes[:, None])[:, 0][label != ignore_index])
    probability, sample = torch.cat(found), torch.cat(sampled)
    rank, threshold = min_kept // stride**2, sample.new_tensor(thresh)
    if rank >= len(sample):
        threshold = torch.ones_like(threshold)
    elif rank > 0:
        threshold = threshold.maximum(ops.kth_smallest(sample, rank))
    return (labels != ignore_index) & (probability <= threshold)


def _spread(length: int, count: int) -> Tensor:
    """The pixels nearest to ``count`` points spread evenly from the first to the last of ``length``; halves go up."""
    step = (length - 1) / (count - 1) if count > 1 else 0.
    return (torch.arange(count, dtype=torch.float64) * step + 0.5).floor().long()
