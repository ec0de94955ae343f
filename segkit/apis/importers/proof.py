"""A fixed image through the source's own network and through ours."""
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit import ops
from segkit.apis.importers.plan import Outputs

SIZE = (128, 192)  # multiples of 8, which segmentation_models_pytorch demands
LARGEST = 1e-4  # of the range of the source's scores; other kernels and another order of sums stay far below


@dataclass(frozen=True)
class Difference:
    """How far ours is from the source's, for one head or the backbone alone.

    Attributes:
        part: 'decode_head', 'auxiliary_head' or 'backbone'.
        largest: The largest absolute difference.
        range: Largest minus smallest value of the source's.
        agreement: Share of the pixels (0 to 1) whose largest channel is the same; for one channel, whose sign is.
    """

    part: str
    largest: float
    range: float
    agreement: float

    @property
    def relative(self) -> float:
        return self.largest / self.range if self.range else float('inf')

    def text(self) -> str:
        what = 'values' if self.part == 'backbone' else 'scores'
        return (f'{self.part}: largest difference of its {what} {self.largest:.3g}, {self.relative:.2g} of their '
                f'range; argmax equal in {self.agreement:.4%} of the pixels')


def fixed_image(height: int = SIZE[0], width: int = SIZE[1]) -> Tensor:
    """An image as a network sees it, (1, 3, height, width): large soft shapes, smaller ones, and noise."""
    draw = torch.Generator().manual_seed(0)
    image = torch.zeros(1, 3, height, width)
    for cells, weight in ((4, 1.0), (16, 0.6), (height, 0.2)):
        noise = torch.randn(1, 3, cells, cells * width // height, generator=draw)
        image += weight * F.interpolate(noise, (height, width), mode='bilinear', align_corners=False)
    return image


@torch.no_grad()
def differences(model: nn.Module, reference: Callable[[Tensor], Outputs], image: Tensor) -> list[Difference]:
    """Compare each head's scores at the image's size, or the last map of a backbone alone.

    Args:
        model: Ours, in evaluation mode: a segmentor, or a backbone.
        reference: The source's, as :attr:`Plan.reference` builds it.
        image: (1, 3, H, W).
    """
    theirs = reference(image)
    if 'backbone' in theirs:
        return [_difference('backbone', model(image)[-1], theirs['backbone'])]
    feats, found = model.backbone(image), []
    for part, wanted in theirs.items():
        head = getattr(model, part)
        scores = ops.resize_logits(head(feats), image.shape[-2:], head.align_corners)
        found.append(_difference(part, scores, wanted))
    return found


def _difference(part: str, ours: Tensor, theirs: Tensor) -> Difference:
    if ours.shape != theirs.shape:
        return Difference(part, float('inf'), float(theirs.max() - theirs.min()), 0.0)
    classes = [(scores > 0) if scores.shape[1] == 1 else scores.argmax(1) for scores in (ours, theirs)]
    gap = (ours - theirs).abs().max()
    return Difference(part, float('inf') if gap.isnan() else float(gap), float(theirs.max() - theirs.min()),
                      float((classes[0] == classes[1]).float().mean()))
