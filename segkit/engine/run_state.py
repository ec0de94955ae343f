"""What a checkpoint holds beside the weights, and how a run takes it up again."""
import json
import re
import time
from typing import Any, Optional

import mmengine
from mmengine.dist import broadcast, get_world_size
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner.checkpoint import weights_to_cpu
from mmengine.utils import apply_to
from torch import nn

import segkit
from segkit.engine.run_config import plain

KEPT_SCALARS = 100  # latest values of each logged number, at least; the log's means reach back to the last logged one
PREPROCESSING = ('mean', 'std', 'bgr_to_rgb', 'rgb_to_bgr', 'pad_val', 'size_divisor', 'test_cfg')


def bare(model: nn.Module) -> nn.Module:
    """The segmentor inside DDP or a test-time augmentation."""
    while isinstance(getattr(model, 'module', None), nn.Module):
        model = model.module
    return model


def capture(runner: Any, meta: dict, optimizer: bool, schedulers: bool) -> dict:
    """A checkpoint's content, in types that load without unpickling code.

    Args:
        runner: The runner.
        meta: ``epoch`` and ``iter`` to go on from, and what else the caller wants in ``meta``.
        optimizer: Whether to keep the state of the optimizer and of the log, to resume from.
        schedulers: Whether to keep the state of the learning-rate schedules.
    """
    meta = dict(
        meta,
        cfg=runner.cfg.pretty_text,
        config_json=json.dumps(plain(runner.cfg.to_dict(), pairs=True)),
        seed=runner.seed,
        total_batch=total_batch(runner),
        processes=runner.world_size,
        accumulative_counts=accumulative_counts(runner),
        dataset_length=dataset_length(runner),
        experiment_name=runner.experiment_name,
        time=time.strftime('%Y%m%d_%H%M%S'),
        segkit_version=segkit.__version__,
        mmengine_version=mmengine.__version__,
        preprocessing={k: v for k, v in plain(runner.cfg.get('model', {}).get('data_preprocessor') or {}).items()
                       if k in PREPROCESSING})
    if hasattr(runner.train_loop, 'position'):
        meta.update(runner.train_loop.position(meta['epoch'], meta['iter']))
    metainfo = getattr(runner.train_dataloader.dataset, 'metainfo', None)
    if metainfo:
        meta['dataset_meta'] = plain(metainfo)
    checkpoint = dict(meta=meta, state_dict=weights_to_cpu(bare(runner.model).state_dict()))
    if optimizer:
        state = runner.optim_wrapper.state_dict()
        checkpoint['optimizer'] = apply_to(state, lambda x: hasattr(x, 'cpu'), lambda x: x.cpu())
        checkpoint['message_hub'] = _log_state(runner.message_hub, runner.log_interval)
    if schedulers and runner.param_schedulers:
        by_name = runner.param_schedulers
        checkpoint['param_schedulers'] = ({k: [s.state_dict() for s in v] for k, v in by_name.items()}
                                          if isinstance(by_name, dict) else [s.state_dict() for s in by_name])
    return checkpoint


def share_buffers(model: nn.Module) -> None:
    """Give every process the running statistics of the first one, whose are the ones that are saved.

    Plain batch norm takes them of each process's own images; without this a validation would score as many different
    networks as there are processes, and the best weights would be none of them.
    """
    if get_world_size() > 1:
        for buffer in bare(model).buffers():
            broadcast(buffer, src=0)


def take_trained_weights(checkpoint: dict) -> bool:
    """Where EMAHook put an average into ``state_dict``, replace it by the weights that are trained.

    Returns:
        Whether there was one; ``ema_state_dict`` is gone then.
    """
    aside = checkpoint.pop('ema_state_dict', None)
    if aside is not None:
        checkpoint['state_dict'] = {key[len('module.'):]: value for key, value in aside.items()
                                    if key.startswith('module.')}
    return aside is not None


def total_batch(runner: Any) -> Optional[int]:
    """Images of one iteration over all processes; None where the loader has no fixed batch size."""
    size = runner.train_dataloader.batch_size
    return None if size is None else size * runner.world_size


