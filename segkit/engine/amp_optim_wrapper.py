"""Mixed precision on CUDA and on CPUs."""
from contextlib import contextmanager
from typing import Iterator, Union

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from segkit.errors import ConfigError
from segkit.registry import OPTIM_WRAPPERS

DTYPES = {'float16': torch.float16, 'bfloat16': torch.bfloat16}


@OPTIM_WRAPPERS.register_module()
class AmpOptimWrapper(OptimWrapper):
    """Runs the forward pass under autocast, and scales the loss where float16 needs it.

    Reference: MMEngine's class of this name, which refuses to run without a GPU. This one runs on CPUs in bfloat16
    too; bfloat16 has the range of float32, so its loss is not scaled, on no device. Validations are in float32 unless
    ``val_cfg.fp16`` says otherwise.

    Args:
        loss_scale: 'dynamic', a fixed factor, or the keyword arguments of ``torch.amp.GradScaler``; for float16.
        dtype: 'float16' or 'bfloat16', or torch's dtype of that name; None takes float16 on CUDA and bfloat16 on a CPU.
        **kwargs: As for :class:`mmengine.optim.OptimWrapper`: ``clip_grad``, and ``accumulative_counts`` = n, which
            gathers the gradients of n iterations into one update. Its loss is the mean of the n losses: what n times
            the batch gives where the loss is a mean over all pixels and no batch norm takes statistics. With
            ``avg_non_ignore`` each iteration is a mean over its own valid pixels; batch norm sees one iteration.

    Raises:
        ConfigError: If the dtype is unknown, or float16 is asked for on a CPU.
    """

    def __init__(self,
                 loss_scale: Union[str, float, dict] = 'dynamic',
                 dtype: Union[str, torch.dtype, None] = None,
                 **kwargs) -> None:
        super().__init__(**kwargs)
        cuda = torch.cuda.is_available()
        name = str(dtype or '').removeprefix('torch.') or ('float16' if cuda else 'bfloat16')
        if name not in DTYPES:
            raise ConfigError(f'optim_wrapper.dtype: expected float16 or bfloat16, got {dtype!r}.')
        if name == 'float16' and not cuda:
            raise ConfigError('optim_wrapper.dtype: float16 needs a CUDA device, and there is none.\n'
                              'On a CPU leave it out or set it to bfloat16.')
        self.device_type = 'cuda' if cuda else 'cpu'
        self.cast_dtype = DTYPES[name]
        self._fixed_scale = float(loss_scale) if isinstance(loss_scale, (int, float)) else None
        options = loss_scale if isinstance(loss_scale, dict) else {}
        if self._fixed_scale is not None:
            options = dict(init_scale=self._fixed_scale)
        elif not isinstance(loss_scale, dict) and loss_scale != 'dynamic':
            raise ConfigError(f"optim_wrapper.loss_scale: expected 'dynamic', a number or a dict, got {loss_scale!r}.")
        self.loss_scaler = torch.amp.GradScaler(self.device_type, enabled=name == 'float16', **options)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast around the forward pass, and no gradient exchange while gradients accumulate."""
        with super().optim_context(model), torch.autocast(self.device_type, self.cast_dtype):
            yield

    def backward(self, loss: Tensor, **kwargs) -> None:
        """Backpropagate the scaled loss, a scalar."""
        self.loss_scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs) -> None:
        """Update the parameters, unless the scaled gradients overflowed."""
        if self.clip_grad_kwargs:
            self.loss_scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update(self._fixed_scale)

    def state_dict(self) -> dict:
        """The optimizer's state and, as 'loss_scaler', the scaler's."""
        return {**super().state_dict(), 'loss_scaler': self.loss_scaler.state_dict()}

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over a state; one without 'loss_scaler' (training without AMP so far) leaves the scaler as it is."""
        state_dict = dict(state_dict)
        scaler = state_dict.pop('loss_scaler', None)
        if scaler and self.loss_scaler.is_enabled() and self._fixed_scale is None:
            self.loss_scaler.load_state_dict(scaler)
        super().load_state_dict(state_dict)
