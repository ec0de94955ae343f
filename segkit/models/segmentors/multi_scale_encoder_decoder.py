"""The segmentor that looks at several sizes of an image with the same weights (MSC)."""
import math
from functools import reduce
from typing import Sequence

import torch
from torch import Tensor, nn

from segkit import ops
from segkit.errors import ConfigError
from segkit.models.segmentors.encoder_decoder import EncoderDecoder
from segkit.models.segmentors.label_downsampling import FLAVOURS, downsample_labels
from segkit.registry import MODELS

SIZE_RULES = {'floor': 0, 'floor+1': 1}  # what is added to int(side * scale)


@MODELS.register_module()
class MultiScaleEncoderDecoder(EncoderDecoder):
    """A network that sees an image in its own size and smaller, and keeps each class's largest score.

    One network with one set of weights runs on the image and on resized copies of it. The copies' scores are resized
    to the size of the image's own and fused by their maximum. Each size learns from a loss of its own and the maximum
    from one more; the losses are added, unweighted. In the log the loss of the maximum is named as EncoderDecoder's is
    ('decode.loss_ce'), those of the sizes 'decode_x1.loss_ce', 'decode_x0.75.loss_ce', ...; the logged accuracy is
    the maximum's.

    Predictions, windows of mode 'slide' and the views of test-time augmentation included, come from the maximum, and
    so do the losses of a validation, at the photo's own size. Scales are of what the network is given: of the padded
    batch or the window, never of the photo without its padding.

    Reference:
        DeepLabV2 (arXiv 1606.00915), section 4.1 (MSC). The ports differ, and are:

        =======================  ===============================  ================================================
        System                   ``scale_labels, max_labels``     else
        =======================  ===============================  ================================================
        DeepLab-ResNet-Pytorch   'corner-aligned', 'full'         ``align_corners=True``
        DeepLabV2 in Caffe       'corner-aligned' twice           ``align_corners=True``
        kazuto1011's port        'nearest-exact' twice            ``align_corners=False``; its copies have the step
                                                                  1 / scale, here side / new side
        isht7's port             interpolated between classes,    ``size_rule='floor+1'``, ``align_corners=True``
                                 which cannot be had
        =======================  ===============================  ================================================

        DeepLab-ResNet-Pytorch's evaluation resizes the padded photo to multiples of the photo's size without its
        padding, which distorts the copies; here they are made as in training.

    Args:
        scales: Factors of the copies' sides, above 0 and other than 1, which is always there.
        size_rule: A copy's side in pixels: 'floor' is int(side * scale), 'floor+1' is one more, which puts the
            copies' corners on one grid where the image has 8k + 1 pixels.
        scale_labels: What each size learns from: 'full' resizes its scores to the labels; 'corner-aligned',
            'nearest-exact' and 'nearest' shrink the labels to the scores (:func:`source_indices` tells them apart).
        max_labels: The same for the maximum.
        **kwargs: As for :class:`EncoderDecoder`. Auxiliary heads learn in the same way as the decode head.

    Shape:
        As :class:`EncoderDecoder`; scores have the size that the image's own have.

    Raises:
        ConfigError: If a value is not one of those above, or a head's loss is not one of scores alone; in a run, if a
            copy would have no pixel.
    """

    def __init__(self, *, scales: Sequence[float] = (0.75, 0.5), size_rule: str = 'floor',
                 scale_labels: str = 'corner-aligned', max_labels: str = 'full', **kwargs) -> None:
        super().__init__(**kwargs)
        if (not scales or len({1.0, *scales}) != len(scales) + 1 or min(scales) <= 0
                or not all(map(math.isfinite, scales))):
            raise ConfigError('model.scales: expected different factors above 0 beside the image itself (1.0), such '
                              f'as (0.75, 0.5); got {scales!r}.\nFor the image alone take EncoderDecoder.')
        if size_rule not in SIZE_RULES:
            raise ConfigError(f"model.size_rule must be 'floor' or 'floor+1', not {size_rule!r}.")
        for key, value in (('scale_labels', scale_labels), ('max_labels', max_labels)):
            if value not in ('full', *FLAVOURS):
                raise ConfigError(f"model.{key} must be 'full', {', '.join(map(repr, FLAVOURS))}; got {value!r}.")
        self.scales = tuple(scales)
        self.size_rule = size_rule
        self.scale_labels = scale_labels
        self.max_labels = max_labels
        for place, _, head in self._heads():
            if _has_loss_of_its_own(type(head)):
                raise ConfigError(f'{place}: {type(head).__name__} has a loss(feats, labels) of its own, which sees '
                                  'one size of the image; MultiScaleEncoderDecoder fuses scores of several.\n'
                                  'Write loss_of_logits(logits, labels) in it, or take EncoderDecoder.')

    def scores(self, inputs: Tensor, heads: Sequence[nn.Module]) -> list[Tensor]:
        """The largest scores over the sizes, (N, K, h, w) of each of the heads, for a batch (N, 3, H, W)."""
        return [_largest(several, head.align_corners) for head, several in zip(heads, self._by_size(inputs, heads))]

    def losses_of(self, inputs: Tensor, labels: Tensor) -> dict:
        """The losses of each size and of the maximum for a batch (N, 3, H, W) and its labels (N, H, W)."""
        losses = {}
        heads = list(self._heads())
        for (_, name, head), several in zip(heads, self._by_size(inputs, [head for _, _, head in heads])):
            fused = _largest(several, head.align_corners)
            found = {name: head.loss_of_logits(fused, _labels_for(fused, labels, self.max_labels))}
            for scale, logits in zip((1.0, *self.scales), several):
                found[f'{name}_x{scale:g}'] = head.losses_only(logits, _labels_for(logits, labels, self.scale_labels))
            losses |= {f'{place}.{key}': value for place, values in found.items() for key, value in values.items()}
        return losses

    def _by_size(self, inputs: Tensor, heads: Sequence[nn.Module]) -> list[tuple[Tensor, ...]]:
        """For each head its scores of each size, the image's own first."""
        extra = SIZE_RULES[self.size_rule]
        sizes = [tuple(_scaled(side, scale) + extra for side in inputs.shape[-2:]) for scale in self.scales]
        for scale, size in zip(self.scales, sizes):
            if min(size) < 1:
                raise ConfigError(f'model.scales: at {scale} the copy of an image of {inputs.shape[-2]}x'
                                  f'{inputs.shape[-1]} pixels would have {size[0]}x{size[1]}.\n'
                                  'Take a larger scale or larger images.')
        images = [inputs, *(ops.resize_logits(inputs, size, self.align_corners) for size in sizes)]
        scores = super().scores
        return list(zip(*(scores(image, heads) for image in images)))


