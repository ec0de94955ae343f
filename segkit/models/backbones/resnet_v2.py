"""ResNetV2, whose blocks normalise and activate before their convolutions."""
from typing import Optional, Sequence, Union

from mmcv.cnn import build_conv_layer, build_norm_layer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from segkit.errors import ConfigError
from segkit.models.backbones.residual_stages import ResidualStages
from segkit.models.backbones.resnet_blocks import ResidualBlock
from segkit.registry import BACKBONES


class PreActBottleneck(ResidualBlock):
    """1x1, 3x3 and 1x1 convolutions, each behind a normalisation and ReLU; the sum is passed on as it is.

    The convolution of the shortcut, where there is one, reads what the first of them reads; else the input itself is
    added.

    Args:
        inplanes: Channels of the input.
        planes: Channels of the 3x3 convolution; the output has four times as many.
        projects: Whether the shortcut has a convolution.
        with_cp, init_cfg: See :class:`ResidualBlock`.
        conv_cfg: Kind of convolution, for ``mmcv.cnn``; None is Conv2d.
        norm_cfg: Kind of normalisation, for ``mmcv.cnn``.

    Shape:
        (N, inplanes, H, W) -> (N, 4 * planes, H / stride, W / stride).
    """

    expansion = 4

    def __init__(self, inplanes: int, planes: int, projects: bool, with_cp: bool, conv_cfg: Optional[dict],
                 norm_cfg: dict, init_cfg: Optional[dict] = None) -> None:
        super().__init__(with_cp, init_cfg)
        outplanes = planes * self.expansion
        self.norm_names = []
        layers = ((inplanes, planes, 1), (planes, planes, 3), (planes, outplanes, 1))
        for i, (channels, width, kernel) in enumerate(layers, start=1):
            name, norm = build_norm_layer(norm_cfg, channels, postfix=i)
            self.norm_names.append(name)
            self.add_module(name, norm)
            conv = build_conv_layer(conv_cfg, channels, width, kernel, padding=kernel // 2, bias=False)
            self.add_module(f'conv{i}', conv)
        self.downsample = None
        if projects:
            self.downsample = nn.Sequential(build_conv_layer(conv_cfg, inplanes, outplanes, 1, bias=False))

    @property
    def strided_conv(self) -> nn.Conv2d:
        return self.conv2

    @property
    def spatial_convs(self) -> tuple[nn.Conv2d, ...]:
        return (self.conv2,)

    def _residual(self, x: Tensor) -> Tensor:
        norm1, norm2, norm3 = (getattr(self, name) for name in self.norm_names)
        active = self.relu(norm1(x))
        skipped = self.shortcut(x if self.downsample is None else active)
        out = self.relu(norm2(self.conv1(active)))
        out = self.conv3(self.relu(norm3(self.conv2(out))))
        out += skipped
        return out


@BACKBONES.register_module()
class ResNetV2(ResidualStages):
    """ResNet with pre-activation, whose last stages can trade their stride for dilation.

    The image is normalised first by a batch norm without scale and shift, the last stage's output by one with both
    and ReLU; the outputs of earlier stages are plain sums, neither normalised nor rectified. ``output_stride``,
    ``strides``, ``dilations``, ``multi_grid`` and ``contract_dilation`` mean what they mean in :class:`ResNet`, where
    the strides reached at each stage stand in a table.

    Reference: He et al., Identity Mappings in Deep Residual Networks (arXiv 1603.05027), in the form of Gluon's
    ResNetV2 with the stride of a stage in its last block, as TensorFlow's resnet_v2 and the Vortex repository have it.
    Gluon's own weights were trained with ``style='pytorch'``; the Vortex repository runs them with 'slim'. At stride 8
    and with the grid (1, 2, 4) the last stage has the rates 4, 8, 16 that repository means and by a slip does not run.

    Args:
        depth: 50, 101 or 152.
        in_channels: Channels of the image.
        stem_channels: Channels after the stem.
        base_channels: Channels of the first stage's blocks; each later stage has twice as many.
        num_stages: How many stages are built, 1 to 4.
        strides: Stride of each stage. Default (2, 2, 2, 1), with ``style='pytorch'`` (1, 2, 2, 2).
        dilations: Rate of each stage. Default (1, 1, 1, 1).
        out_indices: The stages whose output is returned, counted from 0.
        style: 'slim' has a stage's stride on the 3x3 of its last block, whose shortcut skips pixels; 'pytorch' on the
            3x3 and the shortcut of its first block.
        frozen_stages: Stages up to this one neither learn nor update statistics: 0 is the stem alone, 1 the stem and
            the first stage, ...; with all stages the last normalisation too; -1 freezes nothing.
        conv_cfg: Kind of convolution, for ``mmcv.cnn``; None is Conv2d.
        norm_cfg: Kind of batch normalisation, for ``mmcv.cnn``; None is plain batch norm.
        norm_eval: Batch norms always use their running statistics.
        multi_grid: Rates of the last stage's blocks; with ``output_stride`` they multiply the stage's rate, else they
            replace it.
        contract_dilation: Whether the first block of a dilated stage keeps the rate of the stage before. None: with
            ``output_stride``, where the weights need it ('pytorch'), else not.
        with_cp: Compute blocks again in the backward pass: less memory, more time, the same gradients.
        pretrained: Old form of ``init_cfg=dict(type='Pretrained', checkpoint=pretrained)``.
        init_cfg: How the weights start. Default: Kaiming.
        output_stride: By how much the last output is smaller than the image: 8, 16 or 32.

    Shape:
        - Input: (N, in_channels, H, W).
        - Output: a tuple with, for each of ``out_indices``, (N, out_channels[i], H / s, W / s), rounded up, s being
          the stride reached at that stage.

    Attributes:
        out_channels (tuple[int]): Channels of each output.
        output_stride (int): The stride reached after the last stage.

    Raises:
        ConfigError: If an argument is out of its range, or both ways to set the stride are used.
    """

    styles = ('slim', 'pytorch')
    arch_settings = {
        50: (PreActBottleneck, (3, 4, 6, 3)),
        101: (PreActBottleneck, (3, 4, 23, 3)),
        152: (PreActBottleneck, (3, 8, 36, 3)),
    }

    def __init__(self,
                 depth: int,
                 in_channels: int = 3,
                 stem_channels: int = 64,
                 base_channels: int = 64,
                 num_stages: int = 4,
                 strides: Optional[Sequence[int]] = None,
                 dilations: Optional[Sequence[int]] = None,
                 out_indices: Sequence[int] = (0, 1, 2, 3),
                 style: str = 'slim',
                 frozen_stages: int = -1,
                 conv_cfg: Optional[dict] = None,
                 norm_cfg: Optional[dict] = None,
                 norm_eval: bool = False,
                 multi_grid: Optional[Sequence[int]] = None,
                 contract_dilation: Optional[bool] = None,
                 with_cp: bool = False,
                 pretrained: Optional[str] = None,
                 init_cfg: Union[dict, list[dict], None] = None,
                 output_stride: Optional[int] = None) -> None:
        self.check_depth(depth)
        init_cfg = self.start_of(init_cfg, pretrained)
        if init_cfg is None:
            init_cfg = [
                dict(type='Kaiming', layer='Conv2d'),
                dict(type='Constant', val=1, layer='_BatchNorm')
            ]
        super().__init__(init_cfg)
        self.settle(depth, num_stages, out_indices, style, frozen_stages, norm_eval)
        norm_cfg = dict(type='BN', requires_grad=True) if norm_cfg is None else norm_cfg
        strides, rates = self.plan(strides, dilations, output_stride, multi_grid, contract_dilation)

        def make_block(inplanes: int, planes: int, changes_shape: bool) -> PreActBottleneck:
            return PreActBottleneck(inplanes, planes, changes_shape, with_cp, conv_cfg, norm_cfg)

        self.conv1 = build_conv_layer(conv_cfg, in_channels, stem_channels, 7, stride=2, padding=3, bias=False)
        self.bn1 = build_norm_layer(norm_cfg, stem_channels)[1]
        if not isinstance(self.bn1, _BatchNorm):
            raise ConfigError(f'{type(self).__name__}: norm_cfg.type is {norm_cfg.get("type")!r}; the first layer '
                              "normalises the image's channels and is a batch norm.\n"
                              "Set model.norm_cfg or model.backbone.norm_cfg to dict(type='SyncBN') or "
                              "dict(type='BN').")
        self.bn_data = build_norm_layer(dict(norm_cfg, affine=False), in_channels)[1]
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.add_stages(stem_channels, base_channels, strides, make_block)
        last_channels = base_channels * 2**(num_stages - 1) * PreActBottleneck.expansion
        self.bn_last = build_norm_layer(norm_cfg, last_channels)[1]
        self.arrange(strides, rates)
        self.freeze_stages()

    @property
    def stem_modules(self) -> list[nn.Module]:
        return [self.bn_data, self.conv1, self.bn1]

    def freeze_stages(self) -> None:
        """As for every backbone here; with all stages the last normalisation is frozen too."""
        super().freeze_stages()
        if self.frozen_stages == self.num_stages:
            self.bn_last.eval().requires_grad_(False)

    def forward(self, img: Tensor) -> tuple[Tensor, ...]:
        """(N, in_channels, H, W) -> for each of ``out_indices`` (N, out_channels[i], H / s, W / s), rounded up."""
        x = self.relu(self.bn1(self.conv1(self.bn_data(img))))
        outs = self.run_stages(self.maxpool(x))
        if self.num_stages - 1 not in self.out_indices:
            return outs
        return *outs[:-1], self.relu(self.bn_last(outs[-1]))
