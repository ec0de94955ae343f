"""Rates and schedules of a resumed run whose config says other values than its checkpoint was saved with."""
import copy
import math
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any, Optional

import numpy as np
from mmengine.optim import OptimWrapperDict

from segkit.engine.run_config import plain
from segkit.errors import CheckpointError

MOVING = ('last_step', '_global_step', '_last_value', '_get_value_called_within_step', 'verbose', 'base_values',
          'best', 'num_bad_epochs', 'cooldown_counter')  # what a schedule counts; the rest is what it was told
DERIVED = ('total_iters', 'total_steps', 'cumulative_periods')  # of begin, end and periods, where those are said
HOW_COMPUTED = ('foreach', 'fused', 'capturable', 'differentiable')  # the same numbers; the saved tensors fit theirs
LONGEST = 60  # characters of a value in a line


class FreshState:
    """Hyperparameters and schedules as this config starts them, noted before a checkpoint is put over them.

    Args:
        optim_wrapper: The built optimizer wrapper, or several by name.
        schedulers: The built schedules: a list, or lists by optimizer; empty or None where there are none.
    """

    def __init__(self, optim_wrapper: Any, schedulers: Any) -> None:
        self._wrappers = dict(optim_wrapper.items()) if isinstance(optim_wrapper, OptimWrapperDict) else {
            '': optim_wrapper}
        self._schedulers = _by_name(schedulers)
        self._groups = {name: [_copied(group) for group in wrapper.param_groups]
                        for name, wrapper in self._wrappers.items()}
        self._states = {name: [copy.deepcopy(one.state_dict()) for one in several]
                        for name, several in self._schedulers.items()}

    def changes(self, optimizer: dict, schedules: Any) -> list[tuple[str, bool]]:
        """What differs from a checkpoint: a line for each key, and whether it moves the learning rate.

        Args:
            optimizer: The checkpoint's optimizer state.
            schedules: The checkpoint's states of the schedules; None where it has none.

        Raises:
            CheckpointError: If a value differs that the optimizer's state depends on.
        """
        found = []
        for name, fresh in self._groups.items():
            state = optimizer[name] if name else optimizer
            saved = [*state['param_groups'], *filter(None, [state.get('base_param_settings')])]
            place = f'optim_wrapper.{name}' if name else 'optim_wrapper'
            found += [(line, key == 'lr') for key, line in _changed_values(place, fresh, saved)]
        saved_states = _by_name(schedules)
        for name in dict.fromkeys([*self._schedulers, *saved_states]):
            place = f'param_scheduler.{name}' if name else 'param_scheduler'
            found += [(line, True) for line in _changed_schedules(
                place, self._schedulers.get(name, []), self._states.get(name, []), saved_states.get(name, []))]
        return found

    def replay(self, iterations: int, epochs: int, epoch_length: Optional[int]) -> float:
        """Set hyperparameters and schedules to where a run with this config from its start would be.

        Schedules compute a value from the one before, so they are stepped as
        :class:`mmengine.hooks.ParamSchedulerHook` steps them. What the optimizer has gathered (momentum) stays.

        Args:
            iterations: Iterations that were done.
            epochs: Epochs that were done.
            epoch_length: Iterations of an epoch; None where the training counts no epochs.

        Returns:
            The learning rate from here on.

        Raises:
            CheckpointError: If a schedule follows the scores of validations, which cannot be repeated.
        """
        schedulers = [one for several in self._schedulers.values() for one in several]
        for one in schedulers:
            if getattr(one, 'need_val_args', False):
                raise CheckpointError(f'{type(one).__name__} follows the scores of earlier validations, so its '
                                      'learning rate cannot be computed for other settings.\nResume with those of '
                                      'the checkpoint, or start from its weights with load_from.')
        for name, wrapper in self._wrappers.items():
            for group, fresh in zip(wrapper.param_groups, self._groups[name]):
                for key in [key for key in group if key.startswith('initial_') and key not in fresh]:
                    del group[key]  # of a schedule that the config has no more
                group.update({k: v for k, v in copy.deepcopy(fresh).items() if k not in HOW_COMPUTED})
        for name, several in self._schedulers.items():
            for one, state in zip(several, self._states[name]):
                one.load_state_dict(copy.deepcopy(state))
        by_iteration = [one for one in schedulers if not one.by_epoch]
        by_epoch = [one for one in schedulers if one.by_epoch]
        done = 0
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', UserWarning)  # "scheduler.step() before optimizer.step()"
            for iteration in range(1, iterations + 1):
                for one in by_iteration:
                    one.step()
                if epoch_length and iteration % epoch_length == 0 and done < epochs:
                    done += 1
                    for one in by_epoch:
                        one.step()
            for _ in range(epochs - done if by_epoch else 0):  # the data have another length than they had
                for one in by_epoch:
                    one.step()
        return float(next(iter(self._wrappers.values())).param_groups[-1]['lr'])


