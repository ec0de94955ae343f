"""From an output stride to the stride of every stage and the rate of every block."""
from typing import Optional, Sequence

from segkit.errors import ConfigError


def stage_strides(output_stride: int, natural: Sequence[int], stem_stride: int) -> list[int]:
    """The stride of each stage, so that none shrinks the image below ``1 / output_stride``.

    Args:
        output_stride: 8, 16 or 32.
        natural: The stride that each stage has in the network for ImageNet.
        stem_stride: By how much the image has shrunk before the first stage.

    Raises:
        ConfigError: If ``output_stride`` is not 8, 16 or 32.
    """
    if output_stride not in (8, 16, 32):
        raise ConfigError(f'model.backbone.output_stride is {output_stride!r}; it can be 8, 16 or 32.')
    strides, reached = [], stem_stride
    for stride in natural:
        stride = stride if reached * stride <= output_stride else 1
        reached *= stride
        strides.append(stride)
    return strides


def stage_rates(strides: Sequence[int], natural: Sequence[int], stride_in_last: bool = False) -> list[int]:
    """The rate of each stage: doubled from each stage on that was denied its natural stride.

    Args:
        strides: The stride of each stage.
        natural: The stride that each stage has in the network for ImageNet.
        stride_in_last: Whether a stage's stride is in its last block; then only the stages behind have the new grid.
    """
    rates, rate = [], 1
    for wanted, stride in zip(natural, strides):
        before, rate = rate, rate * wanted // stride
        rates.append(before if stride_in_last else rate)
    return rates


def block_rates(num_blocks: int, rate: int, contract: bool = False,
                grid: Optional[Sequence[int]] = None) -> list[int]:
    """The rate of each block of a stage.

    Args:
        num_blocks: Blocks of the stage.
        rate: The stage's rate; with ``grid``, what the grid is multiplied by.
        contract: Whether the first block keeps the rate of the stage before, half of this one's.
        grid: A rate for each block; the first block then has its own and is not contracted.
    """
    if grid is not None:
        return [rate * g for g in grid[:num_blocks]]
    return [max(rate // 2, 1) if contract else rate] + [rate] * (num_blocks - 1)
