"""The two residual blocks of ResNet, whose stride and rates can be changed after they are built."""
from typing import Optional, Sequence

from mmcv.cnn import build_conv_layer, build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from segkit.models.layers.recomputed import recomputed


class ResidualBlock(BaseModule):
    """What both blocks share: the sum, its memory-saving form, and the change of stride and rates.

    Args:
        with_cp: Compute the block again in the backward pass instead of keeping its activations.
        init_cfg: As for every MMEngine module.

    Attributes:
        downsample: Brings the input to the channels of the output; None where it has as many already.
    """

    expansion: int
    downsample: Optional[nn.Sequential]

    def __init__(self, with_cp: bool, init_cfg: Optional[dict]) -> None:
        super().__init__(init_cfg)
        self.with_cp = with_cp
        self.relu = nn.ReLU(inplace=True)
        self.skip_stride = 1

    @property
    def strided_conv(self) -> nn.Conv2d:
        """The convolution that carries the block's stride."""
        raise NotImplementedError

    @property
    def spatial_convs(self) -> tuple[nn.Conv2d, ...]:
        """The 3x3 convolutions, in the order of computation."""
        raise NotImplementedError

    @property
    def rates(self) -> tuple[int, ...]:
        """The dilation of each 3x3 convolution."""
        return tuple(conv.dilation[0] for conv in self.spatial_convs)

    def set_stride(self, stride: int) -> None:
        """Place ``stride`` on the strided convolution and on the shortcut."""
        self.strided_conv.stride = (stride, stride)
        if self.downsample is None:
            self.skip_stride = stride
            return
        first = self.downsample[0]
        first.stride = (stride, stride)
        if isinstance(first, nn.AvgPool2d):
            first.kernel_size = (stride, stride)

    def set_rates(self, rates: Sequence[int]) -> None:
        """Give each 3x3 convolution its dilation, and the padding that keeps the size."""
        for conv, rate in zip(self.spatial_convs, rates, strict=True):
            conv.dilation = conv.padding = (rate, rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, planes * expansion, H / stride, W / stride), rounded up."""
        return recomputed(self, self._residual, x) if self.with_cp else self._residual(x)

    def _residual(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def shortcut(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> the shape of the output; without ``downsample`` a stride skips pixels."""
        if self.downsample is not None:
            return self.downsample(x)
        return x if self.skip_stride == 1 else x[..., ::self.skip_stride, ::self.skip_stride]

    def extra_repr(self) -> str:
        return '' if self.skip_stride == 1 else f'skip_stride={self.skip_stride}'


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions (ResNet-18 and 34); the first carries the stride.

    Args:
        inplanes: Channels of the input.
        planes: Channels of both convolutions.
        downsample: Brings the input to the channels of the output; None where it has as many already.
        with_cp, init_cfg: See :class:`ResidualBlock`.
        style: Accepted for likeness with :class:`Bottleneck`; there is only one place for the stride.
        conv_cfg: Kind of convolution, for ``mmcv.cnn``; None is Conv2d.
        norm_cfg: Kind of normalisation, for ``mmcv.cnn``.

    Shape:
        (N, inplanes, H, W) -> (N, planes, H / stride, W / stride).
    """

    expansion = 1

    def __init__(self, inplanes: int, planes: int, downsample: Optional[nn.Sequential], style: str, with_cp: bool,
                 conv_cfg: Optional[dict], norm_cfg: dict, init_cfg: Optional[dict] = None) -> None:
        super().__init__(with_cp, init_cfg)
        self.conv1 = build_conv_layer(conv_cfg, inplanes, planes, 3, padding=1, bias=False)
        self.norm1_name, norm1 = build_norm_layer(norm_cfg, planes, postfix=1)
        self.add_module(self.norm1_name, norm1)
        self.conv2 = build_conv_layer(conv_cfg, planes, planes, 3, padding=1, bias=False)
        self.norm2_name, norm2 = build_norm_layer(norm_cfg, planes, postfix=2)
        self.add_module(self.norm2_name, norm2)
        self.downsample = downsample

    @property
    def norm1(self) -> nn.Module:
        return getattr(self, self.norm1_name)

    @property
    def norm2(self) -> nn.Module:
        return getattr(self, self.norm2_name)

    @property
    def strided_conv(self) -> nn.Conv2d:
        return self.conv1

    @property
    def spatial_convs(self) -> tuple[nn.Conv2d, ...]:
        return self.conv1, self.conv2

    def _residual(self, x: Tensor) -> Tensor:
        out = self.relu(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        out += self.shortcut(x)
        return self.relu(out)


class Bottleneck(ResidualBlock):
    """1x1, 3x3 and 1x1 convolutions (ResNet-50 and deeper).

    Args:
        inplanes: Channels of the input.
        planes: Channels of the 3x3 convolution; the output has four times as many.
        downsample: Brings the input to the channels of the output; None where it has as many already.
        with_cp, init_cfg: See :class:`ResidualBlock`.
        style: 'caffe' places the stride on the first 1x1, every other on the 3x3.
        conv_cfg: Kind of convolution, for ``mmcv.cnn``; None is Conv2d.
        norm_cfg: Kind of normalisation, for ``mmcv.cnn``.

    Shape:
        (N, inplanes, H, W) -> (N, 4 * planes, H / stride, W / stride).
    """

    expansion = 4

    def __init__(self, inplanes: int, planes: int, downsample: Optional[nn.Sequential], style: str, with_cp: bool,
                 conv_cfg: Optional[dict], norm_cfg: dict, init_cfg: Optional[dict] = None) -> None:
        super().__init__(with_cp, init_cfg)
        self.style = style
        self.conv1 = build_conv_layer(conv_cfg, inplanes, planes, 1, bias=False)
        self.norm1_name, norm1 = build_norm_layer(norm_cfg, planes, postfix=1)
        self.add_module(self.norm1_name, norm1)
        self.conv2 = build_conv_layer(conv_cfg, planes, planes, 3, padding=1, bias=False)
        self.norm2_name, norm2 = build_norm_layer(norm_cfg, planes, postfix=2)
        self.add_module(self.norm2_name, norm2)
        self.conv3 = build_conv_layer(conv_cfg, planes, planes * self.expansion, 1, bias=False)
        self.norm3_name, norm3 = build_norm_layer(norm_cfg, planes * self.expansion, postfix=3)
        self.add_module(self.norm3_name, norm3)
        self.downsample = downsample

    @property
    def norm1(self) -> nn.Module:
        return getattr(self, self.norm1_name)

    @property
    def norm2(self) -> nn.Module:
        return getattr(self, self.norm2_name)

    @property
    def norm3(self) -> nn.Module:
        return getattr(self, self.norm3_name)

    @property
    def strided_conv(self) -> nn.Conv2d:
        return self.conv1 if self.style == 'caffe' else self.conv2

    @property
    def spatial_convs(self) -> tuple[nn.Conv2d, ...]:
        return (self.conv2,)

    def _residual(self, x: Tensor) -> Tensor:
        out = self.relu(self.norm1(self.conv1(x)))
        out = self.relu(self.norm2(self.conv2(out)))
        out = self.norm3(self.conv3(out))
        out += self.shortcut(x)
        return self.relu(out)
