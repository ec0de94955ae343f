"""What a dry run keeps of its runners, once they are gone."""
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import torch
from mmengine.config import Config
from torch import Tensor, nn

from segkit.engine import run_state
from segkit.engine.last_checkpoint import iteration_of
from segkit.engine.shape_trace import Stair


@dataclass
class Seen:
    """What passed through a step and a validation batch.

    Attributes:
        pipeline: The first training sample behind each transform.
        batch: The collated batch, at its real size.
        stairs: The network's shapes in the step that was taken.
        losses: What the step gave.
        validation: (pipeline, batch, stairs, predictions) of the validation; None where there is none.
    """

    pipeline: list[Stair]
    batch: dict
    stairs: list[Stair]
    losses: dict[str, Tensor]
    validation: Optional[tuple[list[Stair], dict, list[Stair], list]] = None


@dataclass
class Facts:
    """Numbers of a run.

    Attributes:
        processes: Of the run.
        workers: Loader processes of each.
        iterations: Of the whole training.
        train_samples, val_samples: Of the data; None where there is no validation.
        classes: Their names; empty where the data do not say.
        ignore_index: The label that does not count.
        amp_dtype: What autocast computes in; None without it.
        optimizer_bytes, averaged_bytes, trainable_bytes: Optimizer's state, averaged weights, what learns.
        full_bytes, best_bytes: Sizes of a checkpoint to go on from, and of one of best weights.
        kept, best: How many of each the run folder holds at most.
        folder: Where they go.
        earlier: Iteration of the run that the folder holds already; None where there is none.
    """

    processes: int
    workers: int
    iterations: int
    train_samples: int
    val_samples: Optional[int]
    classes: tuple[str, ...]
    ignore_index: int
    amp_dtype: Optional[torch.dtype]
    optimizer_bytes: int
    averaged_bytes: int
    trainable_bytes: int
    full_bytes: int
    best_bytes: int
    kept: int
    best: int
    folder: Path
    earlier: Optional[int]


def facts_of(runner: Any, cfg: Config, checkpoint: Path) -> Facts:
    """Take down what a runner knows.

    Args:
        runner: The runner.
        cfg: The config of the real run.
        checkpoint: A full checkpoint, where this process sees it.
    """
    model, loader = run_state.bare(runner.model), runner.train_dataloader
    hook = checkpoint_hook(runner)
    keep, interval = getattr(hook, 'max_keep_ckpts', 0), getattr(hook, 'interval', 0)
    length = runner.max_epochs if getattr(hook, 'by_epoch', False) else runner.max_iters
    saved = -(-length // interval) if interval > 0 else 1
    best = getattr(hook, 'scores', None) or getattr(hook, 'save_best', None) or []
    out_dir = ((cfg.get('default_hooks') or {}).get('checkpoint') or {}).get('out_dir')
    weights = sum(_bytes(model.state_dict()))
    return Facts(
        processes=runner.world_size, workers=cfg.train_dataloader.get('num_workers', 0), iterations=runner.max_iters,
        train_samples=len(loader.dataset),
        val_samples=None if runner.val_loop is None else len(runner.val_loop.dataloader.dataset),
        classes=tuple((getattr(loader.dataset, 'metainfo', None) or {}).get('classes') or ()),
        ignore_index=getattr(getattr(model, 'decode_head', None), 'ignore_index', 255),
        amp_dtype=getattr(runner.optim_wrapper, 'cast_dtype', None),
        optimizer_bytes=sum(_bytes(runner.optim_wrapper.state_dict())),
        averaged_bytes=_copies(runner.hooks, model),
        trainable_bytes=sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad),
        full_bytes=checkpoint.stat().st_size if checkpoint.is_file() else 0, best_bytes=weights,
        kept=0 if hook is None else saved if keep < 0 else min(keep, saved),
        best=len([best] if isinstance(best, str) else best) if runner.val_loop is not None else 0,
        folder=Path(out_dir or cfg.work_dir), earlier=iteration_of(cfg.work_dir))


def _copies(hooks: list, model: nn.Module) -> int:
    """Bytes of the modules that hooks keep beside the model, such as averages of it."""
    own = {value.data_ptr() for value in model.state_dict().values()}
    kept = {value.data_ptr(): value for hook in hooks for module in vars(hook).values() if isinstance(module, nn.Module)
            for value in module.state_dict().values()}
    return sum(_bytes([value for key, value in kept.items() if key not in own]))


def checkpoint_hook(runner: Any) -> Any:
    """The hook that saves; None where there is none."""
    return next((hook for hook in runner.hooks if hasattr(hook, 'max_keep_ckpts')), None)


def free_bytes(folder: Path) -> int:
    """Free space of the disk that a folder, which may not exist yet, will be on."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _bytes(state: Any) -> list[int]:
    if isinstance(state, Tensor):
        return [state.numel() * state.element_size()]
    if isinstance(state, dict):
        state = state.values()
    elif not isinstance(state, (list, tuple)):
        return []
    return [count for one in state for count in _bytes(one)]
