"""What ResNet and ResNetV2 share: the plan of strides and rates, and the building of the stages."""
from typing import Callable, Optional, Sequence

from mmengine.model import Sequential
from torch import Tensor

from segkit.errors import ConfigError
from segkit.models.backbones.resnet_blocks import BasicBlock, ResidualBlock
from segkit.models.backbones.stride_plan import block_rates, stage_rates, stage_strides
from segkit.models.backbones.strided_stages import StridedStages


class ResidualStages(StridedStages):
    """Base of the backbones with four stages of residual blocks.

    Attributes:
        styles (tuple[str]): The places that a stage's stride can have here: 'pytorch' is the 3x3 of its first block,
            'caffe' the 1x1 ahead of that, 'slim' the 3x3 of its last block.
        arch_settings (dict): Depth -> kind of block, and blocks of each stage.
        stage_blocks (tuple[int]): Blocks of each built stage.
        block (type): Kind of block.
    """

    stem_stride = 4  # the first convolution and the max pooling halve the size once each
    natural_strides = (1, 2, 2, 2)
    styles: tuple[str, ...]
    arch_settings: dict[int, tuple[type[ResidualBlock], tuple[int, ...]]]

    def settle(self, depth: int, num_stages: int, out_indices: Sequence[int], style: str, frozen_stages: int,
               norm_eval: bool) -> None:
        """Check and keep what the stages are built and run with.

        Raises:
            ConfigError: If a value is out of its range.
        """
        name = type(self).__name__
        self.block, blocks = self.arch_settings[depth]
        if num_stages not in (1, 2, 3, 4):
            raise ConfigError(f'{name}: num_stages is {num_stages!r}; it can be 1 to 4.')
        if style not in self.styles:
            raise ConfigError(f'{name}: style is {style!r}; it can be {" or ".join(map(repr, self.styles))}.')
        if style == 'slim' and self.block is BasicBlock:
            raise ConfigError(f"{name}: style='slim' needs bottlenecks, which depth={depth} has not.\n"
                              "Set model.backbone.depth to 50 or more, or model.backbone.style='pytorch'.")
        self.style = style
        self.stride_in_last = style == 'slim'
        if self.stride_in_last:  # the same strides of the whole, one stage earlier
            self.natural_strides = (*type(self).natural_strides[1:], 1)
        self.num_stages = num_stages
        self.stage_blocks = blocks[:num_stages]
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.check_stages()

    @classmethod
    def check_depth(cls, depth: int) -> None:
        """Refuse a depth that is not there.

        Raises:
            ConfigError: Listing those that are.
        """
        if depth not in cls.arch_settings:
            raise ConfigError(f'{cls.__name__}: depth is {depth!r}; it can be '
                              f'{", ".join(map(str, cls.arch_settings))}. Set model.backbone.depth.')

    def plan(self, strides: Optional[Sequence[int]], dilations: Optional[Sequence[int]], output_stride: Optional[int],
             multi_grid: Optional[Sequence[int]],
             contract: Optional[bool]) -> tuple[list[int], list[list[tuple[int, ...]]]]:
        """Each stage's stride, and for each stage and block the rates of its 3x3 convolutions."""
        name, num_stages = type(self).__name__, self.num_stages
        by_knob = output_stride is not None
        if by_knob and (strides is not None or dilations is not None):
            raise ConfigError(f'{name}: output_stride={output_stride} sets the strides and dilations, and '
                              f'strides={strides}, dilations={dilations} were given too.\n'
                              'Keep either model.backbone.output_stride or the other two.')
        if by_knob:
            strides = stage_strides(output_stride, self.natural_strides[:num_stages], self.stem_stride)
            dilations = stage_rates(strides, self.natural_strides, self.stride_in_last)
            # A first block with the stride on its 3x3 still reads the grid of the stage before there; with the stride
            # ahead of it ('caffe', 'slim') it does not, and its first rate must be the stage's own.
            contract = self.style == 'pytorch' if contract is None else contract
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
            if issubclass(self.block, BasicBlock):
                second = block_rates(num_blocks, rate, False, grid) if by_knob else [1] * num_blocks
                rates.append(list(zip(first, second)))
            else:
                rates.append([(a,) for a in first])
        return list(strides), rates

    def add_stages(self, inplanes: int, base_channels: int, strides: Sequence[int],
                   make_block: Callable[[int, int, bool], ResidualBlock]) -> None:
        """Build ``layer1``, ``layer2``, ...

        Args:
            inplanes: Channels behind the stem.
            base_channels: Channels of the first stage's blocks; each later stage has twice as many.
            strides: Stride of each stage.
            make_block: From channels of the input, channels of the block and whether its shortcut has a convolution.
        """
        for i, num_blocks in enumerate(self.stage_blocks):
            planes, blocks = base_channels * 2**i, []
            for j in range(num_blocks):
                strided = j == 0 and strides[i] != 1 and not self.stride_in_last
                blocks.append(make_block(inplanes, planes, strided or inplanes != planes * self.block.expansion))
                inplanes = planes * self.block.expansion
            self.add_module(f'layer{i + 1}', Sequential(*blocks))  # MMEngine's hands init_weights on to the blocks
        self.out_channels = tuple(base_channels * 2**i * self.block.expansion for i in self.out_indices)
        self.unbuilt = tuple(f'layer{i + 1}.' for i in range(self.num_stages, 4))  # a pretrained file has these too

    def run_stages(self, x: Tensor) -> tuple[Tensor, ...]:
        """The output of the stem, (N, C, h, w) -> for each of ``out_indices`` that stage's output."""
        outs = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)
