"""The machine a run runs on: its report, and the process group of several processes."""
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch

import segkit
from segkit import launchers
from segkit.errors import ConfigError, SegkitError

PACKAGES = ('torch', 'torchvision', 'mmengine', 'onedl-mmengine', 'mmcv', 'mmcv-lite', 'onedl-mmcv', 'numpy',
            'opencv-python', 'opencv-python-headless', 'pycocotools', 'terminaltables', 'tensorboard')


def report() -> dict[str, str]:
    """Versions and devices, without importing anything that might be broken.

    MMEngine's own report imports torchvision and lets the run fail where torchvision does not fit torch.
    """
    facts = {
        'segkit': segkit.__version__ + _commit(),
        'python': f'{platform.python_version()} ({sys.executable})',
        'platform': platform.platform(),
        'cpu': f'{os.cpu_count()} cores, torch uses {_threads()}',
    }
    for name in PACKAGES:
        try:
            facts[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    facts['torch'] = torch.__version__
    if torch.cuda.is_available():
        facts['cuda'] = f'{torch.version.cuda}, cudnn {torch.backends.cudnn.version()}'
        for i in range(torch.cuda.device_count()):
            facts[f'cuda:{i}'] = torch.cuda.get_device_name(i)
    return facts


def _threads() -> str:
    count = torch.get_num_threads()
    return f'{count} thread{"s" if count > 1 else ""}'


def device_name() -> str:
    """The device of this process in words."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(torch.cuda.current_device())
    return f'CPU, {_threads()}'


@contextmanager
def memory_explained() -> Iterator[None]:
    """Say what to do where a run needs more memory than there is.

    Raises:
        SegkitError: If torch could not get the memory it asked for.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in text:
            raise
        raise SegkitError(
            f'out of memory: {text.splitlines()[0][:200]}\nA training needs less with a smaller '
            'train_dataloader.batch_size or crop, --amp, or model.backbone.with_cp=True;\na validation or test with a '
            "smaller batch_size, or with model.test_cfg=dict(mode='slide', crop_size=..., stride=...).") from error


def start_process_group(launcher: str, dist_cfg: dict) -> None:
    """Let this process meet the others: NCCL between GPUs, one for each process, gloo between CPUs.

    Args:
        launcher: What started the processes: 'pytorch' (torchrun, tools/dist_train.sh), 'slurm' or 'mpi'.
        dist_cfg: ``env_cfg.dist_cfg``: ``backend`` (on GPUs; gloo works there too, on CPUs nothing else does),
            ``timeout`` in seconds, ``port`` (for slurm and mpi), and what else ``init_process_group`` takes.

    Raises:
        ConfigError: If the launcher's variables are not there, this process has no GPU of its own, or the others
            cannot be met.
    """
    options = {key: value for key, value in dist_cfg.items() if key != 'init_backend'}
    port, timeout, backend = (options.pop(key, None) for key in ('port', 'timeout', 'backend'))
    if port is not None and launcher != 'pytorch':
        os.environ['MASTER_PORT'] = str(port)
    launchers.adopt(launcher)
    if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
        raise ConfigError(f'env_cfg.dist_cfg.timeout: expected seconds above 0, got {timeout!r}.')
    if torch.cuda.is_available():
        local, gpus = int(os.environ['LOCAL_RANK']), torch.cuda.device_count()
        count = int(os.environ.get('LOCAL_WORLD_SIZE', local + 1))
        if max(local + 1, count) > gpus:
            raise ConfigError(f'{count} processes were started on this machine, and it shows '
                              f'{gpus} GPU{"s" if gpus > 1 else ""}.\nA process uses one GPU of its own: start {gpus}, '
                              'or show more (CUDA_VISIBLE_DEVICES; for Slurm --gres=gpu:N).')
        torch.cuda.set_device(local)
        backend = backend or 'nccl'
    else:
        backend = 'gloo'
    try:
        torch.distributed.init_process_group(backend, **options,
                                             timeout=timedelta(seconds=timeout) if timeout else None)
    except (RuntimeError, ValueError, TypeError) as error:
        place = f'{os.environ["MASTER_ADDR"]}:{os.environ["MASTER_PORT"]}'
        raise ConfigError(f'the processes ({os.environ["WORLD_SIZE"]}) could not meet at {place} over {backend}: '
                          f'{str(error).splitlines()[0][:200]}\nMASTER_ADDR has to be the machine of process 0, the '
                          'port free there and open to the others; MASTER_PORT (PORT for\nthe tools) names another. '
                          'Network interfaces are named by GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME.') from error


def leave_process_group() -> None:
    """Wait for the other processes and leave their group, in a distributed run.

    A process that ends while another still talks to it takes that one down: gloo's threads abort it.
    """
    group = torch.distributed
    if group.is_available() and group.is_initialized():
        group.barrier(device_ids=[torch.cuda.current_device()] if group.get_backend() == 'nccl' else None)
        group.destroy_process_group()


def _commit() -> str:
    try:
        out = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], cwd=Path(__file__).parent, capture_output=True,
                             text=True, timeout=2)
    except (OSError, subprocess.TimeoutExpired):
        return ''
    return f'+{out.stdout.strip()}' if out.returncode == 0 else ''
