"""The atrous pyramid that the DeepLabV3 heads share."""
from typing import Sequence

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from segkit.errors import ConfigError
from segkit.models.decode_heads.base_decode_head import BaseDecodeHead


class BasePyramidHead(BaseDecodeHead):
    """Base of heads with atrous spatial pyramid pooling: an image pool beside parallel convolutions.

    Reference:
        Rethinking Atrous Convolution for Semantic Image Segmentation (arXiv 1706.05587), section 3.3.

    Args:
        in_channels, channels, **kwargs: As for :class:`BaseDecodeHead`.
        dilations: Rate of each branch; rate 1 is a 1x1 convolution, any other a 3x3. EncoderDecoder tells
            :meth:`dilations_at` of the backbone's output stride where the config gives none.
        first_kernel: Side of the kernel of rate 1 in pixels: 1, or 3 for a 3x3 convolution there too.
        branch_channels: Channels of each branch.
        branch_bias: Whether the branches' convolutions have a bias although a normalisation follows.
    """

    def __init__(self, in_channels: int, channels: int, *, dilations: Sequence[int], branch_channels: int,
                 branch_bias: bool = False, first_kernel: int = 1, **kwargs) -> None:
        super().__init__(in_channels, channels, **kwargs)
        self.dilations = tuple(dilations)
        if not self.dilations or min(self.dilations) < 1:
            raise ConfigError(f'{type(self).__name__}.dilations: expected at least one rate, each 1 or more; got '
                              f'{self.dilations}.')
        if first_kernel not in (1, 3):
            raise ConfigError(f'{type(self).__name__}.first_kernel must be 1 or 3; got {first_kernel!r}.')
        layers = dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg,
                      bias=branch_bias or self.norm_cfg is None)
        self.image_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), ConvModule(self.in_channels, branch_channels, 1, **layers))
        self.aspp_modules = nn.ModuleList(
            ConvModule(self.in_channels, branch_channels, 1, **layers) if rate == first_kernel == 1 else
            self._atrous_branch(branch_channels, rate, layers) for rate in self.dilations)

    def _atrous_branch(self, channels: int, rate: int, layers: dict) -> nn.Module:
        """A branch of a 3x3 convolution, which keeps the size; ``layers`` are ConvModule's keywords."""
        return ConvModule(self.in_channels, channels, 3, padding=rate, dilation=rate, **layers)

    @staticmethod
    def dilations_at(output_stride: int) -> tuple[int, ...]:
        """The rates (1, 6r, 12r, 18r), r = 16 / output_stride, which cover the same part of the image at any stride."""
        return (1, *(step * 16 // output_stride for step in (6, 12, 18)))

    def check_dilations(self, dilations: Sequence[int]) -> None:
        """See whether :meth:`set_dilations` can set these rates.

        Raises:
            ConfigError: If the number of branches or a kernel size would change.
        """
        if [rate == 1 for rate in dilations] != [rate == 1 for rate in self.dilations]:
            raise ConfigError(f'{type(self).__name__}: dilations {tuple(dilations)} do not fit weights made for '
                              f'{self.dilations}: their number, and the places of rate 1, must be the same.')

    def set_dilations(self, dilations: Sequence[int]) -> None:
        """Change the rates and keep the weights."""
        self.dilations = tuple(dilations)
        for branch, rate in zip(self.aspp_modules, self.dilations):
            for conv in branch.modules():
                if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3):
                    conv.dilation = conv.padding = (rate, rate)

    def single_value_norms(self) -> list[nn.Module]:
        return list(self.image_pool.modules())

    def branch_inputs(self, x: Tensor) -> Sequence[Tensor]:
        """What each branch sees of a map (N, C, h, w): the map itself, unless a subclass says otherwise."""
        return [x] * len(self.aspp_modules)

    def pyramid(self, x: Tensor, pool_first: bool) -> Tensor:
        """Run the branches.

        Args:
            x: (N, C, h, w).
            pool_first: Whether the image pool's channels come before the others or after them.

        Returns:
            (N, (branches + 1) * branch_channels, h, w).
        """
        # The pooled map is one value a channel, so resizing it is repeating it.
        pooled = self.image_pool(x).expand(-1, -1, *x.shape[-2:])
        outs = [module(seen) for module, seen in zip(self.aspp_modules, self.branch_inputs(x))]
        return torch.cat([pooled, *outs] if pool_first else [*outs, pooled], dim=1)
