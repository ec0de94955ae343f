"""The projection form of the DeepLabV3 head."""
import warnings
from typing import Optional, Sequence

from mmcv.cnn import ConvModule
from torch import Tensor, nn

from segkit.models.decode_heads.base_pyramid_head import BasePyramidHead
from segkit.registry import DECODE_HEADS


@DECODE_HEADS.register_module()
class DeepLabV3Head(BasePyramidHead):
    """Atrous spatial pyramid pooling, a 1x1 projection and, if wanted, a 3x3 block.

    Reference:
        DeepLabV3 (arXiv 1706.05587), section 3.3. The defaults are torchvision's form. The other systems are:

        ============================ =====================================================================
        GluonCV                      ``dropout_ratio=0.1``, ``align_corners=True``
        paper, DeepLabV3-Tensorflow  ``block=False``, ``project_dropout=0``
        Deeplab_V3 gluon (Vortex)    as the paper, ``act_cfg=None``, ``conv_bias=True``, ``pool_first=True``
        pytorch-segmentation-toolbox ``block=False``, ``project_dropout=0``, ``branch_channels=256``,
                                     ``channels=512``, ``dropout_ratio=0.1``, ``channel_dropout=True``,
                                     ``pool_first=True``, ``act_cfg=dict(type='LeakyReLU',
                                     negative_slope=0.01)``, ``align_corners=True``
        ============================ =====================================================================

    Layout of the weights: ``image_pool.1``, ``aspp_modules.{0..3}``, ``project`` and ``block``, each with
    ``.conv`` and ``.bn``, then ``conv_seg``.

    Args:
        in_channels: Channels of the feature map.
        channels: Channels of the projection, the block and in front of the classifier.
        dilations: As for :class:`ASPPHead`.
        branch_channels: Channels of each branch; ``channels`` by default.
        pool_first: Whether the image pool comes first in the concatenation, else last.
        project_dropout: Share of the values set to 0 behind the projection, 0 to 1.
        block: Whether a 3x3 convolution follows the projection.
        conv_bias: Whether the convolutions in front of a normalisation have a bias.
        dropout_ratio: Share set to 0 in front of the classifier, 0 to 1.
        channel_dropout: Whether ``dropout_ratio`` drops whole channels instead of single values.
        first_kernel: Side of the kernel of the branch of rate 1, 1 or 3 pixels.
        **kwargs: As for :class:`BaseDecodeHead`.

    Shape:
        feats[in_index] (N, C, h, w) -> (N, out_channels, h, w).

    Raises:
        ConfigError: If values do not fit each other.
    """

    def __init__(self,
                 in_channels: int,
                 channels: int = 256,
                 *,
                 dilations: Sequence[int] = (1, 6, 12, 18),
                 branch_channels: Optional[int] = None,
                 pool_first: bool = False,
                 project_dropout: float = 0.5,
                 block: bool = True,
                 conv_bias: bool = False,
                 dropout_ratio: float = 0.0,
                 channel_dropout: bool = False,
                 first_kernel: int = 1,
                 **kwargs) -> None:
        branch_channels = branch_channels or channels
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', message='Unnecessary conv bias')  # it was asked for
            super().__init__(in_channels, channels, dilations=dilations, branch_channels=branch_channels,
                             branch_bias=conv_bias, first_kernel=first_kernel, dropout_ratio=dropout_ratio, **kwargs)
            layers = dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg,
                          bias=conv_bias or self.norm_cfg is None)
            self.project = ConvModule((len(self.dilations) + 1) * branch_channels, channels, 1, **layers)
            self.block = ConvModule(channels, channels, 3, padding=1, **layers) if block else nn.Identity()
        self.pool_first = pool_first
        self.project_dropout = nn.Dropout(project_dropout)
        if dropout_ratio > 0 and not channel_dropout:
            self.dropout = nn.Dropout(dropout_ratio)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Feature maps (N, C_i, h_i, w_i) to scores (N, out_channels, h, w)."""
        x = self.pyramid(self._transform_inputs(feats), self.pool_first)
        return self.cls_seg(self.block(self.project_dropout(self.project(x))))
