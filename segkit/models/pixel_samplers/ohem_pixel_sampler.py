"""The hard pixels of a batch (online hard example mining)."""
from collections.abc import Sequence
from typing import Optional

import torch
from torch import Tensor, nn

from segkit import ops
from segkit.errors import ConfigError
from segkit.registry import TASK_UTILS


@TASK_UTILS.register_module()
class OHEMPixelSampler:
    """Gives weight 1 to the pixels that are hard for a head, and 0 to the others.

    Reference:
        MMSegmentation's sampler of this name: a head's ``sampler``. The losses are then averaged as they are without
        it, by default over all pixels, easy and void ones too. The pixels are chosen in each process by itself, so n
        processes x B are not one process x nB. Different from it: full-size scores exist for one image at a time, the
        pixels are found without sorting, of equal losses the first pixels are taken (there any), and with
        ``out_channels=1`` the probability is the sigmoid's.

    Args:
        thresh: Pixels whose true class is less probable than this are hard, 0 to 1; where there are no more than
            ``min_kept`` x N of these, it is raised to the probability of the least sure pixel behind so many. None:
            the ``min_kept`` x N pixels of the highest loss (of several losses, the highest sum).
        min_kept: Pixels for each image, of which a batch has N.

    Shape:
        logits (N, K, h, w), labels (N, H, W) int64 -> (N, H, W) float, 0 or 1.

    Raises:
        ConfigError: If a value is out of range.
    """

    def __init__(self, thresh: Optional[float] = None, min_kept: int = 100000) -> None:
        if thresh is not None and not 0 <= thresh <= 1:
            raise ConfigError(f'OHEMPixelSampler.thresh: expected a probability, 0 to 1, got {thresh}.')
        if min_kept < 1:
            raise ConfigError(f'OHEMPixelSampler.min_kept: expected a number of pixels above 0, got {min_kept}.')
        self.thresh = thresh
        self.min_kept = min_kept

    def __repr__(self) -> str:
        return f'OHEMPixelSampler(thresh={self.thresh}, min_kept={self.min_kept})'

    @property
    def reads_losses(self) -> bool:
        """Whether the losses need ``pixel_losses``."""
        return self.thresh is None

    @torch.no_grad()
    def sample(self, logits: Tensor, labels: Tensor, losses: Sequence[nn.Module], ignore_index: int = 255,
               align_corners: bool = False) -> Tensor:
        """Choose the pixels.

        Args:
            logits: (N, K, h, w), not larger than the labels.
            labels: (N, H, W) int64.
            losses: The head's; asked only without ``thresh``.
            ignore_index: The label that is never chosen.
            align_corners: How the scores are resized.

        Returns:
            (N, H, W) float32, 0 or 1.
        """
        kept = self.min_kept * len(logits)
        if self.thresh is not None:
            return ops.unsure_pixels(logits, labels, self.thresh, kept, ignore_index, align_corners).float()
        found = []
        for scores, label in zip(logits.split(1), labels.split(1)):
            found.append(sum(loss.pixel_losses(scores, label, ignore_index, align_corners) for loss in losses))
        return ops.largest_pixels(torch.cat(found), labels, kept, ignore_index).float()
