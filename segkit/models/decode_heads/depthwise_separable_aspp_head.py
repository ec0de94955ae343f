"""The head of DeepLabV3+."""
from typing import Sequence

import torch
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from torch import Tensor, nn

from segkit import ops
from segkit.errors import ConfigError
from segkit.models.decode_heads.aspp_head import ASPPHead
from segkit.registry import DECODE_HEADS


@DECODE_HEADS.register_module()
class DepthwiseSeparableASPPHead(ASPPHead):
    """An atrous pyramid of separable convolutions and a decoder that brings back a finer feature map.

    Reference:
        Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation (arXiv 1802.02611),
        sections 3.1 and 3.2, in MMSegmentation's form, whose checkpoints fit: as in :class:`ASPPHead` a 3x3
        convolution follows the pyramid where the paper has a 1x1, and the image pool comes first.

    Args:
        in_channels: Channels of the feature map of the pyramid (C).
        channels: Channels of each branch and in front of the classifier.
        c1_in_channels: Channels of the finer map, the backbone's first (C_1); 0 leaves it out, and then
            ``c1_channels`` is 0 too. EncoderDecoder tells it where the config gives none.
        c1_channels: Channels that the finer map is reduced to.
        dilations: As for :class:`ASPPHead`.
        **kwargs: As for :class:`BaseDecodeHead`. ``conv_cfg`` is not used for separable convolutions.

    Shape:
        feats[in_index] (N, C, h, w), feats[0] (N, C_1, h_1, w_1) -> (N, out_channels, h_1, w_1); without the
        finer map (N, out_channels, h, w).

    Raises:
        ConfigError: If values do not fit each other.
    """

    def __init__(self, in_channels: int, channels: int, *, c1_in_channels: int, c1_channels: int,
                 dilations: Sequence[int] = (1, 6, 12, 18), **kwargs) -> None:
        super().__init__(in_channels, channels, dilations=dilations, **kwargs)
        if min(c1_in_channels, c1_channels) < 0 or (c1_in_channels == 0) != (c1_channels == 0):
            raise ConfigError(f'{type(self).__name__}: c1_in_channels={c1_in_channels} and c1_channels={c1_channels}; '
                              'expected both above 0, or both 0\nfor a head without the finer feature map.')
        separable = dict(kernel_size=3, padding=1, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.c1_bottleneck = None
        if c1_in_channels > 0:
            self.c1_bottleneck = ConvModule(c1_in_channels, c1_channels, 1, conv_cfg=self.conv_cfg,
                                            norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.sep_bottleneck = nn.Sequential(
            DepthwiseSeparableConvModule(channels + c1_channels, channels, **separable),
            DepthwiseSeparableConvModule(channels, channels, **separable))

    def _atrous_branch(self, channels: int, rate: int, layers: dict) -> nn.Module:
        return DepthwiseSeparableConvModule(self.in_channels, channels, 3, padding=rate, dilation=rate,
                                            norm_cfg=layers['norm_cfg'], act_cfg=layers['act_cfg'])

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Feature maps (N, C_i, h_i, w_i) to scores (N, out_channels, h_1, w_1)."""
        x = self.bottleneck(self.pyramid(self._transform_inputs(feats), pool_first=True))
        if self.c1_bottleneck is not None:
            fine = self.c1_bottleneck(feats[0])
            x = torch.cat([ops.resize_logits(x, fine.shape[-2:], self.align_corners), fine], dim=1)
        return self.cls_seg(self.sep_bottleneck(x))
