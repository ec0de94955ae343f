"""torch.compile for parts of the model, as the key ``compile`` of a config asks for it."""
import difflib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Union

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from segkit.errors import ConfigError

DEFAULT_PARTS = ('backbone', 'decode_head', 'auxiliary_head')
OPTIONS = ('backend', 'mode', 'dynamic', 'fullgraph', 'options', 'disable')  # torch.compile's
Plan = dict[str, dict[str, Any]]


def plan(model: nn.Module, wanted: Union[None, bool, dict]) -> Plan:
    """What ``compile`` of a config asks for.

    True compiles the backbone and the heads with torch's defaults. A dict names the parts, each with True, False or
    torch.compile's keyword arguments: ``compile=dict(backbone=dict(mode='max-autotune'), decode_head=True)``. A dict of
    torch.compile's keyword arguments alone, MMEngine's form, is for all of them.

    Args:
        model: The bare segmentor; a part is the name of a module in it.
        wanted: The value of the key.

    Returns:
        torch.compile's keyword arguments for each part.

    Raises:
        ConfigError: If a part or an argument is unknown, or the compiler cannot work here.
    """
    if not wanted:
        return {}
    if wanted is not True and not isinstance(wanted, dict):
        raise ConfigError(f'compile: expected True, False or a dict of parts, got {wanted!r}.\n'
                          "Such as compile=dict(backbone=True, decode_head=dict(mode='max-autotune')).")
    present = [name for name in DEFAULT_PARTS if isinstance(getattr(model, name, None), nn.Module)]
    if wanted is True or set(wanted) <= set(OPTIONS):
        wanted = dict.fromkeys(present, True if wanted is True else dict(wanted))
    parts: Plan = {}
    known = [name for name, _ in model.named_modules() if name]
    for name, options in wanted.items():
        if name not in known:
            near = difflib.get_close_matches(str(name), [*known, *OPTIONS], n=1, cutoff=0.5)
            raise ConfigError(f"compile: the model has no part '{name}'." + (f' Nearest: {near[0]}.' if near else '')
                              + f'\nIts parts: {", ".join(n for n, _ in model.named_children())}.')
        if not isinstance(options, (bool, dict)):
            raise ConfigError(f'compile.{name}: expected True, False or a dict, got {options!r}.')
        for key in options if isinstance(options, dict) else ():
            if key not in OPTIONS:
                near = difflib.get_close_matches(str(key), OPTIONS, n=1, cutoff=0.5)
                raise ConfigError(f"compile.{name}: torch.compile takes no '{key}'; it takes {', '.join(OPTIONS)}."
                                  + (f'\nNearest: {near[0]}.' if near else ''))
        if options is not False:
            parts[name] = {} if options is True else dict(options)
    for name, options in parts.items():
        _check_backend(name, options, model.get_submodule(name))
    return parts


def _check_backend(name: str, options: dict, part: nn.Module) -> None:
    backend = options.get('backend', 'inductor')
    if isinstance(backend, str) and backend not in torch.compiler.list_backends(exclude_tags=()):
        raise ConfigError(f"compile.{name}.backend: torch has no '{backend}'; it has "
                          f"{', '.join(torch.compiler.list_backends())}, and eager and aot_eager to look for errors.")
    if backend == 'eager' and any(getattr(module, 'with_cp', False) for module in part.modules()):
        raise ConfigError(f"compile.{name}: backend='eager' updates batch norms twice in blocks that are computed "
                          "again.\nSet backend='aot_eager', or with_cp=False.")
    if backend != 'inductor':
        return
    remedy = ("\nInstall it, leave compile out, or set backend='aot_eager' in it (no faster than without).")
    if torch.cuda.is_available():
        if importlib.util.find_spec('triton') is None:
            raise ConfigError('compile: torch.compile needs the package triton on CUDA, which is missing.' + remedy)
        names = [os.environ['CC']] if 'CC' in os.environ else ['gcc', 'clang', 'cc']
    else:
        names = [os.environ.get('CXX', 'clang++' if sys.platform == 'darwin' else 'g++')]
    if not any(map(shutil.which, names)):
        raise ConfigError(f'compile: torch.compile needs the compiler {" or ".join(names)}, which was not found.'
                          + remedy)


def apply(parts: Plan, model: nn.Module, processes: int) -> tuple[list[str], list[str]]:
    """Compile the parts in place; keys of checkpoints stay what they are.

    Args:
        parts: What :func:`plan` returned.
        model: The bare segmentor, its weights loaded.
        processes: Number of processes of the run.

    Returns:
        The parts that were compiled, and those that were not because batch norm in them talks to other processes.
        There torch.compile would cut the code at each batch norm, and give up half-way.

    Raises:
        ConfigError: If torch refuses an argument.
    """
    done, left_out = [], []
    for name, options in parts.items():
        part = model.get_submodule(name)
        if processes > 1 and any(isinstance(m, _BatchNorm) and 'Sync' in type(m).__name__ for m in part.modules()):
            left_out.append(name)
            continue
        for module in part if isinstance(part, nn.ModuleList) else [part]:
            try:
                module.compile(**options)
            except (RuntimeError, TypeError, ValueError, AssertionError) as error:
                raise ConfigError(f'compile.{name}: torch.compile refuses {options}: {error}') from error
        done.append(name)
    return done, left_out


def uncompiled(run: Callable) -> Callable:
    """``run`` with compiled modules as they were before.

    For validations: photos of many sizes would be compiled for again and again, and a score is to be the one that a
    test of the checkpoint gives.
    """

    @wraps(run)
    def plainly(*args: Any, **kwargs: Any) -> Any:
        with torch.compiler.set_stance('force_eager'):
            return run(*args, **kwargs)

    return plainly


@contextmanager
def explained(wanted: Any) -> Iterator[None]:
    """Say what to do where the compiler fails inside.

    Raises:
        ConfigError: In place of the errors of torch's compiler.
    """
    try:
        yield
    except Exception as error:
        if not wanted or not type(error).__module__.startswith(('torch._dynamo', 'torch._inductor')):
            raise
        said = ' '.join([line.strip() for line in str(error).splitlines() if line.strip()][:2]) or type(error).__name__
        raise ConfigError(f'compile: torch could not compile the model: {said[:300]}\nLeave compile out, or the part '
                          'of it that fails; --debug shows what the compiler says.') from error
