"""Everything in a config that counts training iterations, for a run whose optimizer updates take more of them."""
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from mmengine.config import Config

# Numbers of these hooks that count training iterations. EMAHook's interval counts updates, ProgressHook's is how often
# a person wants a line, SegVisualizationHook's counts the batches of a validation: they stay.
HOOK_KEYS = {'CheckpointHook': ('interval', 'save_begin'), 'EMAHook': ('begin_iter', )}
KEPT_HOOKS = ('LoggerHook', 'ProgressHook', 'SegVisualizationHook', 'EarlyStoppingHook')
COUNTING = ('interval', 'begin_iter', 'begin')
# Spans of a schedule, in steps since its begin; the last two follow from begin and end where they are not stated.
SPANS = ('step_size', 'milestones', 'periods', 'T_max', 'total_steps')
WHOLE_SPAN = {'CosineAnnealing': 'T_max', 'OneCycle': 'total_steps'}


def rescale(cfg: Config, factor: Fraction) -> tuple[list[str], list[str]]:
    """Multiply every count of training iterations, in place, for updates that take ``factor`` times as many.

    An update happens at the last iteration of those it takes, so a schedule begins there: each update then has the
    learning rate that it has in the unscaled config. What counts epochs, validations or updates stays. A count that
    does not come out whole, which only a factor below 1 gives, is rounded up.

    Args:
        cfg: The config of a training.
        factor: Iterations of an update now, divided by those of before.

    Returns:
        The changes, as 'key old -> new', and the keys of hooks that may count iterations and were left as they are.
    """
    changes: list[str] = []
    if factor == 1:
        return changes, []

    def put(node: dict, place: str, key: str, new: Any) -> None:
        changes.append(f'{place}.{key} {node.get(key, "(default)")} -> {new}')
        node[key] = new

    train_cfg = cfg['train_cfg']
    for key in ('max_iters', 'val_interval', 'val_begin'):
        if 'max_iters' in train_cfg and key in train_cfg:
            put(train_cfg, 'train_cfg', key, _times(train_cfg[key], factor))
    if train_cfg.get('dynamic_intervals') and 'max_iters' in train_cfg:  # valid from the iteration that follows
        put(train_cfg, 'train_cfg', 'dynamic_intervals',
            [(_times(max(start - 1, 0), factor) + min(start, 1), _times(interval, factor))
             for start, interval in train_cfg['dynamic_intervals']])
    for place, schedule in schedules(cfg.get('param_scheduler')):
        _rescale_schedule(schedule, place, factor, put)
    left = []
    for place, hook in _hooks(cfg):
        known = HOOK_KEYS.get(hook.get('type'))
        if known is None:
            left += [f'{place}.{key}' for key in COUNTING if key in hook and hook.get('type') not in KEPT_HOOKS]
        elif hook['type'] != 'CheckpointHook' or not hook.get('by_epoch', True):
            for key in known:
                if hook.get(key, 0) > 0:
                    put(hook, place, key, _times(hook[key], factor))
    return changes, left


def _rescale_schedule(schedule: dict, place: str, factor: Fraction, put: Callable) -> None:
    kind = schedule['type']
    if schedule.get('by_epoch', True):
        return
    begin, end = schedule.get('begin', 0), schedule.get('end')
    whole = next((key for start, key in WHOLE_SPAN.items() if kind.startswith(start)), None)
    for key in SPANS:
        if schedule.get(key) is not None:
            put(schedule, place, key, _times(schedule[key], factor))
        elif key == whole and end is not None:
            put(schedule, place, key, _times(end - begin, factor))
    if kind.startswith('Exponential'):
        put(schedule, place, 'gamma', schedule['gamma']**float(1 / factor))
    put(schedule, place, 'begin', _times(begin + 1, factor) - 1)
    if end is not None:
        put(schedule, place, 'end', _times(end, factor))


def _times(count: Any, factor: Fraction) -> Any:
    if isinstance(count, (list, tuple)):
        return [_times(one, factor) for one in count]
    return math.ceil(Fraction(count) * factor)


def schedules(node: Any, place: str = 'param_scheduler') -> Iterator[tuple[str, dict]]:
    """Each place and schedule of ``param_scheduler``: a dict, a list of them, or either for each optimizer."""
    if isinstance(node, (list, tuple)):
        for i, one in enumerate(node):
            yield from schedules(one, f'{place}.{i}')
    elif isinstance(node, dict) and 'type' in node:
        yield place, node
    elif isinstance(node, dict):
        for name, one in node.items():
            yield from schedules(one, f'{place}.{name}')


def _hooks(cfg: Config) -> Iterator[tuple[str, dict]]:
    for name, hook in (cfg.get('default_hooks') or {}).items():
        if isinstance(hook, dict):
            yield f'default_hooks.{name}', hook
    for i, hook in enumerate(cfg.get('custom_hooks') or []):
        if isinstance(hook, dict):
            yield f'custom_hooks.{i}', hook
