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
        'cpu': f'{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads',
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


def device_name() -> str:
    """The device of this process in words."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(torch.cuda.current_device())
    return f'CPU, {torch.get_num_threads()} threads'


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


def start_cpu_process_group(launcher: str, dist_cfg: dict) -> None:
    """Start a gloo group between CPU processes; MMEngine's launcher would ask for a CUDA device.

    Args:
        launcher: As typed; 'pytorch' (torchrun) is the one that works without CUDA.
        dist_cfg: ``env_cfg.dist_cfg``; its ``timeout`` (seconds) is used, its backend cannot be on a CPU.

    Raises:
        ConfigError: If the launcher is another one, or its variables are not set.
    """
    if launcher != 'pytorch':
        raise ConfigError(f"--launcher {launcher} needs CUDA devices, and this machine has none.\n"
                          'Use tools/dist_train.sh (torchrun, --launcher pytorch) on CPUs.')
    missing = [name for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT') if name not in os.environ]
    if missing:
        raise ConfigError(f'--launcher pytorch: the environment variables {", ".join(missing)} are not set.\n'
                          'Start it with tools/dist_train.sh CONFIG N, or with torchrun.')
    timeout = dist_cfg.get('timeout')
    torch.distributed.init_process_group('gloo', timeout=timedelta(seconds=timeout) if timeout else None)


def leave_process_group() -> None:
    """Wait for the other processes and leave their group, in a distributed run.

    A process that ends while another still talks to it takes that one down: gloo's threads abort it.
    """
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _commit() -> str:
    try:
        out = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], cwd=Path(__file__).parent, capture_output=True,
                             text=True, timeout=2)
    except (OSError, subprocess.TimeoutExpired):
        return ''
    return f'+{out.stdout.strip()}' if out.returncode == 0 else ''