def in_whole_numbers(scale: float) -> bool:
    """Whether int(side * scale) can be computed without fractions, so that a graph can leave the side open."""
    return float(scale).as_integer_ratio()[1] <= 1 << 20


def _scaled(side: int, scale: float) -> int:
    """int(side * scale)."""
    if not in_whole_numbers(scale):
        return int(side * scale)
    above, below = float(scale).as_integer_ratio()
    return side * above // below


def _largest(several: Sequence[Tensor], align_corners: bool) -> Tensor:
    """The maximum of scores (N, K, h_i, w_i), at the first one's size."""
    first, *others = several
    size = tuple(first.shape[-2:])
    return reduce(torch.maximum, (ops.resize_logits(logits, size, align_corners) for logits in others), first)


def _labels_for(logits: Tensor, labels: Tensor, how: str) -> Tensor:
    return labels if how == 'full' else downsample_labels(labels, tuple(logits.shape[-2:]), how)


def _has_loss_of_its_own(head: type) -> bool:
    """Whether a class redefines ``loss`` below the class whose ``loss_of_logits`` it would call."""
    places = {name: next((i for i, base in enumerate(head.__mro__) if name in vars(base)), len(head.__mro__))
              for name in ('loss', 'loss_of_logits')}
    return places['loss'] < places['loss_of_logits']
