"""What every decode head shares: choice of feature maps, classifier, loss and accuracy."""
import inspect
from abc import abstractmethod
from typing import Any, Optional, Sequence, Union

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from segkit import ops
from segkit.errors import ConfigError, refuse_signature, refuse_uncalled
from segkit.registry import LOSSES, TASK_UTILS

LOSS = 'Write loss(feats, labels) -> dict, or loss_of_logits(logits, labels), whose labels are (N, H, W).'
PREDICTION = 'The segmentor resizes the scores of forward() and takes the classes: leave it out.'
FEATURE = 'Write forward(feats) -> scores, which ends in self.cls_seg(...).'
UNCALLED = dict(loss_by_feat=LOSS, losses=LOSS, _stack_batch_gt=LOSS, forward_train=LOSS, predict_by_feat=PREDICTION,
                predict=PREDICTION, forward_test=PREDICTION, _forward_feature=FEATURE,
                _init_inputs='The channels are in_channels, in_index and input_transform.')


class BaseDecodeHead(BaseModule):
    """Base of the decode heads: a subclass writes ``__init__`` and ``forward``.

    Reference:
        Names and defaults are MMSegmentation's. Here a head sees tensors only, the losses resize the scores
        themselves, and the accuracy is computed only where ``log_accuracy`` is True.

    Args:
        in_channels: Channels of the feature map (C), or of each one where ``in_index`` is a list.
        channels: Channels in front of the classifier ``conv_seg``.
        num_classes: Number of classes, background included.
        out_channels: Channels of the scores; ``num_classes`` by default, or 1 for two classes told apart by a
            sigmoid and ``threshold``.
        threshold: With ``out_channels=1``: the probability, 0 to 1, above which a pixel is class 1 (0.3 if not
            given).
        dropout_ratio: Share of the channels set to 0 in front of the classifier, 0 to 1.
        conv_cfg: Kind of convolution, as for ``mmcv.cnn.build_conv_layer``.
        norm_cfg: Kind of normalisation; None for none.
        act_cfg: Kind of activation; None for none.
        in_index: Index of the feature map, or a list of them.
        input_transform: What to do with several feature maps: 'resize_concat' resizes them to the size of the
            first and stacks their channels, 'multiple_select' hands them on as a list. None takes one map.
        loss_decode: One loss or a list of them; losses of equal ``loss_name`` are added. Each name
            has 'loss' in it. One whose ``forward`` does not name ``align_corners`` gets scores of the labels' size.
        ignore_index: The label that counts neither in the loss nor in the accuracy.
        sampler: Config of a pixel sampler, such as OHEMPixelSampler: each loss weighs the pixels as it says. Losses
            over whole regions (Dice, Lovasz, Tversky) and OhemCrossEntropy, which chooses itself, take none.
        align_corners: How scores and feature maps are resized.
        norm_eval: Whether batch norms keep their running statistics while training.
        init_cfg: Initialisation; by default the classifier is drawn from N(0, 0.01).

    Shape:
        feats: tuple of (N, C_i, h_i, w_i); labels (N, H, W) int64 -> scores (N, out_channels, h, w).

    Raises:
        ConfigError: If values do not fit each other.
    """

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        refuse_uncalled(cls, UNCALLED, ('loss', 'loss_of_logits', 'losses_only'))
        refuse_signature(cls, 'loss', ('feats', 'labels'), LOSS)

    def __init__(self,
                 in_channels: Union[int, Sequence[int]],
                 channels: int,
                 *,
                 num_classes: int,
                 out_channels: Optional[int] = None,
                 threshold: Optional[float] = None,
                 dropout_ratio: float = 0.1,
                 conv_cfg: Optional[dict] = None,
                 norm_cfg: Optional[dict] = None,
                 act_cfg: Optional[dict] = dict(type='ReLU'),
                 in_index: Union[int, Sequence[int]] = -1,
                 input_transform: Optional[str] = None,
                 loss_decode: Union[dict, Sequence[dict]] = dict(type='CrossEntropyLoss'),
                 ignore_index: int = 255,
                 sampler: Optional[dict] = None,
                 align_corners: bool = False,
                 norm_eval: bool = False,
                 init_cfg: Union[None, dict, list] = dict(
                     type='Normal', std=0.01, override=dict(name='conv_seg'))) -> None:
        super().__init__(init_cfg)
        if channels < 1:
            raise ConfigError(f'{type(self).__name__}.channels: expected at least 1, got {channels}.')
        self.in_index = in_index
        self.input_transform = input_transform
        self.in_channels = self._input_channels(in_channels)
        self.channels = channels
        self.num_classes = num_classes
        self.out_channels = num_classes if out_channels is None else out_channels
        self.threshold = 0.3 if self.out_channels == 1 and threshold is None else threshold
        self.conv_cfg = conv_cfg
        self.norm_cfg = norm_cfg
        self.act_cfg = act_cfg
        self.ignore_index = ignore_index
        self.align_corners = align_corners
        self.norm_eval = norm_eval
        self.log_accuracy = True
        losses = [loss_decode] if isinstance(loss_decode, dict) else list(loss_decode)
        self.loss_decode = nn.ModuleList(LOSSES.build(loss) for loss in losses)
        self.sampler = None if sampler is None else TASK_UTILS.build(sampler)
        self._check_classes()
        self._check_sampler()
        self.dropout = nn.Dropout2d(dropout_ratio) if dropout_ratio > 0 else None
        self.conv_seg = nn.Conv2d(channels, self.out_channels, kernel_size=1)

    def _input_channels(self, in_channels: Union[int, Sequence[int]]) -> Union[int, Sequence[int]]:
        name, several = type(self).__name__, self.input_transform is not None
        if self.input_transform not in (None, 'resize_concat', 'multiple_select'):
            raise ConfigError(f"{name}.input_transform must be None, 'resize_concat' or 'multiple_select', not "
                              f'{self.input_transform!r}.')
        lists = [isinstance(value, (list, tuple)) for value in (in_channels, self.in_index)]
        if lists != [several, several] or several and len(in_channels) != len(self.in_index):
            raise ConfigError(
                f'{name}: with input_transform={self.input_transform!r}, in_channels and in_index must be '
                + ('lists of equal length' if several else 'one number each')
                + f'; got in_channels={in_channels}, in_index={self.in_index}.')
        return sum(in_channels) if self.input_transform == 'resize_concat' else in_channels

    def _check_classes(self) -> None:
        name = type(self).__name__
        if self.out_channels not in (self.num_classes, 1):
            raise ConfigError(f'{name}.out_channels must be num_classes ({self.num_classes}), or 1 for two classes; '
                              f'got {self.out_channels}.')
        if self.threshold is not None and self.out_channels != 1:
            raise ConfigError(f'{name}.threshold is read only with out_channels=1; got threshold={self.threshold} and '
                              f'out_channels={self.out_channels}.')
        for loss in self.loss_decode:
            loss_name = getattr(loss, 'loss_name', 'loss')
            if 'loss' not in loss_name:
                raise ConfigError(f"{name}.loss_decode.loss_name is {loss_name!r}: only names with 'loss' in them are "
                                  f"added to the total,\nso this one would train nothing. Name it 'loss_{loss_name}'.")
            if self.out_channels == 1 and not getattr(loss, 'use_sigmoid', True):
                two = (f'or out_channels={self.num_classes}.' if self.num_classes > 1 else
                       'with num_classes=2 and out_channels=1,\nor num_classes=2: two classes, background first.')
                raise ConfigError(f'{name}: a softmax over out_channels=1 is always 1, so nothing would be learnt.\n'
                                  f'Set {name}.loss_decode.use_sigmoid=True, {two}')
            if hasattr(loss, 'check_channels'):
                try:
                    loss.check_channels(self.out_channels)
                except ConfigError as error:
                    raise ConfigError(f'{name}.loss_decode: {error}') from None
            weight = getattr(loss, 'class_weight', None)
            if weight is not None and len(weight) != self.out_channels:
                raise ConfigError(f'{name}.loss_decode.class_weight has {len(weight)} values; expected one for each of '
                                  f'the {self.out_channels} channels of the scores.')

    def _check_sampler(self) -> None:
        if self.sampler is None:
            return
        name, kind = type(self).__name__, type(self.sampler).__name__
        if not hasattr(self.sampler, 'sample'):
            raise ConfigError(f'{name}.sampler: {kind} is no pixel sampler; expected one such as OHEMPixelSampler.')
        for loss in self.loss_decode:
            theirs = type(loss).__name__
            if 'weight' not in inspect.signature(loss.forward).parameters:
                raise ConfigError(f'{name}.sampler: {kind} weighs single pixels, and {theirs} takes no weights of '
                                  f'pixels.\nTake the sampler or {theirs} out of {name}.')
            if getattr(self.sampler, 'reads_losses', False) and not hasattr(loss, 'pixel_losses'):
                raise ConfigError(f"{name}.sampler: {kind} without thresh asks each loss for its pixel_losses, which "
                                  f'{theirs} has not.\nSet {name}.sampler.thresh, such as 0.7.')

    def extra_repr(self) -> str:
        return (f'in_index={self.in_index}, input_transform={self.input_transform}, '
                f'ignore_index={self.ignore_index}, align_corners={self.align_corners}')

    def train(self, mode: bool = True) -> 'BaseDecodeHead':
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def single_value_norms(self) -> list[nn.Module]:
        """The layers whose normalisation sees one value for each image and channel, as behind an image pool."""
        return []

    def _transform_inputs(self, feats: Sequence[Tensor]) -> Union[Tensor, list[Tensor]]:
        """Choose the feature maps that ``in_index`` names.

        Args:
            feats: (N, C_i, h_i, w_i) each.

        Returns:
            One (N, C, h, w), or a list of them with 'multiple_select'.
        """
        if self.input_transform is None:
            return feats[self.in_index]
        chosen = [feats[i] for i in self.in_index]
        if self.input_transform == 'multiple_select':
            return chosen
        size = chosen[0].shape[-2:]
        return torch.cat([ops.resize_logits(feat, size, self.align_corners) for feat in chosen], dim=1)

    def cls_seg(self, feat: Tensor) -> Tensor:
        """Classify each pixel: (N, channels, h, w) -> (N, out_channels, h, w)."""
        if self.dropout is not None:
            feat = self.dropout(feat)
        return self.conv_seg(feat)

    @abstractmethod
    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Feature maps (N, C_i, h_i, w_i) to scores (N, out_channels, h, w)."""

    def loss(self, feats: Sequence[Tensor], labels: Tensor) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Args:
            feats: (N, C_i, h_i, w_i) each.
            labels: (N, H, W) int64.

        Returns:
            One scalar for each ``loss_name``, and 'acc_seg' in per cent where ``log_accuracy`` is set.
        """
        return self.loss_of_logits(self(feats), labels)

    def loss_of_logits(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The same for scores (N, out_channels, h, w) that are already there."""
        losses = self.losses_only(logits, labels)
        if self.log_accuracy:
            losses['acc_seg'] = ops.pixel_accuracy(
                logits, labels, self.ignore_index, self.align_corners, self.threshold)
        return losses

    @staticmethod
    def _value_of(criterion: nn.Module, logits: Tensor, labels: Tensor, settings: dict[str, Any]) -> Tensor:
        if 'align_corners' in inspect.signature(criterion.forward).parameters:
            return criterion(logits, labels, **settings)
        # Written for MMSegmentation, whose heads resize the scores first.
        settings = dict(settings)
        return criterion(ops.resize_logits(logits, labels.shape[-2:], settings.pop('align_corners')), labels,
                         **settings)

    def losses_only(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The same without the accuracy."""
        losses: dict[str, Tensor] = {}
        settings: dict[str, Any] = dict(ignore_index=self.ignore_index, align_corners=self.align_corners)
        if self.sampler is not None:
            settings['weight'] = self.sampler.sample(logits, labels, self.loss_decode, **settings)
        for criterion in self.loss_decode:
            value = self._value_of(criterion, logits, labels, settings)
            name = getattr(criterion, 'loss_name', 'loss')
            losses[name] = losses[name] + value if name in losses else value
        return losses
