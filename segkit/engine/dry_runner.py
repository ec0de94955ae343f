"""A runner that builds everything a training needs, and then does what the caller says instead of the training."""
import copy
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional, Union

from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop
from torch import nn
from torch.optim import SGD
from torch.utils.data import DataLoader

from segkit.checkpoint.fetching import locate
from segkit.engine import run_state
from segkit.engine.seg_runner import SegRunner

LOCAL_BACKENDS = ('LocalVisBackend', 'TensorboardVisBackend')


class DryRunner(SegRunner):
    """Builds what :class:`SegRunner` builds, in its order and with its checks, and calls ``walk`` instead of training.

    Weights that would have to be downloaded are left out and noted.

    Attributes:
        walk: Called with the runner where the training loop would run.
        absent: (what wants them, source, where they would be downloaded to) of each file of weights that is not here.
    """

    walk: Callable[['DryRunner'], Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.absent: list[tuple[str, str, Path]] = []
        self._schedule_cfg: Any = None
        super().__init__(*args, **kwargs)

    def build_logger(self, log_level: Union[int, str] = 'INFO', log_file: Optional[str] = None,
                     **kwargs: Any) -> MMLogger:
        """A logger whose console shows warnings and errors only."""
        logger = super().build_logger(log_level, log_file, **kwargs)
        self.console.setLevel(max(self.console.level, logging.WARNING))
        return logger

    def build_train_loop(self, loop: Union[BaseLoop, dict]) -> BaseLoop:
        """The training loop, whose ``run`` is the walk."""
        if self.stop_request is not None:  # there is nothing to save, so a signal ends the process as it did before
            self.stop_request.__exit__(None, None, None)
        loop = super().build_train_loop(loop)
        loop.run = lambda: self.walk(self)
        return loop

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """The schedules; their configs are kept for :meth:`learning_rates`."""
        self._schedule_cfg = copy.deepcopy(scheduler) if self._schedule_cfg is None else self._schedule_cfg
        return super().build_param_scheduler(scheduler)

    def _init_model_weights(self) -> None:
        if not self._resume:
            for name, module in run_state.bare(self.model).named_modules():
                self._leave_out_absent(name, module)
        super()._init_model_weights()

    def _leave_out_absent(self, name: str, module: nn.Module) -> None:
        given = getattr(module, 'init_cfg', None)
        entries = list(given) if isinstance(given, (list, tuple)) else [given] if isinstance(given, dict) else []
        kept = [entry for entry in entries
                if entry.get('type') != 'Pretrained' or self._is_here(name or 'model', entry['checkpoint'])]
        if len(kept) < len(entries):
            module.init_cfg = kept or None

    def _is_here(self, name: str, source: str) -> bool:
        path, address = locate(source)
        if address is None or path.is_file():  # a local file that is missing is the error that it is in a run
            return True
        self.absent.append((name, source, path))
        return False

    def load_or_resume(self) -> None:
        """Load ``load_from``, unless it would have to be downloaded."""
        if self._load_from is None or self._is_here('load_from', self._load_from):
            super().load_or_resume()

    def learning_rates(self, at: list[int]) -> Optional[list[float]]:
        """The first parameter group's learning rate in some iterations, from a second set of the schedules.

        Args:
            at: Iterations, counted from 0, ascending.

        Returns:
            A rate for each; None where there are several optimizers.
        """
        if not isinstance(self.optim_wrapper, OptimWrapper):
            return None
        start = self.optim_wrapper.param_groups[0]
        number = nn.Parameter(next(self.model.parameters()).new_zeros(1))
        optimizer = OptimWrapper(SGD([number], lr=start.get('initial_lr', start['lr'])))
        schedules = []
        if self._schedule_cfg is not None:
            schedules = self._build_param_scheduler(copy.deepcopy(self._schedule_cfg), optimizer)
        optimizer.step()  # updates nothing; the schedules want to have seen one
        rates, epoch = [], len(self.train_dataloader)
        for iteration in range(at[-1] + 1):
            if iteration in at:
                rates.append(optimizer.param_groups[0]['lr'])
            for schedule in schedules:
                if not schedule.by_epoch or (iteration + 1) % epoch == 0:
                    schedule.step()
        return rates


class OneBatch:
    """A loader of a single batch that was read already; everything else is asked of the loader it came from.

    Args:
        loader: The real one.
        batches: The batch in a list, or none.
        total: Images in it, over all processes.
    """

    def __init__(self, loader: DataLoader, batches: list, total: int) -> None:
        self._loader, self._batches = loader, batches
        self.dataset = _Few(loader.dataset, total)

    def __iter__(self) -> Any:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


class _Few:
    """A dataset that says it has only so many samples."""

    def __init__(self, dataset: Any, length: int) -> None:
        self._dataset, self._length = dataset, length

    def __len__(self) -> int:
        return self._length

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)


def local_config(cfg: Any, folder: Path) -> Any:
    """A copy of a config whose run writes to one folder alone, asks no host, and reads its data in its own process."""
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = str(folder)
    for name in ('train', 'val'):
        if isinstance(cfg.get(f'{name}_dataloader'), dict):
            cfg[f'{name}_dataloader'].num_workers = 0
    for hook in [*(cfg.get('default_hooks') or {}).values(), *(cfg.get('custom_hooks') or [])]:
        if isinstance(hook, dict) and hook.get('out_dir') is not None:
            hook.out_dir = None
    visualizer = cfg.get('visualizer')
    if isinstance(visualizer, dict):
        visualizer.pop('save_dir', None)
        backends = [one for one in visualizer.get('vis_backends') or [] if one.get('type') in LOCAL_BACKENDS]
        for backend in backends:
            backend.pop('save_dir', None)
        visualizer.vis_backends = backends or [dict(type='LocalVisBackend')]
    return cfg
