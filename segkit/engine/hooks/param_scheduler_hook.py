"""Moves learning rates and momenta: after each iteration or epoch, and after a validation where a score decides."""
from collections.abc import Mapping
from typing import Any, Optional

from mmengine.hooks import ParamSchedulerHook as MMEngineParamSchedulerHook
from mmengine.runner import BaseLoop

from segkit.engine.loops.epoch_based_train_loop import EpochBasedTrainLoop
from segkit.errors import ConfigError
from segkit.registry import HOOKS

STATE = 'plateau_at'  # in runtime_info: the iteration whose validation the schedules that follow a score saw last


@HOOKS.register_module()
class ParamSchedulerHook(MMEngineParamSchedulerHook):
    """Steps the schedules; those that follow a score (``ReduceOnPlateauLR``) see it after each validation.

    Reference: MMEngine's hook of this name. Different from it: in a training that counts iterations ``begin`` and
    ``end`` of a plateau schedule count iterations (there they count epochs, of which such a training has one), a
    score that a resumed run does not compute again is not lost, one that does not exist is a user's error, and a
    change is said.

    Raises:
        ConfigError: If a score that a schedule follows is not among the validation's.
    """

    def before_train(self, runner: Any) -> None:
        """In a resumed run, show the schedules the validation at its iteration; checkpoints are written before it."""
        if runner.iter and runner.validated_at == runner.iter:
            self._look(runner, runner.validated_scores)

    def after_val_epoch(self, runner: Any, metrics: Optional[dict[str, float]] = None) -> None:
        """In a training, show the schedules the scores."""
        if metrics and isinstance(runner._train_loop, BaseLoop):
            self._look(runner, metrics)

    def _look(self, runner: Any, scores: Mapping[str, float]) -> None:
        by_name = runner.param_schedulers
        lists = by_name.values() if isinstance(by_name, dict) else [by_name or []]
        waiting = [one for several in lists for one in several if getattr(one, 'need_val_args', False)]
        # A run that was stopped behind a validation has seen it, and one that is killed in it does it again.
        if not waiting or runner.message_hub.runtime_info.get(STATE) == runner.iter:
            return
        for schedule in waiting:
            if schedule.monitor not in scores:
                raise ConfigError(f'param_scheduler: monitor={schedule.monitor!r} of {type(schedule).__name__} is not '
                                  f'a score of the validation.\nIts scores: {", ".join(scores)}.')
            if not isinstance(runner.train_loop, EpochBasedTrainLoop):
                schedule._global_step = runner.iter
            before = schedule.optimizer.param_groups[-1][schedule.param_name]
            schedule.step({schedule.monitor: float(scores[schedule.monitor])})
            after = schedule.optimizer.param_groups[-1][schedule.param_name]
            if after != before:
                runner.logger.info(f'{schedule.monitor} has stopped getting better: {schedule.param_name} '
                                   f'{before:.3g} -> {after:.3g}')
        runner.message_hub.update_info(STATE, runner.iter)
