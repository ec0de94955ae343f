"""From the dataloader part of a config to a DataLoader."""
import copy
import inspect
import random
import warnings
from functools import cache, partial
from typing import Any, Callable, Optional

import cv2
import numpy as np
import torch
from mmengine.logging import MMLogger, print_log
from mmengine.registry import FUNCTIONS
from torch.utils.data import DataLoader

from segkit.cores import usable_cores
from segkit.engine.loader_processes import heed_parent_only
from segkit.engine.skipped_samples import SkippedSamples, SkippingLoader
from segkit.errors import ConfigError
from segkit.registry import DATA_SAMPLERS, DATASETS


def build_data_loader(cfg: dict, seed: Optional[int], training: bool) -> DataLoader:
    """Build dataset, sampler and DataLoader.

    Args:
        cfg: ``dataset``, ``sampler`` and the keyword arguments of torch's DataLoader.
        seed: What the sampler's draws are decided by.
        training: Seed each draw's augmentation, join the labels of a batch, and leave out an incomplete last batch
            unless the config says otherwise.

    Raises:
        ConfigError: If a key or value is not one of DataLoader's, or the batch is larger than a finite sampler's epoch.
    """
    cfg = copy.deepcopy(cfg)
    name = 'train_dataloader' if training else 'val_dataloader (or test_dataloader)'
    dataset = cfg.pop('dataset', None)
    if dataset is None:
        raise ConfigError(f"{name} has no dataset: give it dataset=dict(type='FolderDataset', ...), for example.")
    if isinstance(dataset, dict):
        dataset = DATASETS.build(dataset)
    if training:
        dataset = DATASETS.build(dict(type='SeededDataset', dataset=dataset))
    if hasattr(dataset, 'full_init'):
        dataset.full_init()
    if hasattr(dataset, '__len__') and len(dataset) == 0:
        raise ConfigError(f'{name}: its dataset has no samples (a wrapper of 0 times?).')
    sampler = _sampler(cfg.pop('sampler', None), dataset, seed, training, name)
    batch_sampler = cfg.pop('batch_sampler', None)
    if batch_sampler is not None:
        batch_sampler = DATA_SAMPLERS.build(batch_sampler,
                                            default_args=dict(sampler=sampler, batch_size=cfg.pop('batch_size', 1)))
    elif training:
        cfg.setdefault('drop_last', True)

    workers = cfg.setdefault('num_workers', 0)
    if workers == 0:  # torch refuses these two without workers; a config that is run with 0 workers still has them
        cfg['persistent_workers'] = False
        cfg.pop('prefetch_factor', None)
    cfg['pin_memory'] = cfg.get('pin_memory', True) and torch.cuda.is_available()
    collate = _function(cfg.pop('collate_fn', dict(type='seg_collate', stack_labels=training)))
    own_init = cfg.pop('worker_init_fn', None)
    worker_init = partial(init_worker, seed=seed, then=_function(own_init) if own_init else None)
    unknown = sorted(set(cfg) - set(inspect.signature(DataLoader).parameters))
    if unknown:
        raise ConfigError(f'A dataloader takes no {unknown[0]!r}; it takes dataset, sampler and what '
                          "torch's DataLoader takes.\nFor a part of the dataset use dataset.indices.")
    limit_of = FUNCTIONS.get('bad_sample_limit')
    limit, kind = None if limit_of is None else limit_of(dataset), DataLoader
    if limit is not None:
        account = SkippedSamples('train' if training else 'val', limit, len(dataset),
                                 partial(FUNCTIONS.get('beyond_own_limit'), dataset))
        kind = partial(SkippingLoader, skipped=account)
    # torch says this in four lines, here and again when the processes start; ours is below.
    warnings.filterwarnings('ignore', message='This DataLoader will create', category=UserWarning)
    try:
        loader = kind(dataset, sampler=sampler if batch_sampler is None else None, batch_sampler=batch_sampler,
                      collate_fn=collate, worker_init_fn=worker_init, **cfg)
    except (TypeError, ValueError) as error:
        raise ConfigError(f'{name}: torch refuses its values: {error}') from error
    loader.heeds_parent_only = True  # its processes do, through init_worker
    cores = usable_cores()
    if workers > cores:
        _say_of_cores(MMLogger.get_current_instance().instance_name, workers, cores)
    if training and batch_sampler is None and len(loader) == 0 and not hasattr(sampler, 'start_at'):
        raise ConfigError(f'train_dataloader: a batch of {loader.batch_size} needs more than the {len(sampler)} '
                          'samples that a process has in an epoch.\nLower batch_size, or set drop_last=False.')
    return loader


@cache
def _say_of_cores(run: str, workers: int, cores: int) -> None:
    """Said once in a run, not for each of its loaders."""
    print_log(f'num_workers={workers} in a dataloader, and {cores} cores here: fewer may be faster.', 'current')


def _sampler(cfg: Any, dataset: Any, seed: Optional[int], training: bool, name: str) -> Any:
    if cfg is None:
        raise ConfigError(f"{name} needs a sampler: sampler=dict(type='InfiniteSampler', shuffle=True) to train,\n"
                          "sampler=dict(type='DefaultSampler', shuffle=False) to evaluate.")
    if not isinstance(cfg, dict):
        return cfg
    cfg = dict(cfg)
    if training and cfg['type'] == 'DefaultSampler':
        cfg.setdefault('round_up', True)  # else one process could wait for ever for the others' last batch
    return DATA_SAMPLERS.build(cfg, default_args=dict(dataset=dataset, seed=seed))


def _function(cfg: Any) -> Callable:
    if callable(cfg):
        return cfg
    cfg = dict(cfg)
    kind = cfg.pop('type')
    function = FUNCTIONS.get(kind) if isinstance(kind, str) else kind
    if function is None:
        raise ConfigError(f"'{kind}' is not registered in MMEngine's FUNCTIONS; a dataloader's collate_fn and "
                          'worker_init_fn are looked up there.')
    return partial(function, **cfg) if cfg else function


def init_worker(worker_id: int, seed: Optional[int] = None, then: Optional[Callable] = None) -> None:
    """Prepare a loader process: one thread, and signals left to the main process.

    Args:
        worker_id: 0 to num_workers - 1.
        seed: The run's seed; what is drawn outside a seeded draw depends on it and on the worker.
        then: A config's own ``worker_init_fn``, called last.
    """
    heed_parent_only()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    if seed is not None:
        random.seed(seed + worker_id)
        np.random.seed(seed + worker_id)
        torch.manual_seed(seed + worker_id)
    if then is not None:
        then(worker_id)
