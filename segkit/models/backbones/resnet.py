"""ResNet and its variants with another stem (V1c) and another shortcut (V1d)."""
from typing import Optional, Sequence, Union

from mmcv.cnn import build_conv_layer, build_norm_layer
from mmengine.model import Sequential
from torch import Tensor, nn

from segkit.errors import ConfigError, refuse_uncalled
from segkit.models.backbones.resnet_blocks import BasicBlock, Bottleneck, ResidualBlock
from segkit.models.backbones.stride_plan import block_rates, stage_rates, stage_strides
from segkit.models.backbones.strided_stages import StridedStages
from segkit.registry import BACKBONES


@BACKBONES.register_module()
class ResNet(StridedStages):
    """ResNet whose last stages can trade their stride for dilation.

    There are two ways to say by how much the image shrinks. ``output_stride`` is one knob: a stage that would
    shrink the image further keeps its size and doubles its rate instead, so that ImageNet weights compute what they
    were trained to compute, on a finer grid. ``strides`` and ``dilations`` are MMSegmentation's fields and mean here
    what they mean there. They differ in three points:

    ==================  ==========================================  =====================================
    \\                   ``output_stride``                           ``strides`` and ``dilations``
    ==================  ==========================================  =====================================
    ``multi_grid``      multiplies the last stage's rate (paper)     replaces it
    contraction         as the weights need it, unless given         off, unless given
    second 3x3 of the   dilated like the stage                       never dilated
    basic block
    ==================  ==========================================  =====================================

    Reference: He et al., Deep Residual Learning (2015), with the stride of a bottleneck on its 3x3 as in
    torchvision; dilation and multi-grid as in Chen et al., Rethinking Atrous Convolution (2017), sections 3.1-3.2;
    parameter names as in MMSegmentation and torchvision.

    Args:
        depth: 18, 34, 50, 101 or 152.
        in_channels: Channels of the image.
        stem_channels: Channels after the stem; a deep stem has half as many in its first two convolutions.
        base_channels: Channels of the first stage's blocks; each later stage has twice as many.
        num_stages: How many stages are built, 1 to 4.
        strides: Stride of each stage's first block. Default (1, 2, 2, 2).
        dilations: Rate of each stage. Default (1, 1, 1, 1).
        out_indices: The stages whose output is returned, counted from 0.
        style: Where a bottleneck has its stride: 'pytorch' on the 3x3, 'caffe' on the first 1x1.
        deep_stem: Three 3x3 convolutions instead of one 7x7.
        avg_down: Shortcuts average before a 1x1 convolution of stride 1.
        frozen_stages: Stages up to this one neither learn nor update statistics: 0 is the stem alone, 1 the stem and
            the first stage, ...; -1 freezes nothing.
        conv_cfg: Kind of convolution, for ``mmcv.cnn``; None is Conv2d.
        norm_cfg: Kind of normalisation, for ``mmcv.cnn``; None is plain batch norm.
        norm_eval: Batch norms always use their running statistics.
        multi_grid: Rates of the last stage's blocks (see the table); entries beyond the last block are not used.
        contract_dilation: Whether the first block of a dilated stage keeps the rate of the stage before. None: with
            ``output_stride``, where the weights need it (a stride on the 3x3), else not. A stage with ``multi_grid``
            is never contracted.
        with_cp: Compute blocks again in the backward pass: less memory, more time, the same gradients.
        zero_init_residual: From random weights, each block starts as the identity.
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

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        instead = 'Write __init__ and change the stem or the stages behind super().__init__().'
        refuse_uncalled(cls, dict.fromkeys(('make_res_layer', 'make_stage_plugins', '_make_stem_layer'), instead))

    stem_stride = 4  # the first convolution and the max pooling halve the size once each
    natural_strides = (1, 2, 2, 2)
    arch_settings: dict[int, tuple[type[ResidualBlock], tuple[int, ...]]] = {
        18: (BasicBlock, (2, 2, 2, 2)),
        34: (BasicBlock, (3, 4, 6, 3)),
        50: (Bottleneck, (3, 4, 6, 3)),
        101: (Bottleneck, (3, 4, 23, 3)),
        152: (Bottleneck, (3, 8, 36, 3)),
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
                 style: str = 'pytorch',
                 deep_stem: bool = False,
                 avg_down: bool = False,
                 frozen_stages: int = -1,
                 conv_cfg: Optional[dict] = None,
                 norm_cfg: Optional[dict] = None,
                 norm_eval: bool = False,
                 multi_grid: Optional[Sequence[int]] = None,
                 contract_dilation: Optional[bool] = None,
                 with_cp: bool = False,
                 zero_init_residual: bool = True,
                 pretrained: Optional[str] = None,
                 init_cfg: Union[dict, list[dict], None] = None,
                 output_stride: Optional[int] = None) -> None:
        if depth not in self.arch_settings:
            raise ConfigError(f'{type(self).__name__}: depth is {depth!r}; it can be '
                              f'{", ".join(map(str, self.arch_settings))}. Set model.backbone.depth.')
        init_cfg = self.start_of(init_cfg, pretrained)
        block_init_cfg = None
        block, stage_blocks = self.arch_settings[depth]
        if init_cfg is None:
            init_cfg = [
                dict(type='Kaiming', layer='Conv2d'),
                dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm'])
            ]
            if zero_init_residual:
                last_norm = 'norm2' if block is BasicBlock else 'norm3'
                block_init_cfg = dict(type='Constant', val=0, override=dict(name=last_norm))
        super().__init__(init_cfg)

        self.norm_eval = norm_eval
        self.frozen_stages = frozen_stages
        self.num_stages = num_stages
        self.deep_stem = deep_stem
        self.out_indices = tuple(out_indices)
        self.stage_blocks = stage_blocks[:num_stages]
        self.block = block
        norm_cfg = dict(type='BN', requires_grad=True) if norm_cfg is None else norm_cfg
        self._check_ranges(num_stages, style)
        strides, rates = self._plan(strides, dilations, output_stride, style, multi_grid, contract_dilation)

        self._build_stem(in_channels, stem_channels, conv_cfg, norm_cfg)
        inplanes = stem_channels
        for i, num_blocks in enumerate(self.stage_blocks):
            planes = base_channels * 2**i
            blocks = []
            for j in range(num_blocks):
                changes_shape = j == 0 and (strides[i] != 1 or inplanes != planes * block.expansion)
                shortcut = None
                if changes_shape:
                    shortcut = self._shortcut(inplanes, planes * block.expansion, avg_down, conv_cfg, norm_cfg)
                blocks.append(block(inplanes, planes, shortcut, style, with_cp, conv_cfg, norm_cfg, block_init_cfg))
                inplanes = planes * block.expansion
            self.add_module(f'layer{i + 1}', Sequential(*blocks))  # MMEngine's hands init_weights on to the blocks
        self.arrange(strides, rates)
        self.out_channels = tuple(base_channels * 2**i * block.expansion for i in self.out_indices)
        self.unbuilt = tuple(f'layer{i + 1}.' for i in range(num_stages, 4))  # a pretrained file has these too
        self.freeze_stages()

    def _check_ranges(self, num_stages: int, style: str) -> None:
        name = type(self).__name__
        if num_stages not in (1, 2, 3, 4):
            raise ConfigError(f'{name}: num_stages is {num_stages!r}; it can be 1 to 4.')
        if style not in ('pytorch', 'caffe'):
            raise ConfigError(f"{name}: style is {style!r}; it can be 'pytorch' or 'caffe'.")
        self.check_stages()

    def _plan(self, strides: Optional[Sequence[int]], dilations: Optional[Sequence[int]], output_stride: Optional[int],
              style: str, multi_grid: Optional[Sequence[int]],
              contract: Optional[bool]) -> tuple[list[int], list[list[tuple[int, ...]]]]:
        """Each stage's stride, and for each stage and block the rates of its 3x3 convolutions."""
        name, num_stages = type(self).__name__, len(self.stage_blocks)
        by_knob = output_stride is not None
        if by_knob and (strides is not None or dilations is not None):
            raise ConfigError(f'{name}: output_stride={output_stride} sets the strides and dilations, and '
                              f'strides={strides}, dilations={dilations} were given too.\n'
                              'Keep either model.backbone.output_stride or the other two.')
        if by_knob:
            strides = stage_strides(output_stride, self.natural_strides[:num_stages], self.stem_stride)
            dilations = stage_rates(strides, self.natural_strides)
            # With the stride on the 3x3, that convolution still reads the grid of the stage before; with the stride
            # ahead of it ('caffe') it does not, and its first rate must be the stage's own.
            contract = style == 'pytorch' if contract is None else contract
        strides = self.natural_strides[:num_stages] if strides is None else strides
        dilations = (1,) * num_stages if dilations is None else dilations
        if not len(strides) == len(dilations) == num_stages:
            raise ConfigError(f'{name}: strides={tuple(strides)} and dilations={tuple(dilations)} must have one entry '
                              f'for each of the {num_stages} stages (model.backbone.num_stages).')
        if multi_grid is not None and len(multi_grid) < self.stage_blocks[-1]:
            raise ConfigError(f'{name}: multi_grid={tuple(multi_grid)} must have a rate for each of the '
                              f'{self.stage_blocks[-1]} blocks of the last stage.')
        grids = [None] * (num_stages - 1) + [multi_grid]
        rates = []
        for num_blocks, rate, grid in zip(self.stage_blocks, dilations, grids):
            if grid is not None and not by_knob:
                rate = 1  # MMSegmentation's grid replaces the rate
            first = block_rates(num_blocks, rate, bool(contract), grid)
            if self.block is Bottleneck:
                rates.append([(a,) for a in first])
            else:
                second = block_rates(num_blocks, rate, False, grid) if by_knob else [1] * num_blocks
                rates.append(list(zip(first, second)))
        return list(strides), rates

    def _build_stem(self, in_channels: int, channels: int, conv_cfg: Optional[dict], norm_cfg: dict) -> None:
        if self.deep_stem:
            layers, inplanes = [], in_channels
            for planes, stride in ((channels // 2, 2), (channels // 2, 1), (channels, 1)):
                layers += [
                    build_conv_layer(conv_cfg, inplanes, planes, 3, stride=stride, padding=1, bias=False),
                    build_norm_layer(norm_cfg, planes)[1],
                    nn.ReLU(inplace=True)
                ]
                inplanes = planes
            self.stem = nn.Sequential(*layers)
        else:
            self.conv1 = build_conv_layer(conv_cfg, in_channels, channels, 7, stride=2, padding=3, bias=False)
            self.norm1_name, norm1 = build_norm_layer(norm_cfg, channels, postfix=1)
            self.add_module(self.norm1_name, norm1)
            self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)

    @staticmethod
    def _shortcut(inplanes: int, planes: int, avg_down: bool, conv_cfg: Optional[dict],
                  norm_cfg: dict) -> nn.Sequential:
        layers = [
            build_conv_layer(conv_cfg, inplanes, planes, 1, bias=False),
            build_norm_layer(norm_cfg, planes)[1]
        ]
        if avg_down:  # its window is the stride, set by the block
            layers.insert(0, nn.AvgPool2d(1, ceil_mode=True, count_include_pad=False))
        return nn.Sequential(*layers)

    def forward(self, img: Tensor) -> tuple[Tensor, ...]:
        """(N, in_channels, H, W) -> for each of ``out_indices`` (N, out_channels[i], H / s, W / s), rounded up."""
        x = self.stem(img) if self.deep_stem else self.relu(getattr(self, self.norm1_name)(self.conv1(img)))
        x = self.maxpool(x)
        outs = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)

    @property
    def stem_modules(self) -> list[nn.Module]:
        return [self.stem] if self.deep_stem else [self.conv1, getattr(self, self.norm1_name)]


