"""A few plain convolutions, as main or auxiliary head."""
from typing import Sequence

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from segkit.errors import ConfigError
from segkit.models.decode_heads.base_decode_head import BaseDecodeHead
from segkit.registry import DECODE_HEADS


@DECODE_HEADS.register_module()
class FCNHead(BaseDecodeHead):
    """Convolutions in front of the classifier.

    Reference:
        Fully Convolutional Networks for Semantic Segmentation (arXiv 1411.4038), in MMSegmentation's form. With
        ``num_convs=1, concat_input=False`` it is the auxiliary head of PSPNet, and with ``channel_dropout=False`` also
        that of torchvision's and GluonCV's DeepLabV3. The DSN head of pytorch-segmentation-toolbox has
        ``channels=512, conv_bias=True`` and its leaky ReLU as ``act_cfg``.

    Args:
        in_channels: Channels of the feature map.
        channels: Channels of the convolutions.
        num_convs: Number of convolutions; with 0, ``channels`` must be ``in_channels``.
        kernel_size: Their size, an odd number.
        concat_input: Whether the input is stacked onto their result and a further convolution run over both.
        dilation: Rate of the ``num_convs`` convolutions, in pixels of the feature map.
        conv_bias: Whether the convolutions in front of a normalisation have a bias.
        channel_dropout: Whether ``dropout_ratio`` drops whole channels, else single values.
        **kwargs: As for :class:`BaseDecodeHead`.

    Shape:
        feats[in_index] (N, C, h, w) -> (N, out_channels, h, w).

    Raises:
        ConfigError: If values do not fit each other.
    """

    def __init__(self, in_channels: int, channels: int, *, num_convs: int = 2, kernel_size: int = 3,
                 concat_input: bool = True, dilation: int = 1, conv_bias: bool = False, channel_dropout: bool = True,
                 **kwargs) -> None:
        super().__init__(in_channels, channels, **kwargs)
        if num_convs == 0 and self.in_channels != channels:
            raise ConfigError(f'FCNHead: with num_convs=0, channels must be in_channels ({self.in_channels}); got '
                              f'{channels}.')
        if self.dropout is not None and not channel_dropout:
            self.dropout = nn.Dropout(self.dropout.p)
        layers = dict(kernel_size=kernel_size, conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg,
                      bias=conv_bias or self.norm_cfg is None)
        self.convs = nn.Sequential(*(
            ConvModule(self.in_channels if i == 0 else channels, channels, padding=kernel_size // 2 * dilation,
                       dilation=dilation, **layers) for i in range(num_convs)))
        self.conv_cat = None
        if concat_input:
            self.conv_cat = ConvModule(self.in_channels + channels, channels, padding=kernel_size // 2, **layers)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Feature maps (N, C_i, h_i, w_i) to scores (N, out_channels, h, w)."""
        x = self._transform_inputs(feats)
        out = self.convs(x)
        if self.conv_cat is not None:
            out = self.conv_cat(torch.cat([x, out], dim=1))
        return self.cls_seg(out)
