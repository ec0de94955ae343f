"""The head of PSPNet."""
from typing import Sequence

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from segkit import ops
from segkit.errors import ConfigError
from segkit.models.decode_heads.base_decode_head import BaseDecodeHead
from segkit.registry import DECODE_HEADS


@DECODE_HEADS.register_module()
class PSPHead(BaseDecodeHead):
    """Pyramid pooling: means over coarse grids of cells, stacked onto the feature map.

    Reference:
        Pyramid Scene Parsing Network (arXiv 1612.01105), section 3.2, in MMSegmentation's form, whose checkpoints
        fit: every level has ``channels`` channels (the paper divides the map's channels by the number of levels,
        which is the same for a ResNet-50 and 512). pytorch-segmentation-toolbox's form is ``pool_first=True``,
        ``act_cfg=dict(type='LeakyReLU', negative_slope=0.01)``, ``align_corners=True``; the InPlaceABN of its weights
        multiplies by ``|weight| + 1e-5``, which a batch norm has as its weight.

    Args:
        in_channels: Channels of the feature map (C).
        channels: Channels of each level and in front of the classifier.
        pool_scales: Cells along each side of each level's grid, 1 or more.
        pool_first: Whether the levels come before the feature map in the concatenation, else behind it.
        **kwargs: As for :class:`BaseDecodeHead`.

    Shape:
        feats[in_index] (N, C, h, w) -> (N, out_channels, h, w).

    Raises:
        ConfigError: If values do not fit each other.
    """

    def __init__(self, in_channels: int, channels: int, *, pool_scales: Sequence[int] = (1, 2, 3, 6),
                 pool_first: bool = False, **kwargs) -> None:
        super().__init__(in_channels, channels, **kwargs)
        if not isinstance(pool_scales, (list, tuple)) or not pool_scales or min(pool_scales) < 1:
            raise ConfigError(f'{type(self).__name__}.pool_scales: expected at least one number of cells, each 1 or '
                              f'more; got {pool_scales!r}.')
        self.pool_scales = tuple(pool_scales)
        self.pool_first = pool_first
        layers = dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(scale), ConvModule(self.in_channels, channels, 1, **layers))
            for scale in self.pool_scales)
        self.bottleneck = ConvModule(
            self.in_channels + len(self.pool_scales) * channels, channels, 3, padding=1, **layers)

    def single_value_norms(self) -> list[nn.Module]:
        return [module for scale, level in zip(self.pool_scales, self.psp_modules) if scale == 1
                for module in level.modules()]

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Feature maps (N, C_i, h_i, w_i) to scores (N, out_channels, h, w)."""
        x = self._transform_inputs(feats)
        levels = [ops.resize_logits(level(x), x.shape[-2:], self.align_corners) for level in self.psp_modules]
        stacked = torch.cat([*levels, x] if self.pool_first else [x, *levels], dim=1)
        return self.cls_seg(self.bottleneck(stacked))
