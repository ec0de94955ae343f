"""Keeps a moving average of the weights; validations score it and checkpoints offer it."""
import inspect
from typing import Any, Optional

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop
from torch import Tensor, nn

from segkit.checkpoint import load_weights
from segkit.engine.run_state import bare, take_trained_weights
from segkit.errors import ConfigError
from segkit.registry import HOOKS, MODELS


@HOOKS.register_module()
class EMAHook(Hook):
    """Averages the weights while they are trained; what is validated, and kept as the best, is the average.

    ``state_dict`` of every checkpoint is the average, ready to use; a full checkpoint has the weights that are trained
    in ``ema_state_dict``, to go on from, and the best weights are in their file once. A checkpoint without an average
    can be gone on from: the average then starts as a copy of its weights. A run without this hook that goes on from a
    checkpoint with an average takes the trained weights of it. Both are said.

    Reference: MMEngine's hook of this name, whose arguments, averages and checkpoint layout it takes. Different from
    it: the average moves where the optimizer does, so that accumulated gradients change nothing about it (there
    each iteration averages the same weights again); the best weights are stored once; a test takes the checkpoint's
    weights as they are (there a test with test-time augmentation scores weights that were never loaded); names of
    arguments are checked.

    Args:
        ema_type: 'ExponentialMovingAverage', 'MomentumAnnealingEMA', 'StochasticWeightAverage', or another average
            registered as a model.
        strict_load: Whether the average in a checkpoint has to fit the model key by key; where it need not, what is
            missing starts as a copy of the model's.
        begin_iter: The first iteration that is averaged, counted from 1; until then the weights are used as they are.
        begin_epoch: The same in epochs; not together with ``begin_iter``.
        **kwargs: Arguments of the average: ``momentum`` (share of the new weights, 0 to 1, default 0.0002),
            ``interval`` (updates between two averages), ``update_buffers`` (average the running statistics too),
            ``gamma`` (of MomentumAnnealingEMA), ``device``.

    Raises:
        ConfigError: If an argument is unknown or out of its range, or the average would never begin.
    """

    priority = 'NORMAL'

    def __init__(self,
                 ema_type: str = 'ExponentialMovingAverage',
                 strict_load: bool = True,
                 begin_iter: int = 0,
                 begin_epoch: int = 0,
                 **kwargs: Any) -> None:
        taken = inspect.signature(MODELS.get(ema_type)).parameters
        unknown = [name for name in kwargs if name not in taken]
        if unknown and not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
            raise ConfigError(f"EMAHook: {unknown[0]!r} is no argument of {ema_type}.\nIt takes "
                              f"{', '.join(name for name in taken if name != 'model')}; EMAHook itself takes ema_type, "
                              'strict_load, begin_iter and begin_epoch.')
        for name, value, least in (('begin_iter', begin_iter, 0), ('begin_epoch', begin_epoch, 0),
                                   ('interval', kwargs.get('interval', 1), 1)):
            if not isinstance(value, int) or value < least:
                raise ConfigError(f'EMAHook: {name} is {value!r}; expected a whole number, at least {least}.')
        if begin_iter and begin_epoch:
            raise ConfigError(f'EMAHook: both begin_iter={begin_iter} and begin_epoch={begin_epoch} say when the '
                              'average begins.\nKeep one of them.')
        self.average_cfg = dict(type=ema_type, **kwargs)
        self.strict_load = strict_load
        self.begin_iter = begin_iter
        self.begin_epoch = begin_epoch
        self.ema_model: Optional[nn.Module] = None  # the average, in a training
        self._swapped = False  # whether the model holds the average and the average the trained weights
        self._resumed: Optional[tuple[dict, Tensor]] = None

    # -- averaging -----------------------------------------------------------------------------------------------

    def before_run(self, runner: Any) -> None:
        """Look whether the average will ever begin, before a training writes anything."""
        if not isinstance(runner._train_loop, BaseLoop):  # a test
            return
        last = runner.max_epochs if self.begin_epoch else runner.max_iters
        if (self.begin_epoch or self.begin_iter) > last:
            raise ConfigError(f'EMAHook: begin_{"epoch" if self.begin_epoch else "iter"} is '
                              f'{self.begin_epoch or self.begin_iter}, but the training ends at {last}; nothing would '
                              'be averaged.')

    def before_train(self, runner: Any) -> None:
        """Start the average from the weights of the model, or as it was in the checkpoint."""
        self._model = bare(runner.model)
        try:
            self.ema_model = MODELS.build(self.average_cfg, default_args=dict(model=self._model))
        except (AssertionError, TypeError, ValueError, RuntimeError) as error:
            raise ConfigError(f'EMAHook: its values cannot be used: {error}\nThey are {self.average_cfg}.') from error
        average = self.ema_model.module
        self._averaged = [name for name, _ in average.named_parameters(remove_duplicate=False)]
        if self.ema_model.update_buffers:
            self._averaged = list(average.state_dict())
        if self._resumed is not None:
            weights, steps = self._resumed
            load_weights(average, weights, self.strict_load, source='The average in the checkpoint')
            self.ema_model.steps.copy_(steps)
            self._resumed = None

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Let the average follow an update of the optimizer."""
        begun = runner.epoch + 1 >= self.begin_epoch and runner.iter + 1 >= self.begin_iter
        updated = getattr(runner.optim_wrapper, 'should_update', lambda: True)
        if begun and updated():
            self.ema_model.update_parameters(self._model)

    def _swap(self) -> None:
        """Exchange model and average, in place: DDP, the optimizer and compiled code keep their tensors."""
        ours, theirs = self._model.state_dict(), self.ema_model.module.state_dict()
        for name in self._averaged:
            kept = ours[name].clone()
            ours[name].copy_(theirs[name])
            theirs[name].copy_(kept)
        self._swapped = not self._swapped

    def before_val_epoch(self, runner: Any) -> None:
        """In a training, put the average into the model; before its first update there is none."""
        if self.ema_model is not None and self.ema_model.steps > 0:
            self._swap()

    def after_val_epoch(self, runner: Any, metrics: Optional[dict[str, float]] = None) -> None:
        """Put the trained weights back."""
        if self._swapped:
            self._swap()

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Make the average the checkpoint's ``state_dict``, and keep the trained weights where a run goes on."""
        if self.ema_model is None:
            return
        in_model, other = checkpoint['state_dict'], checkpoint['state_dict'].copy()
        if self.ema_model.steps > 0:
            aside = self.ema_model.module.state_dict()
            other.update({name: aside[name].cpu() for name in self._averaged})
        # Swapped where a validation was broken off.
        average, trained = (in_model, other) if self._swapped else (other, in_model)
        checkpoint['state_dict'] = average
        if 'optimizer' in checkpoint:
            # The running statistics are in both, as the same tensors; torch writes those once.
            checkpoint['ema_state_dict'] = {'steps': self.ema_model.steps.cpu(),
                                            **{f'module.{name}': value for name, value in trained.items()}}

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """In a run that goes on, take the average out of the checkpoint and give the trained weights to the model."""
        if not runner._resume:
            return
        average, steps = checkpoint.get('state_dict'), checkpoint.get('ema_state_dict', {}).get('steps')
        if take_trained_weights(checkpoint):
            self._resumed = (average, steps)
        else:
            runner.logger.warning('EMAHook: the checkpoint holds no average (the run had none so far); it starts now, '
                                  'as a copy of the weights.')
