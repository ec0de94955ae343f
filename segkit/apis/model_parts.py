"""The parts of a network: the backbone, each head, and how many parameters each has."""
from collections.abc import Iterator
from typing import NamedTuple

from torch import nn


class Part(NamedTuple):
    """A part of a network that has parameters.

    Attributes:
        name: Its place in the model, such as 'auxiliary_head'; a list of heads is one part.
        kinds: Names of its classes, each once.
        learning: Number of the parameters that a training moves.
        frozen: Number of the others.
    """
    name: str
    kinds: tuple[str, ...]
    learning: int
    frozen: int

    @property
    def parameters(self) -> int:
        """All of them."""
        return self.learning + self.frozen


def parts_of(model: nn.Module) -> Iterator[Part]:
    """The direct children of a segmentor that have parameters, in the order in which they were made."""
    for name, module in model.named_children():
        learning, frozen = (sum(p.numel() for p in module.parameters() if p.requires_grad is wanted)
                            for wanted in (True, False))
        if learning or frozen:
            several = module if isinstance(module, nn.ModuleList) else [module]
            yield Part(name, tuple(dict.fromkeys(type(one).__name__ for one in several)), learning, frozen)
