"""Random files of weights under the names of a source, with batch norms that do not only scale and shift."""
import torch
from torch import Tensor

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


class Draw:
    """Collects tensors by key, all from one generator.

    Args:
        leaves: What a norm's four tensors are called: weight, bias, mean, variance.
        counted: Whether a norm counts its batches.
        signed: Whether a norm's weights may be negative, as InPlaceABN's may.
    """

    def __init__(self, leaves: tuple[str, ...] = ('weight', 'bias', 'running_mean', 'running_var'),
                 counted: bool = True, signed: bool = False) -> None:
        self.draw = torch.Generator().manual_seed(0)
        self.leaves, self.counted, self.signed = leaves, counted, signed
        self.weights: dict[str, Tensor] = {}

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.draw)

    def conv(self, name: str, out: int, into: int, size: int, bias: bool = False) -> None:
        self.weights[f'{name}.weight'] = self._normal(out, into, size, size) / (into * size * size / 2)**0.5
        if bias:
            self.weights[f'{name}.bias'] = 0.1 * self._normal(out)

    def norm(self, name: str, width: int, factor: float = 1.0) -> None:
        scale = factor * (torch.rand(width, generator=self.draw) + 0.5)
        if self.signed:
            scale = scale * self._normal(width).sign()
        values = (scale, 0.1 * self._normal(width), 0.1 * self._normal(width),
                  torch.rand(width, generator=self.draw) + 0.5)
        self.weights |= {f'{name}.{leaf}': value for leaf, value in zip(self.leaves, values)}
        if self.counted:
            self.weights[f'{name}.num_batches_tracked'] = torch.tensor(3)

    def pair(self, conv: str, norm: str, out: int, into: int, size: int, bias: bool = False,
             factor: float = 1.0) -> None:
        self.conv(conv, out, into, size, bias)
        self.norm(norm, out, factor)

    def bottlenecks(self, depth: int, inplanes: int, prefix: str = '') -> None:
        """``layer1`` to ``layer4`` of a ResNet."""
        for stage, count in enumerate(BLOCKS[depth]):
            planes = 64 * 2**stage
            for block in range(count):
                name = f'{prefix}layer{stage + 1}.{block}'
                self.pair(f'{name}.conv1', f'{name}.bn1', planes, inplanes, 1)
                self.pair(f'{name}.conv2', f'{name}.bn2', planes, planes, 3)
                # What a block adds is small, so that a hundred of them do not grow beyond float's range.
                self.pair(f'{name}.conv3', f'{name}.bn3', 4 * planes, planes, 1, factor=0.25)
                if block == 0:
                    self.pair(f'{name}.downsample.0', f'{name}.downsample.1', 4 * planes, inplanes, 1)
                inplanes = 4 * planes