def dataset_length(runner: Any) -> Optional[int]:
    """Samples of the training data; None where their number is not known."""
    dataset = runner.train_dataloader.dataset
    return len(dataset) if hasattr(dataset, '__len__') else None


def batch_text(images: Optional[int], processes: Optional[int], counts: int) -> str:
    """Where the images of an update come from; ``processes`` is None for a checkpoint that does not say."""
    if not images or not processes:
        return f'{images} images an iteration x {counts} accumulated'
    return (f'{processes} {"process" if processes == 1 else "processes"} x {images // processes} images x {counts} '
            'accumulated')


def accumulative_counts(runner: Any) -> int:
    """Iterations of one update of the weights, of an optimizer wrapper or its config."""
    wrapper = runner.optim_wrapper
    if isinstance(wrapper, dict):
        return wrapper.get('accumulative_counts', 1)
    return getattr(wrapper, '_accumulative_counts', 1)


def interval_numbers(runner: Any) -> dict[str, float]:
    """The training's numbers at a logged iteration: losses and times as means since the last one, others as they are.

    The log's line, scalars.json and metrics.csv all take them from here, so that they say the same.
    """
    window = (runner.iter + 1) % runner.log_interval or runner.log_interval
    return {key[len('train/'):]: float(history.mean(window) if 'loss' in key or key.endswith('time')
                                       else history.current())
            for key, history in runner.message_hub.log_scalars.items() if key.startswith('train/')}


def _log_state(hub: MessageHub, log_interval: int = 1) -> dict:
    kept = max(KEPT_SCALARS, log_interval)
    scalars = {name: [float(v) for v in buffer.data[0][-kept:]] for name, buffer in hub.log_scalars.items()}
    info = {k: plain(v) for k, v in hub.runtime_info.items() if k != 'cfg'}
    return dict(log_scalars=scalars, runtime_info=info, resumed_keys={})


def restore_log(hub: MessageHub, state: dict) -> None:
    """Take over the log's state, from a checkpoint of segkit's or MMEngine's."""
    for name, values in state.get('log_scalars', {}).items():
        if isinstance(values, HistoryBuffer):
            hub.log_scalars[name] = values
        else:
            hub.log_scalars[name] = HistoryBuffer(values, [1] * len(values))
    for name, value in state.get('runtime_info', {}).items():
        if name != 'cfg' and name not in hub.runtime_info:  # what this run has said already is newer
            hub.update_info(name, value)


def restore_schedulers(schedulers: Any, states: Any) -> None:
    """Set each schedule, of a list or of lists by optimizer, to where it stopped; numbers and settings are equal."""
    if isinstance(schedulers, dict):
        for name, own in schedulers.items():
            restore_schedulers(own, states[name])
        return
    for scheduler, state in zip(schedulers, states):
        end = {'end': scheduler.end} if getattr(scheduler, 'need_val_args', False) else {}  # of a longer training
        scheduler.load_state_dict({**state, **end})


def dataset_meta_of(checkpoint: dict) -> Optional[dict]:
    """Classes and palette that a checkpoint names: ``meta.dataset_meta`` (1.x) or ``meta.CLASSES`` (0.x)."""
    meta = checkpoint.get('meta') or {}
    named = meta.get('dataset_meta') or {}
    classes, palette = named.get('classes'), named.get('palette')
    if not classes:
        classes, palette = meta.get('CLASSES'), meta.get('PALETTE')
    return dict(classes=tuple(classes), palette=palette) if classes else None


def other_classes(theirs: Optional[tuple], ours: Optional[tuple], source: str) -> Optional[str]:
    """What differs between the classes of a checkpoint and those of a dataset, in words; None where nothing does."""
    if not theirs or not ours:
        return None
    if len(theirs) != len(ours):
        return f'{source} was trained on {len(theirs)} classes, the dataset has {len(ours)}.'
    for i, (a, b) in enumerate(zip(theirs, ours)):
        if re.sub(r'\W|_', '', a.lower()) != re.sub(r'\W|_', '', b.lower()):
            return f"Class {i} is '{a}' in {source} and '{b}' in the dataset."
    return None
