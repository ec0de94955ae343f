"""Ends a training whose score has stopped getting better."""
import math
from typing import Any, Optional

from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop

from segkit.engine.hooks.checkpoint_hook import better
from segkit.errors import ConfigError
from segkit.registry import HOOKS

STATE = 'early_stopping'  # in runtime_info, for each score


@HOOKS.register_module()
class EarlyStoppingHook(Hook):
    """Ends the training after several validations in which a score did not get better.

    What was counted is in the checkpoints, so that a resumed run stops where the uninterrupted one would have. A run
    that has stopped early and is resumed says so and trains nothing, until the config allows more.

    Reference: MMEngine's hook of this name, whose arguments it takes. Different from it: its count survives a resume,
    all processes stop together, a score that does not exist is an error unless ``strict=False``, and with
    ``check_finite=False`` a NaN counts as no improvement (there it becomes the best score).

    Args:
        monitor: The score, such as 'mIoU'.
        rule: 'greater' or 'less' is better; None decides by the score's name.
        min_delta: What a score has to get better by to count, in the score's unit (per cent for mIoU), 0 or more.
        strict: Whether a validation without this score is an error; else it is passed over with a warning.
        check_finite: Whether a score that is NaN or infinite ends the training.
        patience: Validations without improvement that end the training, at least 1.
        stopping_threshold: A score better than this one ends the training at once.

    Raises:
        ConfigError: If a value is out of its range, or ``strict`` and the score is not among the validation's.
    """

    priority = 'LOWEST'  # the best weights are kept first

    def __init__(self,
                 monitor: str,
                 rule: Optional[str] = None,
                 min_delta: float = 0.1,
                 strict: bool = True,
                 check_finite: bool = True,
                 patience: int = 5,
                 stopping_threshold: Optional[float] = None) -> None:
        if rule is None:
            rule = better(monitor)
        if rule not in ('greater', 'less'):
            raise ConfigError(f"EarlyStoppingHook: whether a greater {monitor!r} is better cannot be told.\n"
                              "Set rule='greater' or rule='less'.")
        if not isinstance(patience, int) or patience < 1:
            raise ConfigError(f'EarlyStoppingHook: patience is {patience!r}; expected a number of validations, at '
                              'least 1.')
        if not isinstance(min_delta, (int, float)) or not min_delta >= 0:
            raise ConfigError(f'EarlyStoppingHook: min_delta is {min_delta!r}; expected 0 or more; rule says which way '
                              'is better.')
        self.monitor = monitor
        self.sign = 1 if rule == 'greater' else -1
        self.min_delta = min_delta
        self.strict = strict
        self.check_finite = check_finite
        self.patience = patience
        self.stopping_threshold = stopping_threshold

    def before_run(self, runner: Any) -> None:
        """Look whether a training can be ended so, before it writes anything.

        Raises:
            ConfigError: If the run does not validate, or its loop cannot be ended early.
        """
        if not isinstance(runner._train_loop, BaseLoop):  # a test
            return
        if runner.val_loop is None:
            raise ConfigError('EarlyStoppingHook waits for validations, and the config has no val_dataloader.\n'
                              'Add one with val_cfg and val_evaluator, or take the hook out.')
        if not hasattr(runner.train_loop, 'stop_training'):
            raise ConfigError(f'EarlyStoppingHook: {type(runner.train_loop).__name__} of train_cfg cannot be stopped '
                              'early; it has no attribute stop_training.')

    def before_train(self, runner: Any) -> None:
        """In a resumed run, take up the count."""
        state = dict(best=None, waited=0, last=None, counted_at=0)
        if runner.iter:
            state.update((runner.message_hub.runtime_info.get(STATE) or {}).get(self.monitor) or {})
        self.state = state
        # A checkpoint is written before the validation at its iteration; that one's scores are in the log.
        if runner.iter and runner.validated_at == runner.iter and state['counted_at'] < runner.iter:
            if self.monitor in runner.validated_scores:
                self._count(runner, float(runner.validated_scores[self.monitor]))
        reason = self._reason()
        if reason is not None:
            runner.train_loop.stop_training = True
            runner.logger.warning(f'this run has stopped early, at iteration {self.state["counted_at"]}: {reason}; '
                                  'nothing is trained.\nTo go on, set a greater patience for EarlyStoppingHook, or '
                                  'take it out of custom_hooks.')

    def after_val_epoch(self, runner: Any, metrics: Optional[dict[str, float]] = None) -> None:
        """Count a validation, and stop the training where it is due."""
        if not hasattr(self, 'state'):  # not in a training
            return
        if self.monitor not in (metrics or {}):
            text = f'EarlyStoppingHook: monitor={self.monitor!r} is not a score of the validation.'
            if self.strict:
                raise ConfigError(f'{text}\nIts scores: {", ".join(metrics or {}) or "none"}.')
            runner.logger.warning(f'{text} It is passed over.')
            return
        if self.state['counted_at'] == runner.iter:  # a validation that is done again after a resume
            return
        self._count(runner, float(metrics[self.monitor]))
        reasons = [self._reason()]
        broadcast_object_list(reasons)  # no process may go on without the others
        if reasons[0] is not None:
            runner.train_loop.stop_training = True
            runner.logger.info(f'stopping early, at iteration {runner.iter}: {reasons[0]}')

    def _count(self, runner: Any, score: float) -> None:
        best = self.state['best']
        better = math.isfinite(score) and (best is None or self.sign * (score - best) >= self.min_delta)
        self.state = dict(best=score if better else best, waited=0 if better else self.state['waited'] + 1,
                          last=score, counted_at=runner.iter)
        kept = runner.message_hub.runtime_info.get(STATE) or {}
        runner.message_hub.update_info(STATE, {**kept, self.monitor: self.state})

    def _reason(self) -> Optional[str]:
        """Why the training has to stop; None where it has not."""
        last, best, waited = self.state['last'], self.state['best'], self.state['waited']
        if last is None:
            return None
        if self.check_finite and not math.isfinite(last):
            return f'{self.monitor} is {last}'
        if self.stopping_threshold is not None and self.sign * (last - self.stopping_threshold) > 0:
            return f'{self.monitor} has reached {last:.2f}, past stopping_threshold={self.stopping_threshold}'
        if waited < self.patience:
            return None
        than = '' if best is None else f' than {best:.2f}'
        return f'{self.monitor} was not better{than} by {self.min_delta} in {waited} validation' + 's' * (waited > 1)
