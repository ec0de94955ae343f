"""ResNet and its variants with another stem (V1c, V1s) and another shortcut (V1d)."""
from typing import Optional, Sequence, Union

from mmcv.cnn import build_conv_layer, build_norm_layer
from torch import Tensor, nn

from segkit.errors import refuse_uncalled
from segkit.models.backbones.residual_stages import ResidualStages
from segkit.models.backbones.resnet_blocks import BasicBlock, Bottleneck, ResidualBlock
from segkit.registry import BACKBONES


@BACKBONES.register_module()
class ResNet(ResidualStages):
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

    A stage's stride can sit in three places, which share the names of weights. Weights must be run with the ``style``
    that they were trained with, and no file says which that was. From stage to stage the stride reached is

    ===========  ===============================================  ===================  ====================
    ``style``    the stride of a stage is on                      ``output_stride=8``  ``output_stride=16``
    ===========  ===============================================  ===================  ====================
    'pytorch'    the 3x3 of its first block and the shortcut      4, 8, 8, 8           4, 8, 16, 16
    'caffe'      the first 1x1 of its first block and the         4, 8, 8, 8           4, 8, 16, 16
                 shortcut
    'slim'       the 3x3 of its last block, whose shortcut skips  8, 8, 8, 8           8, 16, 16, 16
                 pixels; the stages' strides are (2, 2, 2, 1)
    ===========  ===============================================  ===================  ====================

    With a stride denied, the convolutions behind that place have twice the rate: in 'pytorch' from the stage's second
    block on, in 'caffe' from its first, in 'slim' from the next stage's first. In evaluation 'slim' gives the last
    output of 'caffe' for less work, since what follows the last 3x3 of a stage works on single pixels; in training the
    batch norms there see a quarter of the pixels. 'pytorch' computes something else.

    Reference: He et al., Deep Residual Learning (2015), with the stride of a bottleneck on its 3x3 as in torchvision
    ('slim' is TensorFlow's resnet_v1); dilation and multi-grid as in Chen et al., Rethinking Atrous Convolution
    (2017), sections 3.1-3.2; parameter names as in MMSegmentation and torchvision.

    Args:
        depth: 18, 34, 50, 101 or 152.
        in_channels: Channels of the image.
        stem_channels: Channels after the stem; a deep stem has half as many in its first two convolutions.
        base_channels: Channels of the first stage's blocks; each later stage has twice as many.
        num_stages: How many stages are built, 1 to 4.
        strides: Stride of each stage. Default (1, 2, 2, 2), with ``style='slim'`` (2, 2, 2, 1).
        dilations: Rate of each stage. Default (1, 1, 1, 1).
        out_indices: The stages whose output is returned, counted from 0.
        style: Where a stage of bottlenecks has its stride: 'pytorch', 'caffe' or 'slim' (see the table).
        deep_stem: Three 3x3 convolutions instead of one 7x7.
        avg_down: Shortcuts average before a 1x1 convolution of stride 1.
        frozen_stages: Stages up to this one neither learn nor update statistics: 0 is the stem alone, 1 the stem and
            the first stage, ...; -1 freezes nothing.
        conv_cfg: Kind of convolution, for ``mmcv.cnn``; None is Conv2d.
        norm_cfg: Kind of normalisation, for ``mmcv.cnn``; None is plain batch norm.
        norm_eval: Batch norms always use their running statistics.
        multi_grid: Rates of the last stage's blocks (see the table); entries beyond the last block are not used.
        contract_dilation: Whether the first block of a dilated stage keeps the rate of the stage before. None: with
            ``output_stride``, where the weights need it ('pytorch'), else not. A stage with ``multi_grid``
            is never contracted.
        with_cp: Compute blocks again in the backward pass: less memory, more time, the same gradients.
        zero_init_residual: From random weights, each block starts as the identity.
        pretrained: Old form of ``init_cfg=dict(type='Pretrained', checkpoint=pretrained)``.
        init_cfg: How the weights start. Default: Kaiming.
        output_stride: By how much the last output is smaller than the image: 8, 16 or 32.
        ceil_mode: Whether the stem's max pooling rounds up: a grid of 2n pixels becomes n + 1 instead of n; one of
            2n + 1 becomes n + 1 either way.

    Shape:
        - Input: (N, in_channels, H, W).
        - Output: a tuple with, for each of ``out_indices``, (N, out_channels[i], H / s, W / s), rounded up, s being
          the stride reached at that stage; with ``ceil_mode`` it is what the pooled grid gives, at most one more.

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

    styles = ('pytorch', 'caffe', 'slim')
    arch_settings = {
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
                 output_stride: Optional[int] = None,
                 ceil_mode: bool = False) -> None:
        self.check_depth(depth)
        init_cfg = self.start_of(init_cfg, pretrained)
        block_init_cfg = None
        block = self.arch_settings[depth][0]
        if init_cfg is None:
            init_cfg = [
                dict(type='Kaiming', layer='Conv2d'),
                dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm'])
            ]
            if zero_init_residual:
                last_norm = 'norm2' if block is BasicBlock else 'norm3'
                block_init_cfg = dict(type='Constant', val=0, override=dict(name=last_norm))
        super().__init__(init_cfg)

        self.settle(depth, num_stages, out_indices, style, frozen_stages, norm_eval)
        self.deep_stem = deep_stem
        norm_cfg = dict(type='BN', requires_grad=True) if norm_cfg is None else norm_cfg
        strides, rates = self.plan(strides, dilations, output_stride, multi_grid, contract_dilation)

        def make_block(inplanes: int, planes: int, changes_shape: bool) -> ResidualBlock:
            shortcut = None
            if changes_shape:
                shortcut = self._shortcut(inplanes, planes * block.expansion, avg_down, conv_cfg, norm_cfg)
            return block(inplanes, planes, shortcut, style, with_cp, conv_cfg, norm_cfg, block_init_cfg)

        self._build_stem(in_channels, stem_channels, conv_cfg, norm_cfg)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=ceil_mode)
        self.add_stages(stem_channels, base_channels, strides, make_block)
        self.arrange(strides, rates)
        self.freeze_stages()

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
        return self.run_stages(self.maxpool(x))

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


@BACKBONES.register_module()
class ResNetV1s(ResNet):
    """ResNetV1c with twice the channels in its stem: 64, 64 and 128.

    Reference: GluonCV's resnet50_v1s and the networks of MIT's scene parsing, whose ImageNet weights
    (``resnet101-imagenet.pth``) can be given to ``init_cfg`` as they are: the names of their stems are understood.

    Args:
        depth: 18, 34, 50, 101 or 152.
        stem_channels: Channels after the stem; its first two convolutions have half as many.
        **kwargs: The other arguments of :class:`ResNet`.

    Shape:
        As :class:`ResNet`.

    Raises:
        ConfigError: As :class:`ResNet`.
    """

    def __init__(self, depth: int, stem_channels: int = 128, **kwargs) -> None:
        super().__init__(depth, stem_channels=stem_channels, deep_stem=True, avg_down=False, **kwargs)
