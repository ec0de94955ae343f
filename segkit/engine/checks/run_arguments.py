"""What a runner is given: completed, and refused where it could only fail later."""
import importlib.util
import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Optional

from mmengine.model import BaseModel
from mmengine.optim import OptimWrapperDict
from torch import nn

from segkit.engine.last_checkpoint import find_last_checkpoint, find_start, is_run_folder
from segkit.errors import ConfigError
from segkit.registry import VISUALIZERS

DEFAULT_SEED = 0
REPORT = dict(type='RunReportHook')
# That every run has, unless the config sets them to None.
OTHERS = dict(bad_samples=dict(type='BadSamplesHook'), dead_classes=dict(type='DeadClassHook'))
# What MMEngine's visualization backends import when the first value is written, which is late.
BACKEND_PACKAGES = dict(
    TensorboardVisBackend=('tensorboard', 'tensorboardX'), WandbVisBackend=('wandb',), MLflowVisBackend=('mlflow',),
    ClearMLVisBackend=('clearml',), NeptuneVisBackend=('neptune',), DVCLiveVisBackend=('dvclive',),
    AimVisBackend=('aim',))
MMENGINE_S_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')


def complete(given: dict) -> dict:
    """Runner's keyword arguments with what follows from the others.

    Where data and metric of a validation or test are given, the loop is filled in; where a run is to be resumed, a
    checkpoint has to be there before a folder is made for it. The run folder's report is written, as MMEngine's own
    hooks are there, unless ``default_hooks.report`` is None or the visualizer is one that cannot draw it. A hook set
    to None is left out.

    Raises:
        ConfigError: If only some of the keys are given that belong together, there is nothing to resume, or
            ``log_level`` is none.
    """
    given = dict(given)
    for name in ('val', 'test'):
        if given.get(f'{name}_dataloader') is not None and given.get(f'{name}_cfg') is None:
            given[f'{name}_cfg'] = dict(type=f'{name.capitalize()}Loop')
    for keys in (('train_dataloader', 'train_cfg', 'optim_wrapper'), ('val_dataloader', 'val_cfg', 'val_evaluator'),
                 ('test_dataloader', 'test_cfg', 'test_evaluator')):
        missing = [key for key in keys if given.get(key) is None]
        if 0 < len(missing) < len(keys):
            there = [key for key in keys if key not in missing]
            raise ConfigError(f'The config has {" and ".join(there)}, but no {" and no ".join(missing)}.\n'
                              'Add what is missing, or set the others to None.')
    start = given.get('load_from')
    if given.get('resume') and (start is None or is_run_folder(start)) and given.get('train_cfg') is not None:
        find_last_checkpoint(given['work_dir'])  # which of them is whole is looked at once the processes can talk
    elif is_run_folder(start):
        find_start(start, lambda line: None)
    if given.get('visualizer') is None:
        given['visualizer'] = dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
    given['default_hooks'] = _default_hooks(given)
    level = given.get('log_level', 'INFO')
    if isinstance(level, str) and not isinstance(logging.getLevelName(level), int):
        raise ConfigError(f'log_level: expected DEBUG, INFO, WARNING or ERROR, got {level!r}.')
    return given


def _default_hooks(given: dict) -> dict:
    hooks = dict(given.get('default_hooks') or {})
    named = [*hooks.values(), *(given.get('custom_hooks') or [])]
    there = {hook.get('type') if isinstance(hook, dict) else type(hook).__name__ for hook in named if hook is not None}
    draws = given['visualizer']
    if isinstance(draws, dict) and isinstance(draws.get('type'), str):
        draws = VISUALIZERS.get(draws['type'])
    if REPORT['type'] not in there and hasattr(draws, 'draw_predictions_mosaic'):
        hooks.setdefault('report', dict(REPORT))
    for name, hook in OTHERS.items():
        if hook['type'] not in there:
            hooks.setdefault(name, dict(hook))
    # MMEngine drops those it knows, and fails at any other that is None
    return {name: hook for name, hook in hooks.items() if hook is not None or name in MMENGINE_S_HOOKS}


def seed(given: Any) -> int:
    """The seed of a run; 0 where none is given, so that a command repeats.

    Raises:
        ConfigError: If it is no whole number from 0 to 2**32 - 1.
    """
    if given is None:
        return DEFAULT_SEED
    if not isinstance(given, int) or not 0 <= given < 2**32:
        raise ConfigError(f'randomness.seed: expected a whole number from 0 to 2**32 - 1, got {given!r}.')
    return given


def check_backends(backends: Sequence[dict]) -> None:
    """Refuse ``visualizer.vis_backends`` whose packages are not there.

    Raises:
        ConfigError: Naming the package.
    """
    for backend in backends:
        kind = str(backend.get('type')).split('.')[-1]
        packages = BACKEND_PACKAGES.get(kind, ())
        if packages and not any(importlib.util.find_spec(name) for name in packages):
            raise ConfigError(f'visualizer.vis_backends asks for {kind}, but {packages[0]} is not installed.\n'
                              f'Install it (pip install {packages[0]}), or remove that backend.')


def check_start_method(method: Optional[str]) -> None:
    """Refuse a way to start loader processes that this system has not.

    Raises:
        ConfigError: Naming those it has.
    """
    there = multiprocessing.get_all_start_methods()
    if method is not None and method not in there:
        raise ConfigError(f'env_cfg.mp_cfg.mp_start_method: expected one of {", ".join(there)}, got {method!r}.')


def usable(optim_wrapper: Any, model: nn.Module) -> Any:
    """``optim_wrapper`` itself.

    Raises:
        ConfigError: If it has several optimizers, and the model does not say itself how it uses them.
    """
    if isinstance(optim_wrapper, OptimWrapperDict) and type(model).train_step is BaseModel.train_step:
        names, kind = ', '.join(optim_wrapper.keys()), type(model).__name__
        raise ConfigError(f'optim_wrapper has several optimizers ({names}), and {kind} '
                          'makes its updates with one.\nUse one, with optim_wrapper.paramwise_cfg.custom_keys for '
                          'rates of its own for each part, or a model with a train_step of its own.')
    return optim_wrapper


@contextmanager
def named(key: str, cfg: Any) -> Iterator[None]:
    """Put the config key before what torch or MMEngine say of a value that they cannot use.

    Raises:
        ConfigError: If something is built from ``cfg`` inside and its values are refused.
    """
    try:
        yield
    except (TypeError, ValueError, AssertionError, ImportError) as error:
        shown = ' '.join(str(cfg).split())
        raise ConfigError(f'{key}: nothing can be built from its values: {" ".join(str(error).split())}\n'
                          f'It is {shown if len(shown) <= 300 else shown[:297] + "..."}.') from error
