"""Where a learning-rate schedule ends, and what one that follows a score goes by."""
import copy
from typing import Any, Optional, Union

from segkit.engine.hooks.checkpoint_hook import better
from segkit.errors import ConfigError

NEVER = 10**9  # MMEngine's number for it
POLY = ('PolyLR', 'PolyMomentum', 'PolyParamScheduler')


def fill_ends(schedulers: Union[list, dict, None], train_cfg: Optional[dict]) -> Any:
    """Let each poly schedule that states no ``end`` end with the training.

    MMEngine takes infinity instead, which is a constant learning rate. A stated ``end`` stays as it is.

    Args:
        schedulers: ``param_scheduler`` of the config: a scheduler, a list of them, or built ones.
        train_cfg: ``train_cfg`` of the config, with ``max_iters`` or ``max_epochs``.

    Returns:
        A copy with the ends filled in.

    Raises:
        ConfigError: If a schedule counts epochs in a training that counts iterations; it would never move. Likewise
            if a plateau schedule counts what the training does not, or says no rule for a score of another name.
    """
    if not isinstance(train_cfg, dict):
        return schedulers
    if isinstance(schedulers, (list, tuple)):
        return [fill_ends(s, train_cfg) for s in schedulers]
    if not isinstance(schedulers, dict):
        return schedulers
    if 'type' not in schedulers:  # one entry for each optimizer
        return {name: fill_ends(s, train_cfg) for name, s in schedulers.items()}
    schedulers = copy.deepcopy(schedulers)
    if follows_score(schedulers):
        return _plateau(schedulers, train_cfg)
    by_epoch = schedulers.get('by_epoch', True)
    max_iters, max_epochs = train_cfg.get('max_iters'), train_cfg.get('max_epochs')
    if by_epoch and max_epochs is None:
        raise ConfigError(f"param_scheduler: {schedulers['type']} counts epochs, but train_cfg counts iterations; it "
                          'would never change the learning rate.\nSet by_epoch=False in it.')
    if schedulers['type'] in POLY and schedulers.get('end') is None:
        if by_epoch:
            schedulers['end'] = max_epochs
        elif max_iters is not None:
            schedulers['end'] = max_iters
        else:
            raise ConfigError(f"param_scheduler: {schedulers['type']} counts iterations and states no end, but "
                              'train_cfg counts epochs.\nState its end, or set by_epoch=True with '
                              'convert_to_iter_based=True.')
    return schedulers


def follows_score(schedule: dict) -> bool:
    """Whether a schedule's config is that of one that follows a score: ReduceOnPlateauLR and its kin."""
    kind = schedule.get('type')
    return getattr(kind, '__name__', str(kind)).split('.')[-1].startswith('ReduceOnPlateau')


def _plateau(schedule: dict, train_cfg: dict) -> dict:
    """A plateau schedule as MMEngine's class takes it: ``by_epoch`` is True, whatever the training counts.

    It moves after validations in either kind of training, so ``by_epoch`` says what ``begin`` and ``end`` count and
    nothing else; :class:`~segkit.engine.ParamSchedulerHook` counts them. Without ``rule`` the score's name decides,
    where MMEngine's default is 'less' also for an mIoU.
    """
    kind, by_epoch = schedule['type'], schedule.get('by_epoch')
    spans = [key for key in ('begin', 'end') if schedule.get(key)]
    if train_cfg.get('max_epochs') is None and by_epoch is not False and spans:
        raise ConfigError(f'param_scheduler: {" and ".join(spans)} of {kind} counts epochs, but train_cfg counts '
                          'iterations.\nSet by_epoch=False in it, for iterations; its score is looked at after each '
                          'validation in any case.')
    if train_cfg.get('max_epochs') is not None and by_epoch is False:
        raise ConfigError(f'param_scheduler: {kind} counts iterations, but train_cfg counts epochs.\nSet by_epoch=True '
                          'in it; its score is looked at after each validation in any case.')
    if schedule.get('rule') is None:
        schedule['rule'] = better(schedule.get('monitor', 'loss'))
        if schedule['rule'] == 'unknown':
            raise ConfigError(f"param_scheduler: whether a greater {schedule['monitor']!r} is better cannot be told.\n"
                              "Set rule='greater' or rule='less' in it.")
    if train_cfg.get('max_epochs') is None and schedule.get('end') is None:
        schedule['end'] = NEVER  # else MMEngine takes the number of epochs, which is 1
    return {**schedule, 'by_epoch': True}
