"""The total batch that a config was made for, and what to do where a run has another one.

The recipe is ``auto_scale_lr.base_batch_size``, images of one update over all processes; MMSegmentation's files mostly
leave it out and say it in their name (``_4xb4-``: 4 processes of 4).
"""
import copy
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config

from segkit.engine.iteration_counts import rescale, schedules
from segkit.errors import ConfigError

MOST_CHANGES = 4  # of those that a line lists


@dataclass(frozen=True)
class Batch:
    """How the images of one update come about: processes x images of each x batches accumulated."""
    processes: int
    size: int
    accumulation: int = 1

    @property
    def total(self) -> int:
        """Images of one update."""
        return self.processes * self.size * self.accumulation

    def __str__(self) -> str:
        several = f' x {self.accumulation} accumulated' if self.accumulation > 1 else ''
        return f'{self.processes} {"process" if self.processes == 1 else "processes"} x {self.size}{several}'


def of_run(cfg: Config, processes: int) -> Optional[Batch]:
    """The batch of a run; None where the config leaves it to a batch sampler, or does not train.

    Raises:
        ConfigError: If the batch or the accumulation is no whole number above 0.
    """
    loader, wrapper = cfg.get('train_dataloader'), cfg.get('optim_wrapper')
    if not isinstance(loader, dict) or loader.get('batch_sampler') is not None:
        return None
    size, counts = loader.get('batch_size', 1), (wrapper or {}).get('accumulative_counts', 1)
    for key, value, what in (('train_dataloader.batch_size', size, 'images'),
                             ('optim_wrapper.accumulative_counts', counts, 'batches')):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f'{key}: expected a whole number of {what}, at least 1, got {value!r}.')
    return Batch(processes, size, counts)


def stated(cfg: Config) -> Optional[tuple[int, str]]:
    """The recipe's total batch and where it stands; None where the config claims nothing.

    Raises:
        ConfigError: If ``auto_scale_lr.base_batch_size`` is no whole number above 0.
    """
    total = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    if total is not None:
        if not isinstance(total, int) or total < 1:
            raise ConfigError(f'auto_scale_lr.base_batch_size: expected the images of one update over all processes, '
                              f'at least 1, got {total!r}.')
        return total, ''
    named = _named_batch(cfg)
    return (named.total, ', by the name of the config file') if named else None


def _named_batch(cfg: Config) -> Optional[Batch]:
    """The batch in the name of the config file, such as ``_4xb4-``."""
    name = re.search(r'_(\d+)xb(\d+)-', Path(cfg.filename or '').name)
    return Batch(int(name[1]), int(name[2])) if name else None


def difference(cfg: Config, processes: int) -> Optional[str]:
    """What a run's batch differs in from the recipe's, in one line; None where nothing does or is claimed."""
    run, recipe = of_run(cfg, processes), stated(cfg)
    if run is None or recipe is None or recipe[0] == run.total:
        return None
    total, source = recipe
    way = 'has no setting for this number of processes'
    if total % processes == 0:
        matched = _matched(total, run)
        way = (f'accumulates {matched.accumulation} batches an update' if matched.accumulation > 1 else
               f'takes {matched.size} images a process')
    return (f'recipe: total batch {total}{_shares(cfg, total)}{source}; this run {run.total} = {run} (learning rate as '
            f'stated). --match-recipe {way}; --auto-scale-lr scales the learning rate by {run.total / total:.4g}')


def match(cfg: Config, processes: int) -> list[str]:
    """Give a run the recipe's total batch, in place: batch of each process, accumulation, and all iteration counts.

    The configured batch of a process is kept where it divides, as the largest that fits into memory, else lowered.

    Args:
        cfg: The config of a training.
        processes: Number of processes of the run.

    Returns:
        Lines that say what was changed and what batch norm sees.

    Raises:
        ConfigError: If the config claims no total batch, or the processes cannot share it evenly.
    """
    run, (total, source) = _needed(cfg, processes, '--match-recipe')
    if total % processes:
        works = [n for n in range(1, total + 1) if total % n == 0]
        raise ConfigError(f'--match-recipe: a total batch of {total}{source} cannot be shared evenly by {processes} '
                          f'processes.\nNumbers that can: {", ".join(map(str, works))}.')
    matched = _matched(total, run)
    if matched.accumulation > 1 and 'optimizer' not in cfg['optim_wrapper']:
        raise ConfigError('--match-recipe accumulates batches in one optimizer, and optim_wrapper has several.\n'
                          f'Run on {total // run.size} processes, or leave the flag out.')
    cfg['auto_scale_lr'] = dict(base_batch_size=total, enable=False)
    if matched == run:
        return [f'recipe: total batch {total} = {run} already; --match-recipe changes nothing']
    cfg['train_dataloader']['batch_size'] = matched.size
    cfg['optim_wrapper']['accumulative_counts'] = matched.accumulation
    changes, left = rescale(cfg, Fraction(matched.accumulation, run.accumulation))
    lines = [f'recipe: total batch {total}{_shares(cfg, total)}{source}; this run {matched}'
             + _batch_norm(cfg, total, run, matched)]
    if changes:
        more = f' and {len(changes) - MOST_CHANGES} more' if len(changes) > MOST_CHANGES else ''
        lines.append(f'recipe: an update takes {matched.accumulation} iterations; {"; ".join(changes[:MOST_CHANGES])}'
                     f'{more} (config.py of the run folder has all)')
    if left:
        lines.append(f'recipe: kept as stated, since only their hooks know what they count: {", ".join(left)}')
    return lines


