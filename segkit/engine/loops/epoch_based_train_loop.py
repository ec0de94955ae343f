"""Training that counts epochs."""
import logging
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Optional, Union

from mmengine.logging import print_log
from torch import nn
from torch.utils.data import DataLoader

from segkit.engine.loops.iter_based_train_loop import IterBasedTrainLoop, above_zero, batches_from
from segkit.registry import LOOPS


@LOOPS.register_module()
class EpochBasedTrainLoop(IterBasedTrainLoop):
    """Trains for a number of passes over the data and validates every so often.

    Reference: MMEngine's loop of this name. Different from it: it can be stopped within an epoch and goes on from the
    very iteration, torch's random numbers of a step are decided by seed, iteration and rank, an epoch of a sampler
    without end has as many iterations as its loader is long, and a run that goes on with epochs of another length
    (other data) begins the epoch anew that it was stopped in, and says so.

    Args:
        runner: The runner.
        dataloader: A DataLoader, or the config of one.
        max_epochs: Number of epochs, above 0.
        val_interval: Epochs between validations; the last epoch is always validated.
        val_begin: The first epoch that may be validated.
        dynamic_intervals: ``[(epoch, interval), ...]``: the validation interval from that epoch on.

    Raises:
        ConfigError: If ``max_epochs`` or ``val_interval`` is no number above 0.
    """

    def __init__(self,
                 runner: Any,
                 dataloader: Union[DataLoader, dict],
                 max_epochs: int,
                 val_interval: int = 1,
                 val_begin: int = 1,
                 dynamic_intervals: Optional[Sequence[tuple[int, int]]] = None) -> None:
        above_zero('max_epochs', max_epochs, 'epochs')
        above_zero('val_interval', val_interval, 'epochs')
        super().__init__(runner, dataloader, 1, val_interval, val_begin, dynamic_intervals)
        self.max_epochs = int(max_epochs)
        self.max_iters = self.max_epochs * len(self.dataloader)
        self._first = 0  # iterations of the first epoch to run that were done before
        self._more = 0  # iterations done, over those that whole epochs of today's length would have taken

    @property
    def epoch(self) -> int:
        """Number of epochs that were done."""
        return self._epoch

    def go_on(self, meta: dict) -> None:
        """Stand where a checkpoint was saved: ``epoch``, ``iter``, and what :meth:`position` put in its ``meta``."""
        super().go_on(meta)
        length = len(self.dataloader)
        before = meta.get('epoch_length')  # a file of another program has none
        self._first = meta.get('iter_in_epoch', self._iter - self._epoch * (before or length))
        if before not in (None, length) or not 0 <= self._first <= length:
            then = f'had {before}' if before not in (None, length) else 'had another number of them'
            again = f'; epoch {self._epoch + 1} begins anew' if self._first else ''
            print_log(f'an epoch has {length} iterations now, and {then} when the checkpoint was saved{again}.',
                      'current', logging.WARNING)
            self._first = 0
        self._more = self._iter - self._epoch * length - self._first
        self.max_iters = self.max_epochs * length + self._more

    def position(self, epoch: int, iteration: int) -> dict:
        """What :meth:`go_on` needs beside those two, for a checkpoint after ``iteration`` iterations."""
        length = len(self.dataloader)
        return dict(epoch_length=length, iter_in_epoch=iteration - epoch * length - self._more)

    def run(self) -> nn.Module:
        """Train to the end and return the model."""
        self.runner.call_hook('before_train')
        if self._epoch >= self.max_epochs:
            print_log(f'nothing is left to train: {self._epoch} epochs are done, train_cfg.max_epochs is '
                      f'{self.max_epochs}. Raise it to go on.', 'current', logging.WARNING)
        first = self._first
        if self._epoch and not first and self._is_validated() and self.runner.validated_at != self._iter:
            print_log(f'the validation after epoch {self._epoch} was broken off; it is done now.', 'current')
            self.runner.val_loop.run()
        position = self._epoch * len(self.dataloader) + first
        with closing(batches_from(self.dataloader, position, self.runner.world_size)) as batches:
            while self._epoch < self.max_epochs and not self.stop_training and not self._is_over():
                self._run_epoch(batches, first)
                first = 0
                if self._is_validated() and not (self.stop_training or self._is_over()):
                    self.runner.val_loop.run()
        self._end_if_stopped()
        self.runner.call_hook('after_train')
        return self.runner.model

    def _run_epoch(self, batches: Any, first: int) -> None:
        """Train from the epoch's iteration ``first`` to its end, unless a signal stops it before."""
        length = len(self.dataloader)
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for index in range(first, length):
            self.run_iter(next(batches))
            if index + 1 < length and self.runner.stop_request.agreed() and self._is_over():
                self._end_if_stopped()
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _epoch_start(self) -> int:
        return self._epoch * len(self.dataloader) + self._more

    def _is_validated(self) -> bool:
        return self._is_validated_at(self._epoch, self.max_epochs)
