"""Whether the scores that hooks wait for are among those that the validation gives, before the first step."""
import difflib
from collections.abc import Iterator
from typing import Optional

from segkit.engine.checks.config_parts import metrics_of
from segkit.engine.iteration_counts import schedules
from segkit.engine.schedule import follows_score
from segkit.errors import ConfigError


def check(given: dict) -> None:
    """Compare the scores that checkpoints, early stopping and schedules are decided by with those of the validation.

    Nothing is said where a metric or the loop is not one of ours, since its scores are not known beforehand.

    Args:
        given: A runner's keyword arguments, completed.

    Raises:
        ConfigError: If a score would be missing at the first validation.
    """
    scores = _scores(given)
    if scores is None:
        return
    val_loss = bool(given['val_cfg'].get('val_loss'))
    for key, score in _waited_for(given):
        if score in scores or val_loss and score.startswith('val/'):  # the losses' names are the heads'
            continue
        text = f'{key}={score!r} is not a score of the validation.'
        if score.startswith('val/'):
            raise ConfigError(f'{text}\nIts losses are computed with val_cfg.val_loss=True.')
        near = next((one for one in scores if one.lower() == score.lower()), None)
        near = near or next(iter(difflib.get_close_matches(score, scores, n=1)), None)
        raise ConfigError(f'{text}\nIts scores: {", ".join(scores)}.' + (f'\nNearest: {near}' if near else ''))


def _scores(given: dict) -> Optional[list[str]]:
    val_cfg, metrics = given.get('val_cfg'), metrics_of(given, 'val')
    if given.get('val_dataloader') is None or not isinstance(val_cfg, dict) or not metrics:
        return None
    if val_cfg.get('type', 'ValLoop') != 'ValLoop' or not all('score_names' in vars(m.cls or object) for m in metrics):
        return None
    return [score for m in metrics for score in m.cls.score_names(m.get('iou_metrics'), m.get('prefix'))]


def _waited_for(given: dict) -> Iterator[tuple[str, str]]:
    """Key and name of each score that a hook or a schedule needs."""
    hooks = [(f'default_hooks.{name}', hook) for name, hook in (given.get('default_hooks') or {}).items()]
    hooks += [(f'custom_hooks.{i}', hook) for i, hook in enumerate(given.get('custom_hooks') or ())]
    for place, hook in hooks:
        if not isinstance(hook, dict):
            continue
        if hook.get('type') == 'CheckpointHook':
            best = hook.get('save_best', 'mIoU')
            for score in [best] if isinstance(best, str) else best or ():
                if score != 'auto':
                    yield f'{place}.save_best', score
        elif hook.get('type') == 'EarlyStoppingHook' and hook.get('strict', True):
            if isinstance(hook.get('monitor'), str):
                yield f'{place}.monitor', hook['monitor']
    for place, schedule in schedules(given.get('param_scheduler')):
        if follows_score(schedule):
            yield f'{place}.monitor', schedule.get('monitor', 'loss')
