"""MMSegmentation's DeepLabV3 head."""
from typing import Sequence

from mmcv.cnn import ConvModule
from torch import Tensor

from segkit.models.decode_heads.base_pyramid_head import BasePyramidHead
from segkit.registry import DECODE_HEADS


@DECODE_HEADS.register_module()
class ASPPHead(BasePyramidHead):
    """Atrous spatial pyramid pooling with one 3x3 convolution over the concatenation.

    Reference:
        DeepLabV3 (arXiv 1706.05587), section 3.3, in MMSegmentation's form, whose checkpoints fit: the image
        pool comes first in the concatenation, and a 3x3 convolution takes the place of the paper's 1x1.

    Args:
        in_channels: Channels of the feature map.
        channels: Channels of each branch and in front of the classifier.
        dilations: Rates of the branches, in pixels of the feature map; 1 is a 1x1 convolution. EncoderDecoder
            tells (1, 6r, 12r, 18r), r = 16 / output stride, where the config gives none.
        **kwargs: As for :class:`BaseDecodeHead`.

    Shape:
        feats[in_index] (N, C, h, w) -> (N, out_channels, h, w).

    Raises:
        ConfigError: If values do not fit each other.
    """

    def __init__(self, in_channels: int, channels: int, *, dilations: Sequence[int] = (1, 6, 12, 18),
                 **kwargs) -> None:
        super().__init__(in_channels, channels, dilations=dilations, branch_channels=channels, **kwargs)
        self.bottleneck = ConvModule(
            (len(self.dilations) + 1) * channels, channels, 3, padding=1,
            conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Feature maps (N, C_i, h_i, w_i) to scores (N, out_channels, h, w)."""
        x = self._transform_inputs(feats)
        return self.cls_seg(self.bottleneck(self.pyramid(x, pool_first=True)))