def _copied(group: dict) -> dict:
    return {key: copy.deepcopy(value) for key, value in group.items() if key != 'params'}


def _by_name(schedulers: Any) -> dict[str, list]:
    if isinstance(schedulers, dict):
        return {name: list(several) for name, several in schedulers.items()}
    return {'': list(schedulers)} if schedulers else {}


def _stated(group: dict, key: str) -> Any:
    """A hyperparameter as it was before any schedule moved it."""
    if key == 'betas' and 'momentum' in group:  # MMEngine's schedules of momentum move the first of them
        return (group.get('initial_momentum', group['momentum']), *group['betas'][1:])
    return group.get(f'initial_{key}', group[key])


def _changed_values(place: str, fresh: list[dict], saved: list[dict]) -> Iterator[tuple[str, str]]:
    """Key and line of each hyperparameter that differs; groups that differ by their multipliers are one line."""
    keys = [key for key in fresh[-1] if not key.startswith('initial_') and key not in HOW_COMPUTED]
    for key in keys:
        if key == 'momentum' and 'betas' in fresh[-1]:
            continue
        pairs = [(_stated(old, key), _stated(new, key)) for old, new in zip(saved, fresh) if key in old and key in new]
        differing = [(old, new) for old, new in pairs if not _same(old, new)]
        if not differing:
            continue
        stated = _stated(fresh[-1], key)  # the last is what paramwise_cfg leaves as it is stated
        whole = [pair for pair in differing if _same(pair[1], stated)]
        old, new = (whole or differing)[0]
        where = f'{place}.optimizer.{key}' if whole else (
            f'{place}.paramwise_cfg, {key} of {len(differing)} of {len(pairs)} parameter groups')
        line = f'{where}: {_shown(old)} in the checkpoint, {_shown(new)} now'
        if key in ('amsgrad', 'centered') or (key == 'momentum' and 'alpha' in fresh[-1] and not old):  # RMSprop's
            raise CheckpointError(f'{line}.\nWhat the optimizer has gathered does not fit that; resume with '
                                  f'{_shown(old)}, or start from the weights with load_from.')
        yield key, line


def _changed_schedules(place: str, schedulers: list, fresh: list[dict], saved: list[dict]) -> Iterator[str]:
    if len(fresh) != len(saved):
        yield f'{place}: {_counted(len(saved))} in the checkpoint, {_counted(len(fresh))} now'
        return
    for number, (scheduler, new, old) in enumerate(zip(schedulers, fresh, saved)):
        new, old = ({k: v for k, v in state.items() if k not in MOVING and not callable(v)} for state in (new, old))
        if set(new) != set(old):
            yield f'{place}.{number}: of another kind in the checkpoint, {type(scheduler).__name__} now'
            continue
        changed = [key for key in new if not _same(old[key], new[key])]
        if getattr(scheduler, 'need_val_args', False) and changed == ['end']:
            continue  # a longer training; restore_schedulers takes it
        said = [key for key in changed if key not in DERIVED and not key.startswith('_')] or changed
        for key in said:
            yield f'{place}.{number}.{key}: {_shown(old[key])} in the checkpoint, {_shown(new[key])} now'


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b or math.isclose(a, b, rel_tol=1e-12)
    return plain(a) == plain(b)


def _counted(number: int) -> str:
    return f'{number} schedule' if number == 1 else f'{number} schedules'


def _shown(value: Any) -> str:
    if isinstance(value, Counter):  # of the milestones
        value = sorted(value.elements())
    if isinstance(value, float):
        return rate(value, None)
    text = repr(value)
    return text if len(text) <= LONGEST else text[:LONGEST - 3] + '...'


def rate(value: float, digits: Optional[int] = 3) -> str:
    """A number without an exponent where that is readable: 0.0000311."""
    if value and not 1e-7 <= abs(value) < 1e7 or not math.isfinite(value):
        return f'{value:.3g}' if digits else repr(value)
    return np.format_float_positional(value, precision=digits, unique=True, fractional=False, trim='-')
