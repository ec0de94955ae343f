"""What the modules of a network give for an image, and where in it a class is seen."""
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from segkit import ops
from segkit.config.schema import nearest
from segkit.errors import ConfigError


def layer_name(model: nn.Module, name: str) -> str:
    """The name of a module as PyTorch writes it: ``backbone.layer4[1]`` becomes ``backbone.layer4.1``.

    Raises:
        ConfigError: If the model has no such module; with the nearest names.
    """
    plain = re.sub(r'\[(\d+)\]', r'.\1', name)
    known = [known for known, _ in model.named_modules() if known]
    if plain not in known:
        parent = plain
        while parent and parent not in known:
            parent = parent.rpartition('.')[0]
        inside = [child for child, _ in (model.get_submodule(parent) if parent else model).named_children()]
        near = nearest(plain, known)
        raise ConfigError(f"--layers {name}: the model has no module of that name."
                          + (f' Nearest: {", ".join(near)}.' if near else '')
                          + f'\nIn {parent or "the model"}: {", ".join(inside) or "nothing"}.')
    return plain


def class_index(classes: Sequence[str], name: str) -> int:
    """The number of a class, from its name or its number.

    Raises:
        ConfigError: If there is none; with the nearest names.
    """
    if name in classes:
        return list(classes).index(name)
    if name.isdigit() and int(name) < len(classes):
        return int(name)
    near = nearest(name, classes)
    raise ConfigError(f'--target {name}: the model knows no such class.'
                      + (f' Nearest: {", ".join(near)}.' if near else '')
                      + f'\nIt knows: {", ".join(f"{i} {one}" for i, one in enumerate(classes))[:300]}')


@contextmanager
def captured(model: nn.Module, layers: Sequence[str], gradients: bool = False) -> Iterator[dict[str, Tensor]]:
    """Keep what modules give in the first run inside the block.

    Args:
        model: The network.
        layers: Names of modules, as PyTorch writes them.
        gradients: Whether what is kept is part of the graph, to take gradients for it.

    Returns:
        Name to (N, C, h, w), filled while the network runs; of several maps the last one.

    Raises:
        ConfigError: Inside the block, where a module gives no feature map.
    """
    kept: dict[str, Tensor] = {}
    handles = []

    def keep(name: str) -> Any:
        def hook(module: nn.Module, given: Any, output: Any) -> Any:
            several = isinstance(output, (list, tuple))
            last = output[-1] if several and output else output
            if not isinstance(last, Tensor) or last.dim() != 4:
                shape = f'a tensor of {last.dim()} dimensions' if isinstance(last, Tensor) else type(last).__name__
                raise ConfigError(f'--layers {name}: {type(module).__name__} gives {shape}, no feature map (N, C, h, '
                                  'w).\nName a module in it.')
            if name in kept:
                return None
            kept[name] = last
            # What follows may write into its input (a ReLU in place), so it gets a copy.
            passed = last.clone()
            if not gradients:
                kept[name] = last.detach()
            return type(output)([*output[:-1], passed]) if several else passed
        return hook

    for name in layers:
        handles.append(model.get_submodule(name).register_forward_hook(keep(name)))
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def scores_and_maps(model: nn.Module, inputs: Tensor, layers: Sequence[str],
                    gradients: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
    """Run the network on a whole image.

    Args:
        model: A segmentor in eval mode.
        inputs: (1, 3, H, W) as the preprocessor gives it.
        layers: Names of modules.
        gradients: Whether to keep the graph behind them.

    Returns:
        Scores (K, H, W) at the input's size, and each module's (C, h, w) or, with ``gradients``, (1, C, h, w).

    Raises:
        ConfigError: If a module does not run in a prediction.
    """
    with captured(model, layers, gradients) as kept, torch.set_grad_enabled(gradients):
        logits = model(inputs.clone().requires_grad_(gradients), mode='tensor')
        logits = ops.resize_logits(logits, tuple(inputs.shape[-2:]), getattr(model, 'align_corners', False))
    missing = [name for name in layers if name not in kept]
    if missing:
        raise ConfigError(f'--layers {missing[0]}: it does not run in a prediction (auxiliary heads only train).')
    return logits[0], kept if gradients else {name: value[0] for name, value in kept.items()}


def seg_grad_cam(model: nn.Module, inputs: Tensor, layers: Sequence[str], target: int,
                 whole: bool = False) -> tuple[dict[str, Tensor], int]:
    """Where in an image modules see a class.

    A module's maps A_k are added up with the weights a_k, the mean over its positions of the gradient of y for A_k,
    where y is the sum of the class's scores over the pixels that are predicted as it; what is below 0 becomes 0.

    Reference:
        Vinogradova et al., "Towards Interpretable Semantic Segmentation via Gradient-Weighted Class Activation
        Mapping", AAAI 2020 (Seg-Grad-CAM), with the set of pixels that MMSegmentation's tool takes. Gradients flow
        through the resizing to the input's size, as there.

    Args:
        model: A segmentor in eval mode.
        inputs: (1, 3, H, W) as the preprocessor gives it.
        layers: Names of modules.
        target: The class.
        whole: Take the scores of all pixels, as is done where none is predicted as the class.

    Returns:
        Name to (h, w), 0 and above; and how many pixels were taken.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        scores, maps = scores_and_maps(model, inputs, layers, gradients=True)
        single = scores.shape[0] == 1  # one score for two classes
        found = ops.predicted_classes(scores.detach(), getattr(model.decode_head, 'threshold', None)) == target
        if whole or not found.any():
            found = torch.ones_like(found)
        score = scores[0] * (1 if target else -1) if single else scores[target]
        gradients = torch.autograd.grad(score[found].sum(), [maps[name] for name in layers], allow_unused=True)
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
    result = {}
    for name, gradient in zip(layers, gradients):
        if gradient is None:
            raise ConfigError(f'--layers {name}: the scores of the prediction do not depend on it.')
        weights = gradient[0].mean(dim=(1, 2))
        result[name] = torch.einsum('k,khw->hw', weights, maps[name][0].detach()).clamp(min=0)
    return result, int(found.sum())
