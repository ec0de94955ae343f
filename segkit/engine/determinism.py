"""Runs that give the same bits each time, on one machine with the same software."""
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from segkit.errors import ConfigError, SegkitError

WORKSPACES = (':4096:8', ':16:8')  # with which cuBLAS adds in a fixed order


def prepare(randomness: dict, env_cfg: dict) -> tuple[dict, list[str]]:
    """Set what has to be set before CUDA is first used; MMEngine sets torch's and cuDNN's switches with the seed.

    Args:
        randomness: ``randomness`` of the config; nothing is done unless ``deterministic`` is True.
        env_cfg: ``env_cfg`` of the config; not changed.

    Returns:
        The ``env_cfg`` to use, and lines that say what of it is overruled.

    Raises:
        ConfigError: If ``deterministic`` is neither True nor False, or the environment variable of cuBLAS has a value
            with which torch refuses to go on.
    """
    deterministic = randomness.get('deterministic', False)
    if not isinstance(deterministic, bool):
        raise ConfigError(f'randomness.deterministic: expected True or False, got {deterministic!r}.')
    if not deterministic:
        return env_cfg, []
    workspace = os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', WORKSPACES[0])
    if workspace not in WORKSPACES and torch.cuda.is_available():
        raise ConfigError(f'The environment variable CUBLAS_WORKSPACE_CONFIG is {workspace!r}; a deterministic run '
                          f'needs {" or ".join(WORKSPACES)}.\nUnset it, or leave out --deterministic '
                          '(randomness.deterministic).')
    if not env_cfg.get('cudnn_benchmark'):
        return env_cfg, []
    return dict(env_cfg, cudnn_benchmark=False), [
        'env_cfg.cudnn_benchmark=True is overruled: cuDNN would choose its algorithms by their speed of the day, and '
        'the run is deterministic']


@contextmanager
def refusals_explained() -> Iterator[None]:
    """Name the operation that torch refuses in a deterministic run.

    Raises:
        SegkitError: If torch refuses one inside.
    """
    try:
        yield
    except RuntimeError as error:
        named = re.search(r'(\S+) does not have a deterministic implementation', str(error))
        if named is None and 'CUBLAS_WORKSPACE_CONFIG' not in str(error):
            raise
        operation = named[1] if named else 'a matrix product of cuBLAS'
        raise SegkitError(
            f'{operation} has no deterministic implementation in torch {torch.__version__} on this device, and the run '
            'is to be\ndeterministic. Replace the part of the model or the transform that uses it, or leave out '
            '--deterministic\n(randomness.deterministic=False).') from error
