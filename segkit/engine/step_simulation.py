"""What a training step of any size costs, found out without doing it.

The step is run on tensors that have shapes but no values (torch's FakeTensorMode). Every allocation is counted while
it lives, so the peak is that of the step itself: weights, gradients, activations and what operations return on the
way; on a CPU also a copy of each tensor of the convolution at hand, since oneDNN brings them into its own layout. Other
workspaces, what the allocator keeps in reserve, and the loader processes are not in it.
"""
import contextlib
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import torch
from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode

from segkit.engine.shape_trace import Stair, watch_model
from segkit.registry import MODELS

CONVOLUTIONS = (torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default)


class StepCost(NamedTuple):
    """What a step costs.

    Attributes:
        flops: Floating-point operations of convolutions and matrix products, forward and backward.
        peak_bytes: The most that is allocated at once; no optimizer state.
        weight_bytes: Parameters and buffers, part of the peak.
        stairs: The shapes in the network.
    """

    flops: int
    peak_bytes: int
    weight_bytes: int
    stairs: list[Stair]


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all storages that operations return, while they live.

    Attributes:
        live: Bytes now.
        peak: The most there were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: Optional[dict] = None) -> Any:
        result = func(*args, **(kwargs or {}))
        found = [value for value in tree_iter(result) if isinstance(value, Tensor)]
        for value in found:
            self._note(value.untyped_storage())
        if func in CONVOLUTIONS:
            found += [value for value in tree_iter(args) if isinstance(value, Tensor)]
            if found[0].device.type == 'cpu':
                copies = sum(value.numel() * value.element_size() for value in found)
                self.peak = max(self.peak, self.live + copies)
        return result

    def _note(self, storage: Any) -> None:
        key = storage._cdata  # views share it
        if key not in self._known:
            self._known[key] = storage.nbytes()
            self.live += storage.nbytes()
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._forget, key).atexit = False

    def _forget(self, key: int) -> None:
        self.live -= self._known.pop(key)


class StepSimulation:
    """A segmentor without values, whose steps can be counted.

    Args:
        model_cfg: ``model`` of the config.
        device: 'cpu' or 'cuda', whose operations are chosen.
        amp_dtype: What autocast computes in; None without it.
        checkpointed: ``activation_checkpointing`` of the config.
    """

    def __init__(self, model_cfg: dict, device: str = 'cpu', amp_dtype: Optional[torch.dtype] = None,
                 checkpointed: Optional[Sequence[str]] = None) -> None:
        self._device, self._amp_dtype = device, amp_dtype
        self._fake, self._bytes = FakeTensorMode(), LiveBytes()
        with self._fake, self._bytes, torch.device(device):
            self._model: nn.Module = MODELS.build(model_cfg).train()
            self._model.data_preprocessor.to(device)  # which asks nobody where it is
        if checkpointed is not None:
            turn_on_activation_checkpointing(self._model, checkpointed)
        self._weight_bytes = self._bytes.live

    def step(self, shape: Sequence[int], log_accuracy: bool = False) -> StepCost:
        """Count a step.

        Args:
            shape: (N, C, H, W) of a batch as the network sees it, padded.
            log_accuracy: Whether the step is one that is logged.
        """
        model, counter = self._model, FlopCounterMode(display=False)
        if hasattr(model, 'log_accuracy'):
            model.log_accuracy = log_accuracy
        autocast = (contextlib.nullcontext() if self._amp_dtype is None
                    else torch.autocast(self._device, self._amp_dtype))
        if getattr(model.data_preprocessor, 'size', None):
            model.data_preprocessor.size = tuple(shape[2:])
        self._bytes.peak = self._bytes.live
        with watch_model(model) as stairs, self._fake, self._bytes, counter:
            inputs = torch.empty(*shape, dtype=torch.uint8)
            labels = torch.empty(shape[0], *shape[2:], dtype=torch.uint8)
            with autocast:
                data = model.data_preprocessor(dict(inputs=inputs, labels=labels), training=True)
                losses = model(**data, mode='loss')
            loss = sum(value for name, value in losses.items() if 'loss' in name)
            loss.backward()
            peak = self._bytes.peak
        for parameter in model.parameters():
            parameter.grad = None
        return StepCost(counter.get_total_flops(), peak, self._weight_bytes, stairs)
