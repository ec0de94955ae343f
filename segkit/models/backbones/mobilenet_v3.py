"""MobileNetV3."""
from typing import Optional, Sequence, Union

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from segkit.errors import ConfigError
from segkit.models.backbones.stride_plan import stage_rates, stage_strides
from segkit.models.backbones.strided_stages import StridedStages
from segkit.models.layers.recomputed import recomputed
from segkit.registry import BACKBONES

ADAPTIVE = dict(type='Conv2dAdaptivePadding')  # mmcv's, which pads as TensorFlow's 'same' does


class SqueezeExcitation(BaseModule):
    """Each channel is multiplied by a factor from 0 to 1 that two 1x1 convolutions make of the channels' means.

    Args:
        channels: Channels of the map; a quarter of them, as a multiple of 8, lies between the convolutions.

    Shape:
        (N, channels, H, W) -> the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        quarter = channels // 4
        rounded = max(8, int(quarter + 4) // 8 * 8)
        rounded += 8 if rounded < 0.9 * quarter else 0
        self.conv1 = ConvModule(channels, rounded, 1, act_cfg=dict(type='ReLU'))
        self.conv2 = ConvModule(rounded, channels, 1, act_cfg=None)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same."""
        return x * F.hardsigmoid(self.conv2(self.conv1(F.adaptive_avg_pool2d(x, 1))))


