"""The DeepLabV2 head: atrous convolutions straight to the classes, summed."""
from functools import reduce
from typing import Optional, Sequence, Union

import torch
from torch import Tensor, nn

from segkit.errors import ConfigError
from segkit.models.decode_heads.base_decode_head import BaseDecodeHead
from segkit.registry import DECODE_HEADS


class _SummedConvs(nn.ModuleList):
    """3x3 convolutions of several rates on the same map, whose results are added."""

    def __init__(self, in_channels: int, out_channels: int, rates: Sequence[int]) -> None:
        super().__init__(nn.Conv2d(in_channels, out_channels, 3, padding=rate, dilation=rate) for rate in rates)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h, w)."""
        return reduce(torch.add, (conv(x) for conv in self))


@DECODE_HEADS.register_module()
class DeepLabV2Head(BaseDecodeHead):
    """Atrous spatial pyramid pooling of DeepLabV2: each branch classifies on its own, and the scores are summed.

    There is nothing between the feature map and the classifier: no normalisation, activation, dropout or bottleneck.
    The classifier ``conv_seg``, a 1x1 convolution in the other heads, is the pyramid itself.

    Reference:
        DeepLabV2 (arXiv 1606.00915), section 3.2, in the form that its authors use on ResNet-101 and
        DeepLab-ResNet-Pytorch follows. ``dilations=(12,)`` is its LargeFOV. Weights start from N(0, 0.01) and biases
        from 0 as in the Caffe original; DeepLab-ResNet-Pytorch leaves the biases at torch's small random start.

    Layout of the weights: ``conv_seg.{0..3}.{weight,bias}``, in the order of ``dilations``.

    Args:
        in_channels: Channels of the feature map.
        dilations: Rate of each branch, in pixels of the feature map. EncoderDecoder tells :meth:`dilations_at` of the
            backbone's output stride where the config gives none.
        num_classes, out_channels, threshold, in_index, loss_decode, ignore_index, sampler, align_corners, init_cfg:
            As for :class:`BaseDecodeHead`.

    Shape:
        feats[in_index] (N, C, h, w) -> (N, out_channels, h, w).

    Raises:
        ConfigError: If values do not fit each other.
    """

    def __init__(self,
                 in_channels: int,
                 *,
                 num_classes: int,
                 dilations: Sequence[int] = (6, 12, 18, 24),
                 out_channels: Optional[int] = None,
                 threshold: Optional[float] = None,
                 in_index: int = -1,
                 loss_decode: Union[dict, Sequence[dict]] = dict(type='CrossEntropyLoss'),
                 ignore_index: int = 255,
                 sampler: Optional[dict] = None,
                 align_corners: bool = False,
                 init_cfg: Union[None, dict, list] = dict(
                     type='Normal', std=0.01, override=dict(name='conv_seg'))) -> None:
        super().__init__(in_channels, in_channels, num_classes=num_classes, out_channels=out_channels,
                         threshold=threshold, dropout_ratio=0.0, in_index=in_index, loss_decode=loss_decode,
                         ignore_index=ignore_index, sampler=sampler, align_corners=align_corners, init_cfg=init_cfg)
        self.dilations = tuple(dilations)
        if not self.dilations or min(self.dilations) < 1:
            raise ConfigError('DeepLabV2Head.dilations: expected at least one rate, each 1 or more; got '
                              f'{self.dilations}.')
        self.conv_seg = _SummedConvs(in_channels, self.out_channels, self.dilations)

    @staticmethod
    def dilations_at(output_stride: int) -> tuple[int, ...]:
        """The rates (6, 12, 18, 24) of output stride 8, and half of them at 16, which cover the same part of the image.

        Raises:
            ConfigError: If the rates would not be whole numbers.
        """
        if 48 % output_stride:
            raise ConfigError(f'DeepLabV2Head has no dilations of its own for output_stride={output_stride}; it has '
                              'for 8 and 16.\nGive model.decode_head.dilations.')
        return tuple(step * 8 // output_stride for step in (6, 12, 18, 24))

    def check_dilations(self, dilations: Sequence[int]) -> None:
        """See whether :meth:`set_dilations` can set these rates.

        Raises:
            ConfigError: If the number of branches would change.
        """
        if len(dilations) != len(self.dilations):
            raise ConfigError(f'DeepLabV2Head: dilations {tuple(dilations)} do not fit weights made for '
                              f'{self.dilations}: their number must be the same.')

    def set_dilations(self, dilations: Sequence[int]) -> None:
        """Change the rates and keep the weights."""
        self.dilations = tuple(dilations)
        for conv, rate in zip(self.conv_seg, self.dilations):
            conv.dilation = conv.padding = (rate, rate)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Feature maps (N, C_i, h_i, w_i) to scores (N, out_channels, h, w)."""
        return self.cls_seg(self._transform_inputs(feats))
