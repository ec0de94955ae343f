"""What becomes of a file of another project."""
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Optional

from torch import Tensor, nn

from segkit.checkpoint.layouts import layout_of
from segkit.errors import CheckpointError

Outputs = dict[str, Tensor]
CLASSIFIER = 'decode_head.conv_seg.weight'


@dataclass(frozen=True)
class Plan:
    """How a file is read, and what it is then.

    Attributes:
        what: The network, in words.
        rules: Beginnings of the file's keys, and what stands there instead; the longest that fits counts.
        config: Config file below configs/, of the network that computes the same; None where the user has to give it.
        changes: Overrides of that config.
        backbone: For a file of a backbone alone, its config; then ``config`` is not used.
        left_out: Beginnings of keys that have no place in such a network, and why.
        leaves: Last parts of keys, and what they are called here.
        style: Where the source has a stage's stride: 'pytorch' on a 3x3, 'caffe' on the 1x1 ahead of it; None where
            there is one place only.
        value: What a tensor is here, from its key in the file and the tensor.
        reference: Builds the source's own network from the file's weights and our network, which tells what the file
            does not, such as the output stride: a function from an image (1, 3, H, W), as the network sees it, to the
            scores (1, K, H, W) of each head, by its name here, or to 'backbone' alone. None where it cannot be built
            from a package; ``no_reference`` says why.
        no_reference: Why there is none.
    """

    what: str
    rules: Mapping[str, str]
    config: Optional[str] = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    backbone: Optional[dict] = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    leaves: Mapping[str, str] = field(default_factory=dict)
    style: Optional[str] = None
    value: Callable[[str, Tensor], Tensor] = lambda key, tensor: tensor
    reference: Optional[Callable[[Mapping[str, Tensor], nn.Module], Callable[[Tensor], Outputs]]] = None
    no_reference: str = ''

    def name_of(self, key: str) -> Optional[str]:
        """Our name of a key of the file; None where it has no place or is left out."""
        if self.reason_of(key):
            return None
        old = max((old for old in self.rules if key.startswith(old)), key=len, default=None)
        if old is None:
            return None
        place, _, leaf = (self.rules[old] + key[len(old):]).rpartition('.')
        return f'{place}.{self.leaves.get(leaf, leaf)}' if place else self.leaves.get(leaf, leaf)

    def reason_of(self, key: str) -> str:
        """Why a key is left out; empty where it is not."""
        return next((why for start, why in self.left_out.items() if key.startswith(start)), '')


def projection_head(branches: str, project: str, names: Mapping[str, str], pool: str = '4.') -> dict[str, str]:
    """The rules of a DeepLabV3 head in torchvision's form, which GluonCV and segmentation_models_pytorch have too.

    Args:
        branches: Beginning of the keys of the pyramid's branches, numbered from 0.
        project: Beginning of those of the projection: convolution 0, norm 1.
        names: Beginnings of the keys of ``block.conv``, ``block.bn`` and ``conv_seg``.
        pool: The image pool's branch: convolution 1, norm 2.
    """
    rules = {f'{project}0.': 'project.conv.', f'{project}1.': 'project.bn.',
             f'{branches}{pool}1.': 'image_pool.1.conv.', f'{branches}{pool}2.': 'image_pool.1.bn.'}
    for i in range(4):
        rules |= {f'{branches}{i}.0.': f'aspp_modules.{i}.conv.', f'{branches}{i}.1.': f'aspp_modules.{i}.bn.'}
    rules |= {theirs: f'{ours}.' for ours, theirs in names.items()}
    return {theirs: f'decode_head.{ours}' for theirs, ours in rules.items()}


def package(name: str, pip: str) -> ModuleType:
    """Import what a proof runs.

    Raises:
        CheckpointError: If it is not installed, or does not go with the torch that is.
    """
    try:
        return importlib.import_module(name)
    except Exception as error:  # a torchvision built for another torch fails with a RuntimeError
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f'The proof runs {pip} itself, which does not import here: {reason}.\n'
                              f'pip install {pip}, or --no-proof imports without it.') from error


def load_source(net: nn.Module, weights: Mapping[str, Tensor], what: str, left_out: tuple[str, ...] = ()) -> None:
    """Give the source's own network a file's weights, for prediction.

    Args:
        net: The network.
        weights: The file's, in any order.
        what: What the network is called.
        left_out: Beginnings of keys that are not compared: the file's are not read, and the network's may be missing.

    Raises:
        CheckpointError: If the others do not fit, with what torch says of them.
    """
    given = {key: value for key, value in weights.items() if not key.startswith(left_out)}
    own = {key: value for key, value in net.state_dict().items() if key.startswith(left_out)}
    try:
        net.load_state_dict({**given, **own})
    except RuntimeError as error:
        first = ' '.join(str(error).split())[:300]
        raise CheckpointError(f"The proof: the file's weights do not fit {what} as the package installed here builds "
                              f'it: {first}\n--no-proof imports without it.') from error
    net.eval()


def not_this(source: str, weights: Mapping[str, Tensor], expected: str) -> CheckpointError:
    """The error for a file whose keys are not those of the source.

    Args:
        source: What the user named.
        weights: The file's.
        expected: Which keys would be.
    """
    found = layout_of(weights)
    keys = ', '.join(list(weights)[:3])
    return CheckpointError(f'The file has not the keys of {source}: {expected}.\n'
                           + (f'It is {found}: name the source that it comes from.' if found else
                              f'Its keys: {keys}{", ..." if len(weights) > 3 else ""}'))
