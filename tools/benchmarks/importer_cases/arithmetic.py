"""Networks of sources that no package holds, in functions alone, from their descriptions and their key names."""
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


class Arithmetic:
    """Layers by the names of their weights.

    Args:
        weights: The source's file.
        leaves: What a norm's weight and bias are called there.
        in_place: Whether norms multiply by the absolute value of their weight and 1e-5, as InPlaceABN does.
    """

    def __init__(self, weights: Mapping[str, Tensor], leaves: Sequence[str] = ('weight', 'bias'),
                 in_place: bool = False) -> None:
        self.weights, self.leaves, self.in_place = weights, leaves, in_place

    def conv(self, x: Tensor, name: str, stride: int = 1, rate: int = 1, groups: int = 1) -> Tensor:
        """A convolution whose padding keeps the size at stride 1."""
        weight = self.weights[f'{name}.weight']
        return F.conv2d(x, weight, self.weights.get(f'{name}.bias'), stride, weight.shape[-1] // 2 * rate, rate, groups)

    def norm(self, x: Tensor, name: str) -> Tensor:
        scale, shift = (self.weights[f'{name}.{leaf}'] for leaf in self.leaves)
        mean, variance = (self.weights[f'{name}.running_{what}'] for what in ('mean', 'var'))
        if self.in_place:
            scale = scale.abs() + 1e-5
        shape = (1, -1, 1, 1)
        return ((x - mean.view(shape)) / (variance.view(shape) + 1e-5).sqrt()) * scale.view(shape) + shift.view(shape)

    def layer(self, x: Tensor, conv: str, norm: str, act: Callable[[Tensor], Tensor] = F.relu, stride: int = 1,
              rate: int = 1) -> Tensor:
        return act(self.norm(self.conv(x, conv, stride, rate), norm))

    def bottleneck(self, x: Tensor, name: str, stride: int, rate: int, stride_first: bool) -> Tensor:
        out = self.layer(x, f'{name}.conv1', f'{name}.bn1', stride=stride if stride_first else 1)
        out = self.layer(out, f'{name}.conv2', f'{name}.bn2', stride=1 if stride_first else stride, rate=rate)
        out = self.norm(self.conv(out, f'{name}.conv3'), f'{name}.bn3')
        if f'{name}.downsample.0.weight' in self.weights:
            x = self.norm(self.conv(x, f'{name}.downsample.0', stride), f'{name}.downsample.1')
        return F.relu(out + x)

    def stages(self, x: Tensor, prefix: str = '', stride_first: bool = False, contract: bool = False) -> list[Tensor]:
        """The four stages at output stride 8: strides 1, 2, 1, 1 and rates 1, 1, 2, 4.

        With ``contract`` the first block of a dilated stage has the rate of the stage before.
        """
        maps = []
        for stage, (stride, rate) in enumerate(((1, 1), (2, 1), (1, 2), (1, 4)), start=1):
            block = 0
            while f'{prefix}layer{stage}.{block}.conv1.weight' in self.weights:
                first = block == 0
                x = self.bottleneck(x, f'{prefix}layer{stage}.{block}', stride if first else 1,
                                    max(rate // 2, 1) if first and contract else rate, stride_first)
                block += 1
            maps.append(x)
        return maps


def corners(x: Tensor, like: Tensor) -> Tensor:
    """Resize to another map's size, corners on corners."""
    return F.interpolate(x, like.shape[-2:], mode='bilinear', align_corners=True)


def pooled(x: Tensor, cells: int, layer: Callable[[Tensor], Tensor]) -> Tensor:
    """Means over a grid of cells, a layer, and back to the size of the map."""
    return corners(layer(F.adaptive_avg_pool2d(x, cells)), x)


def stacked(*maps: Tensor) -> Tensor:
    return torch.cat(maps, dim=1)