def scale_lr(cfg: Config, processes: int) -> list[str]:
    """Scale the learning rate with the total batch, in place, linearly (arXiv 1706.02677, section 2.1).

    Unlike MMEngine's ``Runner.scale_lr``, accumulated batches count, and what a schedule states as a learning rate
    (``eta_min``, ``eta_max``, ``min_value``) is scaled too, so that the curve keeps its shape. Multipliers of
    ``paramwise_cfg`` are relative and keep their ratios. The config then states the run's total batch as its own, so
    that a run from the saved config is not scaled again.

    Args:
        cfg: The config of a training.
        processes: Number of processes of the run.

    Returns:
        Lines that say from what to what.

    Raises:
        ConfigError: If the config claims no total batch, or states no learning rate.
    """
    run, (total, source) = _needed(cfg, processes, '--auto-scale-lr')
    cfg['auto_scale_lr'] = dict(base_batch_size=run.total, enable=False)
    if run.total == total:
        return [f'recipe: total batch {total} = {run}; --auto-scale-lr has nothing to scale']
    factor, changes = run.total / total, []
    wrapper = cfg['optim_wrapper']
    optimizers = {'optim_wrapper': wrapper} if 'optimizer' in wrapper else {
        f'optim_wrapper.{name}': one for name, one in wrapper.items() if isinstance(one, dict) and 'optimizer' in one}
    for place, one in optimizers.items():
        if one['optimizer'].get('lr') is None:
            raise ConfigError(f'--auto-scale-lr: {place}.optimizer states no lr to scale.\nState it, or leave the '
                              'flag out.')
        changes.append(_scale(one['optimizer'], f'{place}.optimizer', 'lr', factor))
    for place, schedule in schedules(cfg.get('param_scheduler')):
        for key in ('eta_min', 'eta_max', 'min_value'):
            if schedule['type'].endswith('LR') and schedule.get(key):
                changes.append(_scale(schedule, place, key, factor))
    return [f'recipe: total batch {total}{_shares(cfg, total)}{source}; this run {run.total} = {run}: learning rate x '
            f'{factor:.4g}: {"; ".join(changes)}']


def settled(cfg: Config, processes: int) -> tuple[Config, list[str]]:
    """A config whose ``auto_scale_lr.enable`` has been carried out, and what to say of it; ``cfg`` stays as it is."""
    if not (cfg.get('auto_scale_lr') or {}).get('enable') or cfg.get('train_dataloader') is None:
        return cfg, []
    cfg = copy.deepcopy(cfg)
    return cfg, scale_lr(cfg, processes)


def _needed(cfg: Config, processes: int, flag: str) -> tuple[Batch, tuple[int, str]]:
    run, recipe = of_run(cfg, processes), stated(cfg)
    if run is None:
        raise ConfigError(f'{flag}: the batch is up to train_dataloader.batch_sampler, which no rule knows.\nState '
                          'train_dataloader.batch_size instead, or leave the flag out.')
    if recipe is None:
        raise ConfigError(f'{flag}: the config does not say what total batch it was made for.\nState it: '
                          'auto_scale_lr=dict(base_batch_size=16, enable=False) is 4 processes x 4, for one.')
    return run, recipe


def _matched(total: int, run: Batch) -> Batch:
    share = total // run.processes
    size = max(n for n in range(1, min(run.size, share) + 1) if share % n == 0)
    return Batch(run.processes, size, share // size)


def _shares(cfg: Config, total: int) -> str:
    """' = 4 processes x 4', where the name of the config file says so.

    The batch of a process alone does not: an option may have set it.
    """
    named = _named_batch(cfg)
    return f' = {named}' if named and named.total == total else ''


def accumulation(cfg: Config, processes: int) -> Optional[str]:
    """What batch norm sees where batches are accumulated, in one line; None where there is nothing to say."""
    run = of_run(cfg, processes)
    kind = _norm_kind(cfg)
    if run is None or run.accumulation == 1 or kind is None:
        return None
    seen = run.processes * run.size if kind == 'SyncBN' else run.size
    return (f'recipe: {run.accumulation} batches accumulated an update; batch norm sees the {seen} '
            f'{"image" if seen == 1 else "images"} of one batch{_ACROSS[kind]}, not the {run.total} of an update')


_ACROSS = {'SyncBN': ' (SyncBN)', 'BN': ' (BN, in each process)'}


def _norm_kind(cfg: Config) -> Optional[str]:
    if (cfg.get('model') or {}).get('norm_eval'):  # its batch norms see no batch
        return None
    kinds = {str(node.get('type')) for node in _named('norm_cfg', cfg.get('model'))}
    if 'SyncBN' in kinds:
        return 'SyncBN'
    return 'BN' if any(kind.startswith('BN') for kind in kinds) else None


def _batch_norm(cfg: Config, total: int, run: Batch, matched: Batch) -> str:
    kind, named = _norm_kind(cfg), _named_batch(cfg)
    if kind is None:
        return ''
    if named is None or named.total != total:
        named = Batch(1, run.size)
    now, then = ((matched.processes * matched.size, total // run.accumulation) if kind == 'SyncBN' else
                 (matched.size, named.size))
    return (f'; batch norm sees {now} images{_ACROSS[kind]}, '
            + ('as in the recipe' if now == then else f'the recipe {then}'))


def _named(key: str, node: Any) -> list[dict]:
    if isinstance(node, dict):
        return [v for k, v in node.items() if k == key and isinstance(v, dict)] + [
            found for v in node.values() for found in _named(key, v)]
    return [found for v in node for found in _named(key, v)] if isinstance(node, (list, tuple)) else []


def _scale(node: dict, place: str, key: str, factor: float) -> str:
    old = node[key]
    node[key] = [one * factor for one in old] if isinstance(old, (list, tuple)) else old * factor
    shown = node[key] if isinstance(old, (list, tuple)) else f'{node[key]:.6g}'
    return f'{place}.{key} {old} -> {shown}'
