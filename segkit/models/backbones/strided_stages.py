"""What backbones share whose stages can trade their stride for dilation."""
from typing import Optional, Sequence, Union

from mmengine.model import BaseModule
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from segkit.errors import ConfigError
from segkit.models.backbones.stride_plan import stage_strides


class StridedStages(BaseModule):
    """Base of the backbones made of a stem and of stages of residual blocks, ``layer1``, ``layer2``, ...

    A block has ``strided_conv``, the convolution with its stride, ``spatial_convs``, those with a rate, and
    ``set_stride`` and ``set_rates``.

    Attributes:
        stem_stride (int): By how much the stem shrinks the image.
        natural_strides (tuple[int]): The stages' strides in the network for ImageNet.
        stride_in_last (bool): Whether a stage's stride is in its last block; else it is in the first.
        num_stages (int): How many stages are built.
        output_stride (int): The stride reached after the last stage.
        frozen_stages, norm_eval, out_indices: As each backbone's arguments say.
    """

    stem_stride: int
    natural_strides: tuple[int, ...]
    stride_in_last = False

    @property
    def stages(self) -> list[nn.Module]:
        """The built stages, in order."""
        return [getattr(self, f'layer{i + 1}') for i in range(self.num_stages)]

    @property
    def stem_modules(self) -> list[nn.Module]:
        """What comes before the stages and has parameters."""
        raise NotImplementedError

    @classmethod
    def start_of(cls, init_cfg: Union[None, dict, list], pretrained: Optional[str]) -> Union[None, dict, list]:
        """``init_cfg`` with the older key ``pretrained`` taken in.

        Raises:
            ConfigError: If both are given.
        """
        if pretrained is None:
            return init_cfg
        if init_cfg is not None:
            raise ConfigError(f'{cls.__name__}: both init_cfg and pretrained ({pretrained!r}) say how the '
                              'weights start.\nKeep model.backbone.init_cfg and drop model.backbone.pretrained.')
        return dict(type='Pretrained', checkpoint=pretrained)

    def check_stages(self) -> None:
        """Refuse indices of stages that are not there.

        Raises:
            ConfigError: Naming the argument.
        """
        name, last = type(self).__name__, self.num_stages - 1
        if not self.out_indices or not all(0 <= i <= last for i in self.out_indices):
            raise ConfigError(f'{name}: out_indices is {self.out_indices}; with num_stages={self.num_stages} it can '
                              f'hold 0 to {last}.')
        if not -1 <= self.frozen_stages <= self.num_stages:
            raise ConfigError(f'{name}: frozen_stages is {self.frozen_stages}; it can be -1 to {self.num_stages}.')

    def arrange(self, strides: Sequence[int], rates: Sequence[Sequence[Sequence[int]]]) -> None:
        """Give each stage its stride, and each block the rates of its convolutions."""
        self.output_stride = self.stem_stride
        for stage, stride, rates_here in zip(self.stages, strides, rates):
            for block, block_stride, block_rates in zip(stage, self._block_strides(stage, stride), rates_here):
                block.set_stride(block_stride)
                block.set_rates(block_rates)
            self.output_stride *= stride

    def _block_strides(self, stage: nn.Module, stride: int) -> list[int]:
        others = [1] * (len(stage) - 1)
        return [*others, stride] if self.stride_in_last else [stride, *others]

    def set_output_stride(self, output_stride: int) -> None:
        """Let the same weights compute the same function on a finer or coarser grid, in place.

        Every convolution keeps its spacing in pixels of the image: one that reads a grid twice as fine gets twice
        the rate. From 16 to 8 and back that is what ``output_stride`` would have built. The averaging shortcuts of
        V1d have no such equivalent; their window shrinks with the stride.

        Raises:
            ConfigError: If a rate would not be a whole number.
        """
        strides, rates = stage_strides(output_stride, self.natural_strides[:self.num_stages], self.stem_stride), []
        old_grid = new_grid = self.stem_stride
        for stage, stride in zip(self.stages, strides):
            rates.append([])
            for block, new_stride in zip(stage, self._block_strides(stage, stride)):
                old_stride = block.strided_conv.stride[0]
                new_rates = []
                for conv in block.spatial_convs:
                    ahead = conv is block.strided_conv  # it reads the grid ahead of the stride
                    old, new = (old_grid, new_grid) if ahead else (old_grid * old_stride, new_grid * new_stride)
                    spacing = conv.dilation[0] * old
                    if spacing % new:
                        raise ConfigError(
                            f'{type(self).__name__}: a convolution with rate {conv.dilation[0]} at stride {old} has '
                            f'no equal at stride {new}.\nFor output_stride={output_stride} build the model with it.')
                    new_rates.append(spacing // new)
                rates[-1].append(new_rates)
                old_grid, new_grid = old_grid * old_stride, new_grid * new_stride
        self.arrange(strides, rates)

    def train(self, mode: bool = True) -> 'StridedStages':
        """Switch to training or evaluation; frozen parts and, with ``norm_eval``, batch norms stay in evaluation."""
        super().train(mode)
        self.freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def freeze_stages(self) -> None:
        """Put the stem and the first ``frozen_stages`` stages into evaluation, without gradients."""
        if self.frozen_stages < 0:
            return
        for module in self.stem_modules + self.stages[:self.frozen_stages]:
            module.eval()
            module.requires_grad_(False)
