"""Training that counts iterations."""
import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, Optional, Union

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.logging import print_log
from mmengine.runner import BaseLoop
from torch import nn
from torch.utils.data import DataLoader

from segkit.engine.loader_processes import one_pass
from segkit.engine.stop_request import may_stop
from segkit.errors import ConfigError
from segkit.registry import LOOPS


@LOOPS.register_module()
class IterBasedTrainLoop(BaseLoop):
    """Trains for a number of iterations and validates every so often.

    Reference: MMEngine's loop of this name. Different from it: a resumed run starts its sampler where the run
    stopped, instead of reading again what was trained on; torch's random numbers of a step (dropout) are decided by
    seed, iteration and rank; loader processes start when training starts, not when the loop is built.

    Args:
        runner: The runner.
        dataloader: A DataLoader, or the config of one.
        max_iters: Number of iterations, above 0.
        val_interval: Iterations between validations; the last iteration is always validated.
        val_begin: The first iteration that may be validated.
        dynamic_intervals: ``[(iteration, interval), ...]``: the validation interval from that iteration on.

    Raises:
        ConfigError: If ``max_iters`` or ``val_interval`` is no number above 0.
    """

    def __init__(self,
                 runner: Any,
                 dataloader: Union[DataLoader, dict],
                 max_iters: int,
                 val_interval: int = 1000,
                 val_begin: int = 1,
                 dynamic_intervals: Optional[Sequence[tuple[int, int]]] = None) -> None:
        above_zero('max_iters', max_iters)
        above_zero('val_interval', val_interval)
        super().__init__(runner, dataloader)
        self.max_iters = int(max_iters)
        self.max_epochs = 1  # MMEngine's hooks ask each loop for its epochs
        self.val_interval = val_interval
        self.val_begin = val_begin
        self.stop_training = False  # set by EarlyStoppingHook
        self._epoch = 0
        self._iter = 0
        self._intervals = [(0, val_interval), *(tuple(pair) for pair in dynamic_intervals or ())]
        runner.visualizer.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)

    @property
    def epoch(self) -> int:
        """Always 0: the whole training is one epoch."""
        return self._epoch

    @property
    def iter(self) -> int:
        """Number of iterations that were done."""
        return self._iter

    def go_on(self, meta: dict) -> None:
        """Stand where a checkpoint was saved: ``epoch`` and ``iter`` of its ``meta``."""
        self._epoch, self._iter = meta['epoch'], meta['iter']

    def position(self, epoch: int, iteration: int) -> dict:
        """What :meth:`go_on` needs beside those two, for a checkpoint after ``iteration`` iterations."""
        return {}

    def run(self) -> nn.Module:
        """Train to the end and return the model."""
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        if self._iter >= self.max_iters:
            print_log(f'nothing is left to train: {self._iter} iterations are done, train_cfg.max_iters is '
                      f'{self.max_iters}. Raise it to go on.', 'current', logging.WARNING)
        if self._iter and self._is_validated() and self.runner.validated_at != self._iter:
            print_log(f'the validation at iteration {self._iter} was broken off; it is done now.', 'current')
            self.runner.val_loop.run()
        with closing(batches_from(self.dataloader, self._iter, self.runner.world_size)) as batches:
            self.runner.model.train()
            while self._iter < self.max_iters and not self._is_over():
                self.run_iter(next(batches))
                if self._is_validated() and not (self.stop_training or self._is_over()):
                    self.runner.val_loop.run()
                    self.runner.model.train()
        self._end_if_stopped()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_iter(self, data_batch: dict) -> None:
        """Train on one batch: ``inputs`` (N, 3, H, W) and ``labels`` (N, H, W)."""
        batch_idx = self._iter - self._epoch_start()
        torch.manual_seed(step_seed(self.runner.seed, self._iter, get_rank()))
        self.runner.call_hook('before_train_iter', batch_idx=batch_idx, data_batch=data_batch)
        outputs = self.runner.model.train_step(data_batch, optim_wrapper=self.runner.optim_wrapper)
        self.runner.call_hook('after_train_iter', batch_idx=batch_idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1

    def _epoch_start(self) -> int:
        """Number of iterations in front of the epoch."""
        return 0

    def _is_over(self) -> bool:
        """Whether a hook or a signal ends the training here, where no gathered gradients are lost."""
        asked = self.runner.stop_request.agreed() or self.stop_training
        return asked and may_stop(self.runner.optim_wrapper)

    def _end_if_stopped(self) -> None:
        """Save and leave, if a signal asks for it and something is left to do."""
        missing = self.runner.val_loop is not None and self.runner.validated_at != self._iter
        if self.runner.stop_request.agreed() and (self._iter < self.max_iters or missing):
            self.runner.stop_request.end(self.runner)

    def _is_validated(self) -> bool:
        return self._is_validated_at(self._iter, self.max_iters)

    def _is_validated_at(self, done: int, last: int) -> bool:
        """Whether a validation is due where ``done`` of ``last`` iterations or epochs are done."""
        self.val_interval = [interval for start, interval in self._intervals if start <= done + 1][-1]
        if self.runner.val_loop is None or done < self.val_begin:
            return False
        return done % self.val_interval == 0 or done == last


def above_zero(name: str, value: Any, of: str = 'iterations') -> None:
    """Refuse what is no number above 0.

    Raises:
        ConfigError: If it is none.
    """
    if not isinstance(value, (int, float)) or value <= 0:
        raise ConfigError(f'train_cfg.{name}: expected a number of {of} above 0, got {value!r}.')


def step_seed(seed: int, iteration: int, rank: int) -> int:
    """The seed of torch's random numbers in one step of one process."""
    return int(np.random.SeedSequence((seed, iteration, rank)).generate_state(1)[0])


def batches_from(loader: DataLoader, iteration: int, world_size: int) -> Iterator[dict]:
    """Batches without end, the first one being that of ``iteration``.

    A sampler that can start anywhere (``start_at``) is told the position. With any other one, each pass over the
    data is an epoch, and what was trained on in an unfinished epoch is read again and left out.

    Args:
        loader: The training data.
        iteration: Number of iterations that were done.
        world_size: Number of processes.
    """
    if hasattr(loader.sampler, 'start_at'):
        loader.sampler.start_at(iteration * loader.batch_size * world_size)
        yield from one_pass(loader)
    epoch, skip = divmod(iteration, len(loader))
    if skip:
        print_log(f'{type(loader.sampler).__name__} cannot start in the middle: {skip} batches are read again.',
                  'current')
    while True:
        if hasattr(loader.sampler, 'set_epoch'):
            loader.sampler.set_epoch(epoch)
        for batch in one_pass(loader):
            if skip > 0:
                skip -= 1
                continue
            yield batch
        epoch += 1