@BACKBONES.register_module()
class ResNetV1c(ResNet):
    """ResNet with three 3x3 convolutions as its stem, MMSegmentation's usual backbone.

    Reference: He et al., Bag of Tricks for Image Classification (2018), section 4.1 (ResNet-C); 32, 32 and 64
    channels.

    Args:
        depth: 18, 34, 50, 101 or 152.
        **kwargs: The other arguments of :class:`ResNet`.

    Shape:
        As :class:`ResNet`.

    Raises:
        ConfigError: As :class:`ResNet`.
    """

    def __init__(self, depth: int, **kwargs) -> None:
        super().__init__(depth, deep_stem=True, avg_down=False, **kwargs)


@BACKBONES.register_module()
class ResNetV1d(ResNet):
    """ResNet with a stem of three 3x3 convolutions and shortcuts that average instead of skipping pixels.

    Reference: He et al., Bag of Tricks for Image Classification (2018), section 4.1 (ResNet-D). Where a stage has
    no stride its shortcut averages nothing, as in MMSegmentation and GluonCV.

    Args:
        depth: 18, 34, 50, 101 or 152.
        **kwargs: The other arguments of :class:`ResNet`.

    Shape:
        As :class:`ResNet`.

    Raises:
        ConfigError: As :class:`ResNet`.
    """

    def __init__(self, depth: int, **kwargs) -> None:
        super().__init__(depth, deep_stem=True, avg_down=True, **kwargs)