class SqueezedResidual(BaseModule):
    """A 1x1 convolution that widens, a depthwise one, the weighing of channels, and a 1x1 that narrows.

    Args:
        in_channels: Channels of the input.
        mid_channels: Channels in between; where they are ``in_channels``, the first convolution is left out.
        out_channels: Channels of the output.
        kernel_size: Side of the depthwise kernel.
        squeeze: Whether the channels are weighed.
        residual: Whether the input is added to the output.
        with_cp: Compute the block again in the backward pass instead of keeping its activations.
        depthwise_cfg: Kind of the depthwise convolution.
        conv_cfg, norm_cfg, act_cfg: As for ``mmcv.cnn.ConvModule``.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride), rounded up.
    """

    def __init__(self, in_channels: int, mid_channels: int, out_channels: int, kernel_size: int, squeeze: bool,
                 residual: bool, with_cp: bool, depthwise_cfg: Optional[dict], conv_cfg: Optional[dict],
                 norm_cfg: Optional[dict], act_cfg: dict) -> None:
        super().__init__()
        self.residual = residual
        self.with_cp = with_cp
        self.expand_conv = None
        if in_channels != mid_channels:
            self.expand_conv = ConvModule(in_channels, mid_channels, 1, conv_cfg=conv_cfg, norm_cfg=norm_cfg,
                                          act_cfg=act_cfg)
        self.depthwise_conv = ConvModule(mid_channels, mid_channels, kernel_size, padding=kernel_size // 2,
                                         groups=mid_channels, conv_cfg=depthwise_cfg, norm_cfg=norm_cfg,
                                         act_cfg=act_cfg)
        self.se = SqueezeExcitation(mid_channels) if squeeze else None
        self.linear_conv = ConvModule(mid_channels, out_channels, 1, conv_cfg=conv_cfg, norm_cfg=norm_cfg,
                                      act_cfg=None)

    @property
    def strided_conv(self) -> nn.Conv2d:
        """The convolution that carries the block's stride."""
        return self.depthwise_conv.conv

    @property
    def spatial_convs(self) -> tuple[nn.Conv2d, ...]:
        """The depthwise convolution."""
        return (self.strided_conv,)

    def set_stride(self, stride: int) -> None:
        """Place ``stride`` on the depthwise convolution."""
        self.strided_conv.stride = (stride, stride)

    def set_rates(self, rates: Sequence[int]) -> None:
        """Give the depthwise convolution its dilation, and the padding that keeps the size."""
        conv, (rate,) = self.strided_conv, rates
        conv.dilation = (rate, rate)
        if conv.padding != (0, 0):  # else it pads in its forward, by its dilation
            conv.padding = (conv.kernel_size[0] // 2 * rate,) * 2

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride), rounded up."""
        return recomputed(self, self._transformed, x) if self.with_cp else self._transformed(x)

    def _transformed(self, x: Tensor) -> Tensor:
        out = x if self.expand_conv is None else self.expand_conv(x)
        out = self.depthwise_conv(out)
        out = out if self.se is None else self.se(out)
        out = self.linear_conv(out)
        return x + out if self.residual else out


@BACKBONES.register_module()
class MobileNetV3(StridedStages):
    """MobileNetV3 up to its last 1x1 convolution in front of the pooling, its late strides traded for dilation.

    Its layers are counted from 0: the stem, the blocks, and the last 1x1 convolution (12 of 'small', 16 of 'large').
    A block whose stride would shrink the image below ``output_stride`` keeps its size, and it and all blocks behind it
    get twice the rate, as in MMSegmentation and in torchvision's DeepLabV3. With ``contract_dilation`` the block
    itself keeps its rate: that is what ImageNet weights were trained to compute, on a finer grid.

    Reference: Howard et al., Searching for MobileNetV3 (arXiv 1905.02244), tables 1 and 2; parameter names and defaults
    as in MMSegmentation, whose normalisation is ``dict(type='SyncBN', eps=0.001)`` in all its configs. torchvision's
    weights need ``adaptive_padding=False`` and ``norm_cfg.eps=0.001``. The result is always a tuple; there
    it is a list.

    Args:
        arch: 'small' or 'large'.
        out_indices: The layers whose output is returned.
        frozen_stages: Layers up to this one neither learn nor update statistics: 0 is the stem alone, ...; -1 freezes
            nothing.
        reduction_factor: Divides the channels of the blocks behind the last stride; 1 or 2.
        conv_cfg, norm_cfg: Kinds of convolution and normalisation, for ``mmcv.cnn``.
        norm_eval: Batch norms always use their running statistics.
        with_cp: Compute blocks again in the backward pass: less memory, more time, the same gradients.
        pretrained: Old form of ``init_cfg=dict(type='Pretrained', checkpoint=pretrained)``.
        init_cfg: How the weights start. Default: Kaiming.
        output_stride: By how much the last output is smaller than the image: 8, 16 or 32.
        adaptive_padding: Whether the convolutions with a stride pad as TensorFlow does (at the right and the bottom
            first, only where it is needed), else by half the kernel on every side.
        contract_dilation: Whether a block that was denied its stride keeps the rate of the one before.

    Shape:
        (N, 3, H, W) -> a tuple with, for each of ``out_indices``, (N, out_channels[i], H / s, W / s), rounded up, s
        being the stride reached at that layer.

    Attributes:
        out_channels (tuple[int]): Channels of each output.
        output_stride (int): The stride reached after the last layer.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    stem_stride = 2
    # Of each block: side of the kernel, channels in between, channels of the output, whether channels are weighed,
    # activation, stride.
    arch_settings = {
        'small': ((3, 16, 16, True, 'ReLU', 2), (3, 72, 24, False, 'ReLU', 2), (3, 88, 24, False, 'ReLU', 1),
                  (5, 96, 40, True, 'HSwish', 2), (5, 240, 40, True, 'HSwish', 1), (5, 240, 40, True, 'HSwish', 1),
                  (5, 120, 48, True, 'HSwish', 1), (5, 144, 48, True, 'HSwish', 1), (5, 288, 96, True, 'HSwish', 2),
                  (5, 576, 96, True, 'HSwish', 1), (5, 576, 96, True, 'HSwish', 1)),
        'large': ((3, 16, 16, False, 'ReLU', 1), (3, 64, 24, False, 'ReLU', 2), (3, 72, 24, False, 'ReLU', 1),
                  (5, 72, 40, True, 'ReLU', 2), (5, 120, 40, True, 'ReLU', 1), (5, 120, 40, True, 'ReLU', 1),
                  (3, 240, 80, False, 'HSwish', 2), (3, 200, 80, False, 'HSwish', 1), (3, 184, 80, False, 'HSwish', 1),
                  (3, 184, 80, False, 'HSwish', 1), (3, 480, 112, True, 'HSwish', 1), (3, 672, 112, True, 'HSwish', 1),
                  (5, 672, 160, True, 'HSwish', 2), (5, 960, 160, True, 'HSwish', 1), (5, 960, 160, True, 'HSwish', 1)),
    }
    last_channels = dict(small=576, large=960)

    def __init__(self,
                 arch: str = 'small',
                 conv_cfg: Optional[dict] = None,
                 norm_cfg: Optional[dict] = dict(type='BN'),
                 out_indices: Sequence[int] = (0, 1, 12),
                 frozen_stages: int = -1,
                 reduction_factor: int = 1,
                 norm_eval: bool = False,
                 with_cp: bool = False,
                 pretrained: Optional[str] = None,
                 init_cfg: Union[None, dict, list[dict]] = None,
                 output_stride: int = 8,
                 adaptive_padding: bool = True,
                 contract_dilation: bool = False) -> None:
        init_cfg = self.start_of(init_cfg, pretrained)
        if init_cfg is None:
            init_cfg = [
                dict(type='Kaiming', layer='Conv2d'),
                dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm'])
            ]
        super().__init__(init_cfg)
        if arch not in self.arch_settings:
            raise ConfigError(f"MobileNetV3: arch is {arch!r}; it can be 'small' or 'large'. Set model.backbone.arch.")
        if reduction_factor not in (1, 2):
            raise ConfigError(f'MobileNetV3: reduction_factor is {reduction_factor!r}; it can be 1 or 2.')
        blocks = self.arch_settings[arch]
        self.arch = arch
        self.num_stages = len(blocks) + 1  # the last 1x1 convolution too
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self._check_layers()
        self.natural_strides = tuple(stride for *_, stride in blocks)
        strides = stage_strides(output_stride, self.natural_strides, self.stem_stride)
        rates = stage_rates(strides, self.natural_strides)
        if contract_dilation:
            rates = [rate * stride // natural for rate, stride, natural in zip(rates, strides, self.natural_strides)]

        hard = dict(norm_cfg=norm_cfg, act_cfg=dict(type='HSwish'))
        inplanes, channels, reduced = 16, [16], 1
        self.layer0 = ConvModule(3, inplanes, 3, stride=2, padding=1,
                                 conv_cfg=ADAPTIVE if adaptive_padding else conv_cfg, **hard)
        for i, (kernel, wide, planes, squeeze, act, stride) in enumerate(blocks):
            if stride == 2 and 2 not in self.natural_strides[i + 1:]:
                reduced = reduction_factor
            wide, planes = wide // reduced, planes // reduced
            self.add_module(f'layer{i + 1}', SqueezedResidual(
                inplanes, wide, planes, kernel, squeeze, stride == 1 and inplanes == planes, with_cp,
                ADAPTIVE if adaptive_padding and stride == 2 else conv_cfg, conv_cfg, norm_cfg, dict(type=act)))
            inplanes = planes
            channels.append(planes)
        channels.append(self.last_channels[arch])
        self.add_module(f'layer{self.num_stages}', ConvModule(inplanes, channels[-1], 1, conv_cfg=conv_cfg, **hard))
        self.arrange(strides, [[(rate,)] for rate in rates])
        self.out_channels = tuple(channels[i] for i in self.out_indices)
        self.freeze_stages()

    def _check_layers(self) -> None:
        last = self.num_stages
        if not self.out_indices or not all(0 <= i <= last for i in self.out_indices):
            raise ConfigError(f'MobileNetV3: out_indices is {self.out_indices}; with arch={self.arch!r} it can hold 0 '
                              f'to {last}.')
        if not -1 <= self.frozen_stages <= last:
            raise ConfigError(f'MobileNetV3: frozen_stages is {self.frozen_stages}; it can be -1 to {last}.')

    @property
    def layers(self) -> list[nn.Module]:
        """The stem, the blocks and the last convolution."""
        return [getattr(self, f'layer{i}') for i in range(self.num_stages + 1)]

    @property
    def stages(self) -> list[list[nn.Module]]:
        """Each block as a stage of its own."""
        return [[block] for block in self.layers[1:-1]]

    def freeze_stages(self) -> None:
        """Put the layers up to ``frozen_stages`` into evaluation, without gradients."""
        for layer in self.layers[:self.frozen_stages + 1]:
            layer.eval()
            layer.requires_grad_(False)

    def forward(self, img: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) -> for each of ``out_indices`` (N, out_channels[i], H / s, W / s), rounded up."""
        outs, x = [], img
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)
