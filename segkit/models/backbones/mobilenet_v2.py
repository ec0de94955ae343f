"""MobileNetV2."""
from typing import Optional, Sequence, Union

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, Sequential
from torch import Tensor, nn

from segkit.errors import ConfigError
from segkit.models.backbones.stride_plan import stage_rates, stage_strides
from segkit.models.backbones.strided_stages import StridedStages
from segkit.models.layers.recomputed import recomputed
from segkit.registry import BACKBONES


class InvertedResidual(BaseModule):
    """A 1x1 convolution that widens, a depthwise 3x3, and a 1x1 that narrows without activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        expansion: Factor of the channels in between; 1 leaves out the first convolution.
        residual: Whether the input is added to the output.
        with_cp: Compute the block again in the backward pass instead of keeping its activations.
        conv_cfg, norm_cfg, act_cfg: As for ``mmcv.cnn.ConvModule``.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride), rounded up.
    """

    def __init__(self, in_channels: int, out_channels: int, expansion: int, residual: bool, with_cp: bool,
                 conv_cfg: Optional[dict], norm_cfg: Optional[dict], act_cfg: Optional[dict]) -> None:
        super().__init__()
        self.residual = residual
        self.with_cp = with_cp
        layers = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        wide = in_channels * expansion
        convs = [ConvModule(in_channels, wide, 1, act_cfg=act_cfg, **layers)] if expansion != 1 else []
        convs += [
            ConvModule(wide, wide, 3, padding=1, groups=wide, act_cfg=act_cfg, **layers),
            ConvModule(wide, out_channels, 1, act_cfg=None, **layers)
        ]
        self.conv = nn.Sequential(*convs)

    @property
    def strided_conv(self) -> nn.Conv2d:
        """The convolution that carries the block's stride."""
        return self.conv[-2].conv

    @property
    def spatial_convs(self) -> tuple[nn.Conv2d, ...]:
        """The 3x3 convolution."""
        return (self.strided_conv,)

    def set_stride(self, stride: int) -> None:
        """Place ``stride`` on the 3x3."""
        self.strided_conv.stride = (stride, stride)

    def set_rates(self, rates: Sequence[int]) -> None:
        """Give the 3x3 its dilation, and the padding that keeps the size."""
        rate, = rates
        self.strided_conv.dilation = self.strided_conv.padding = (rate, rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride), rounded up."""
        return recomputed(self, self._transformed, x) if self.with_cp else self._transformed(x)

    def _transformed(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


@BACKBONES.register_module()
class MobileNetV2(StridedStages):
    """MobileNetV2 without its last 1x1 convolution, whose last stages can trade their stride for dilation.

    There are two ways to say by how much the image shrinks, as in :class:`ResNet`. With ``output_stride``, a stage
    that would shrink the image further keeps its size, and its rates double behind the convolution that was denied
    its stride: ImageNet weights then compute what they were trained to compute, on a finer grid. ``strides`` and
    ``dilations`` are MMSegmentation's fields; there a stage's rate is that of its first block alone.

    Reference: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks (arXiv 1801.04381), table 2;
    parameter names as in MMSegmentation. The result is always a tuple; there it is a tensor for one of
    ``out_indices``, which its heads cannot read.

    Args:
        widen_factor: Factor of every channel count, rounded to multiples of 8.
        strides: Stride of each of the 7 stages' first block. Default (1, 2, 2, 2, 1, 2, 1).
        dilations: Rate of each stage's first block. Default 1.
        out_indices: The stages whose output is returned, counted from 0.
        frozen_stages: Stages up to this one neither learn nor update statistics: 0 is the stem alone, ...; -1 freezes
            nothing.
        conv_cfg, norm_cfg, act_cfg: Kinds of convolution, normalisation and activation, for ``mmcv.cnn``.
        norm_eval: Batch norms always use their running statistics.
        with_cp: Compute blocks again in the backward pass: less memory, more time, the same gradients.
        pretrained: Old form of ``init_cfg=dict(type='Pretrained', checkpoint=pretrained)``.
        init_cfg: How the weights start. Default: Kaiming.
        output_stride: By how much the last output is smaller than the image: 8, 16 or 32.

    Shape:
        (N, 3, H, W) -> a tuple with, for each of ``out_indices``, (N, out_channels[i], H / s, W / s), rounded up, s
        being the stride reached at that stage.

    Attributes:
        out_channels (tuple[int]): Channels of each output.
        output_stride (int): The stride reached after the last stage.

    Raises:
        ConfigError: If an argument is out of its range, or both ways to set the stride are used.
    """

    stem_stride = 2
    natural_strides = (1, 2, 2, 2, 1, 2, 1)
    num_stages = 7
    # Expansion, channels and blocks of each stage.
    arch_settings = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))

    def __init__(self,
                 widen_factor: float = 1.0,
                 strides: Optional[Sequence[int]] = None,
                 dilations: Optional[Sequence[int]] = None,
                 out_indices: Sequence[int] = (1, 2, 4, 6),
                 frozen_stages: int = -1,
                 conv_cfg: Optional[dict] = None,
                 norm_cfg: Optional[dict] = dict(type='BN'),
                 act_cfg: Optional[dict] = dict(type='ReLU6'),
                 norm_eval: bool = False,
                 with_cp: bool = False,
                 pretrained: Optional[str] = None,
                 init_cfg: Union[None, dict, list[dict]] = None,
                 output_stride: Optional[int] = None) -> None:
        init_cfg = self.start_of(init_cfg, pretrained)
        if init_cfg is None:
            init_cfg = [
                dict(type='Kaiming', layer='Conv2d'),
                dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm'])
            ]
        super().__init__(init_cfg)
        if widen_factor <= 0:
            raise ConfigError(f'MobileNetV2.widen_factor: expected a factor above 0, got {widen_factor}.')
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.check_stages()
        by_knob = output_stride is not None
        strides, rates = self._plan(strides, dilations, output_stride)
        layers = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)
        inplanes = _multiple_of_8(32 * widen_factor)
        self.conv1 = ConvModule(3, inplanes, 3, stride=2, padding=1, **layers)
        channels = []
        for i, (expansion, width, num_blocks) in enumerate(self.arch_settings):
            planes, blocks = _multiple_of_8(width * widen_factor), []
            for j in range(num_blocks):
                stride = (self.natural_strides if by_knob else strides)[i] if j == 0 else 1
                residual = stride == 1 and inplanes == planes
                blocks.append(InvertedResidual(inplanes, planes, expansion, residual, with_cp, **layers))
                inplanes = planes
            self.add_module(f'layer{i + 1}', Sequential(*blocks))
            channels.append(planes)
        self.arrange(strides, rates)
        self.out_channels = tuple(channels[i] for i in self.out_indices)
        self.unbuilt = ('conv2.',)  # the 1x1 convolution in front of the classifier, in a pretrained file
        self.freeze_stages()

    def _plan(self, strides: Optional[Sequence[int]], dilations: Optional[Sequence[int]],
              output_stride: Optional[int]) -> tuple[Sequence[int], list[list[tuple[int]]]]:
        """Each stage's stride, and for each stage and block the rate of its 3x3."""
        counts = [num_blocks for _, _, num_blocks in self.arch_settings]
        if output_stride is None:
            strides = self.natural_strides if strides is None else strides
            dilations = (1,) * self.num_stages if dilations is None else dilations
            if not len(strides) == len(dilations) == self.num_stages or not set(strides) <= {1, 2}:
                raise ConfigError(f'MobileNetV2: strides={tuple(strides)} and dilations={tuple(dilations)} must have '
                                  f'one entry for each of the {self.num_stages} stages;\na stride is 1 or 2.')
            return strides, [[(rate,)] + [(1,)] * (count - 1) for rate, count in zip(dilations, counts)]
        if strides is not None or dilations is not None:
            raise ConfigError(f'MobileNetV2: output_stride={output_stride} sets the strides and dilations, and '
                              f'strides={strides}, dilations={dilations} were given too.\n'
                              'Keep either model.backbone.output_stride or the other two.')
        strides = stage_strides(output_stride, self.natural_strides, self.stem_stride)
        rates = stage_rates(strides, self.natural_strides)
        # A convolution that was denied its stride still reads the grid of the stage before.
        first = [rate * stride // natural for rate, stride, natural in zip(rates, strides, self.natural_strides)]
        return strides, [[(a,)] + [(b,)] * (count - 1) for a, b, count in zip(first, rates, counts)]

    @property
    def stem_modules(self) -> list[nn.Module]:
        return [self.conv1]

    def forward(self, img: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) -> for each of ``out_indices`` (N, out_channels[i], H / s, W / s), rounded up."""
        x = self.conv1(img)
        outs = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)


def _multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8, at least 8, and not more than a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8
