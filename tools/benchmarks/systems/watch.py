"""What is looked at while a system trains: losses, learning rates, gradients, and what changed at the end."""
from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from segkit.engine.run_state import bare
from systems.facts import System

SHOWN = 3


class Watch(Hook):
    """Looks at every step of a training.

    Args:
        system: What the training has to be like.
        steps: Its number of steps.
    """

    priority = 'VERY_LOW'

    def __init__(self, system: System, steps: int) -> None:
        self.system, self.steps = system, steps
        self.losses: list[float] = []
        self.faults: list[str] = []
        self.batch: Any = None  # the one with the most evenly spread labels, to overfit
        self._evenness = -1.0

    def before_train(self, runner: Any) -> None:
        model = bare(runner.model)
        self.names = {id(value): name for name, value in model.named_parameters()}
        self.start = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.moved_by_gradient: set[str] = set()
        for name, value in model.named_parameters():
            if value.requires_grad:
                value.register_post_accumulate_grad_hook(self._note(name))

    def _note(self, name: str) -> Any:
        def note(value: Tensor) -> None:
            if name not in self.moved_by_gradient and value.grad.any():
                self.moved_by_gradient.add(name)
        return note

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        model = bare(runner.model)
        if batch_idx == 0:
            self._look_at_norms(model)
        self._look_at_rates(runner.optim_wrapper.optimizer.param_groups, batch_idx, model)
        self._keep(data_batch)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        loss = float(outputs['loss'].detach())
        self.losses.append(loss)
        if not np.isfinite(loss):
            self._fault(f'step {batch_idx}: the loss is {loss}')

    def after_train(self, runner: Any) -> None:
        model = bare(runner.model)
        now, parameters = model.state_dict(), dict(model.named_parameters())
        same = {name for name, value in self.start.items() if torch.equal(value, now[name])}
        learn = {name for name, value in parameters.items() if value.requires_grad}
        self._fault_of('learn and did not change', learn & same)
        self._fault_of('learn and never had a gradient', learn - self.moved_by_gradient)
        self._fault_of('are frozen and changed', set(parameters) - learn - same)
        statistics = {name for name in now if name.endswith(('running_mean', 'running_var'))}
        if self.system.frozen:
            self._fault_of('are statistics of frozen batch norms and moved', statistics - same)
        else:
            self._fault_of('are statistics of batch norms that learn and did not move', statistics & same)
        self.learning = sum(parameters[name].numel() for name in learn)
        if self.learning != self.system.parameters - self.system.frozen:
            self._fault(f'{self.learning:,} parameters learn, expected '
                        f'{self.system.parameters - self.system.frozen:,}')

    def _look_at_rates(self, groups: list[dict], step: int, model: nn.Module) -> None:
        """Compare what the optimizer does with each parameter with the recipe."""
        recipe, rates, decays, seen = self.system.recipe, [], [], []
        for group in groups:
            for name in (self.names[id(value)] for value in group['params']):
                seen.append(name)
                rate, decay = recipe.rate(name, step, self.steps), recipe.decay_of(name)
                if not np.isclose(group['lr'], rate, rtol=1e-6, atol=1e-12):
                    rates.append(f'{name} ({group["lr"]:.6g}, expected {rate:.6g})')
                if not np.isclose(group['weight_decay'], decay, rtol=1e-9, atol=0):
                    decays.append(f'{name} ({group["weight_decay"]:g}, expected {decay:g})')
        self._fault_of(f'learn at another rate than the recipe in step {step}', rates)
        if step == 0:
            self._fault_of('have another weight decay than the recipe', decays)
            learn = {name for name, value in model.named_parameters() if value.requires_grad}
            if not learn <= set(seen) or len(seen) != len(set(seen)):
                self._fault('the optimizer does not have each parameter that learns exactly once')

    def _look_at_norms(self, model: nn.Module) -> None:
        modes = {norm.training for norm in model.modules() if isinstance(norm, _BatchNorm)}
        if modes != {not self.system.frozen}:
            self._fault(f'batch norms should {"keep" if self.system.frozen else "take new"} statistics in training; '
                        f'their modes are {sorted(modes)}')

    def _keep(self, batch: dict) -> None:
        """Remember the batch whose labels have the largest entropy."""
        evenness = entropy(batch['labels'])
        if evenness > self._evenness:
            self._evenness = evenness
            self.batch = {key: value.clone() if isinstance(value, Tensor) else value for key, value in batch.items()}

    def _fault_of(self, what: str, names: Collection[str]) -> None:
        if names:
            shown = ', '.join(sorted(names)[:SHOWN]) + (', ...' if len(names) > SHOWN else '')
            self._fault(f'{len(names)} tensors {what}: {shown}')

    def _fault(self, text: str) -> None:
        self.faults.append(text)


def entropy(labels: Tensor, ignored: int = 255) -> float:
    """Of the labels' frequencies, in nats: the best mean loss of a network that does not look at the image."""
    counts = labels[labels != ignored].flatten().long().bincount().double()
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * shares.log()).sum())
