"""How large a network is and how much it computes, found out without computing it."""
from dataclasses import dataclass, field
from typing import Any, Optional

import torch
from mmengine.registry import DefaultScope
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from segkit.apis.model_parts import Part, parts_of
from segkit.errors import ConfigError
from segkit.models.segmentors.sliding_window import window_starts
from segkit.registry import MODELS

FALLBACK_SHAPE = (512, 512)


@dataclass
class Complexity:
    """Parameters and multiply-adds of a segmentor.

    Attributes:
        shape: (N, C, H, W) of the network's input.
        parts: Parameters by part.
        macs: Multiply-adds of a prediction by the parts that run in it, all windows of a sliding window included.
        aux_macs: Those of the auxiliary heads, which a prediction does not run; None where they were not asked for.
        windows: Windows of a sliding-window prediction; 0 where the image is taken whole.
    """
    shape: tuple[int, int, int, int]
    parts: list[Part]
    macs: dict[str, int] = field(default_factory=dict)
    aux_macs: Optional[int] = None
    windows: int = 0

    @property
    def parameters(self) -> int:
        """Of all parts."""
        return sum(part.parameters for part in self.parts)

    @property
    def inference_macs(self) -> int:
        """Of a prediction."""
        return sum(self.macs.values())


def input_shape(cfg: Any, sizes: Optional[list[int]]) -> tuple[int, int]:
    """The (h, w) to count or time at: what was typed, else the training crop of the config.

    Args:
        cfg: A loaded config.
        sizes: None, [side] or [height, width], in pixels.

    Raises:
        ConfigError: If it is none of these.
    """
    if sizes is None:
        preprocessor = cfg.model.get('data_preprocessor') or {}
        return tuple(preprocessor.get('size') or FALLBACK_SHAPE)
    if len(sizes) > 2 or min(sizes) < 1:
        raise ConfigError(f'--shape takes a side or height and width, in pixels; got {" ".join(map(str, sizes))}.')
    return (sizes[0], sizes[-1])


def complexity(model_cfg: dict, size: tuple[int, int], batch_size: int = 1, aux: bool = False) -> Complexity:
    """Count parameters and multiply-adds.

    The network is built and run on torch's meta device: tensors have shapes and no values, so that nothing is
    allocated or computed. A part of a user's own that asks for values is run on the CPU instead. Counted are
    convolutions and matrix products, as torch's FlopCounterMode does (torchvision's published figures are these);
    normalisation, activation, pooling and resizing are not.

    Args:
        model_cfg: ``model`` of a config.
        size: (h, w) of the image as the network sees it.
        batch_size: N.
        aux: Whether to count the auxiliary heads too, on the feature maps of the whole image.

    Raises:
        ConfigError: If the network cannot run at that size.
    """
    shape = (batch_size, 3, *size)
    with DefaultScope.overwrite_default_scope('segkit'):
        try:
            return _counted(model_cfg, shape, aux, 'meta')
        except (NotImplementedError, RuntimeError):  # a part asks for values, or the network does not run at all
            try:
                return _counted(model_cfg, shape, aux, 'cpu')
            except RuntimeError as error:
                reason = str(error).splitlines()[0][:200]
                raise ConfigError(f'--shape: the network does not run on an image of {size[0]}x{size[1]} pixels (h x '
                                  f'w): {reason}\nTake another size.') from error


def _counted(model_cfg: dict, shape: tuple[int, int, int, int], aux: bool, device: str) -> Complexity:
    with torch.device(device):
        model: nn.Module = MODELS.build(model_cfg).eval()
        found = Complexity(shape, list(parts_of(model)))
        inputs = torch.zeros(shape)
    test_cfg = getattr(model, 'test_cfg', None) or {}
    if test_cfg.get('mode') == 'slide':
        rows, columns = (len(window_starts(length, window, stride)) for length, window, stride in
                         zip(shape[2:], test_cfg['crop_size'], test_cfg['stride']))
        found.windows = rows * columns
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter, _Shares(model, counter) as shares:
            if hasattr(model, 'predict_logits'):
                model.predict_logits(inputs)
            else:
                model(inputs, mode='tensor')
        found.macs = {name: count // 2 for name, count in shares.flops.items()}
        rest = counter.get_total_flops() // 2 - sum(found.macs.values())
        if rest:
            found.macs['between the parts'] = rest
        heads = getattr(model, 'auxiliary_head', None)
        if aux and heads is not None:
            feats = model.backbone(inputs)
            with FlopCounterMode(display=False) as counter:
                for head in heads if isinstance(heads, nn.ModuleList) else [heads]:
                    head(feats)
            found.aux_macs = counter.get_total_flops() // 2
    return found


class _Shares:
    """What each direct child of a model adds to a counter, while it runs.

    Attributes:
        flops: Floating-point operations by name of the child, of those that ran.
    """

    def __init__(self, model: nn.Module, counter: FlopCounterMode) -> None:
        self.flops: dict[str, int] = {}
        self._model, self._counter = model, counter
        self._handles: list = []

    def __enter__(self) -> '_Shares':
        for name, child in self._model.named_children():
            for module in child if isinstance(child, nn.ModuleList) else [child]:
                self._watch(name, module)
        return self

    def _watch(self, name: str, module: nn.Module) -> None:
        begun: list[int] = []

        def before(*_: Any) -> None:
            begun.append(self._counter.get_total_flops())

        def after(*_: Any) -> None:
            self.flops[name] = self.flops.get(name, 0) + self._counter.get_total_flops() - begun.pop()
        self._handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]

    def __exit__(self, *_: Any) -> None:
        for handle in self._handles:
            handle.remove()
