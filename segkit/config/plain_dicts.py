"""The keys of dicts that no registered class takes: MMEngine, torch or the tools read them."""
import difflib
import inspect
from typing import Any, Optional, Union

import torch
from mmengine.dist import init_dist
from mmengine.fileio.backends import backends
from mmengine.runner import Priority
from mmengine.utils.dl_utils import set_multi_processing

from segkit.signatures import accepted_keywords

Path = tuple[str, ...]


def _parameters(function: Any, *without: str) -> frozenset[str]:
    """The named parameters of a function."""
    return frozenset(p.name for p in inspect.signature(function).parameters.values()
                     if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)) - set(without)


# By their whole place, positions in lists left out.
AT: dict[Path, frozenset[str]] = {
    ('env_cfg',): frozenset({'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'}),
    ('env_cfg', 'mp_cfg'): _parameters(set_multi_processing, 'distributed'),
    ('env_cfg', 'dist_cfg'): (_parameters(init_dist, 'launcher') | {'port'}
                              | _parameters(torch.distributed.init_process_group)),
    ('randomness',): frozenset({'seed', 'deterministic', 'diff_rank_seed'}),
    ('auto_scale_lr',): frozenset({'base_batch_size', 'enable'}),
    ('custom_imports',): frozenset({'imports', 'allow_failed_imports'}),
    ('optim_wrapper', 'paramwise_cfg'): frozenset({
        'custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult', 'flat_decay_mult', 'dwconv_decay_mult',
        'dcn_offset_lr_mult', 'bypass_duplicate'}),
    ('optim_wrapper', 'loss_scale'): _parameters(torch.amp.GradScaler, 'device', 'enabled'),
}
# The kind of value at a whole place; MMEngine does not look, and takes the string 'False' for true.
TYPES: dict[Path, dict[str, Any]] = {
    ('auto_scale_lr',): dict(enable=bool, base_batch_size=int),
    ('env_cfg',): dict(cudnn_benchmark=bool, mp_cfg=dict, dist_cfg=dict, resource_limit=int),
    ('env_cfg', 'mp_cfg'): dict(mp_start_method=str, opencv_num_threads=int),
    ('randomness',): dict(seed=int, deterministic=bool, diff_rank_seed=bool),
    ('log_processor',): dict(window_size=int, by_epoch=bool, custom_cfg=list, num_digits=int,
                             log_with_hierarchy=bool, mean_pattern=str),
    ('param_scheduler',): dict(begin=float, end=float, by_epoch=bool),
}
# Numbers below zero that torch refuses without a word about the key.
NOT_NEGATIVE: dict[Path, tuple[str, ...]] = {('optim_wrapper', 'optimizer'): ('lr', 'weight_decay', 'momentum')}
# MMEngine asks these dicts for the keys it knows; what else is in them is passed over in silence.
READ_BY_GET = (('env_cfg',), ('auto_scale_lr',), ('optim_wrapper', 'paramwise_cfg'))
OF_A_PARAMETER = frozenset({'lr_mult', 'decay_mult'})  # paramwise_cfg.custom_keys.<name>
CLIPPING = {'norm': torch.nn.utils.clip_grad_norm_, 'value': torch.nn.utils.clip_grad_value_}
WORDS: dict[Path, list[str]] = {
    ('log_level',): ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'],
    ('env_cfg', 'dist_cfg', 'backend'): ['nccl', 'gloo', 'mpi', 'ucc', 'cpu:gloo,cuda:nccl'],
    ('launcher',): ['none', 'pytorch', 'slurm', 'mpi'],
    ('runner_type',): ['SegRunner', 'Runner'],  # either is SegRunner here
}
# Dicts that may hold anything beside the keys that are read: only what looks like a slip of one of these is refused.
OPEN = {'metainfo': frozenset({'classes', 'palette'})}


def plain_keys(keys: Path, node: dict) -> Optional[frozenset[str]]:
    """The keys that the dict at ``keys`` may have; None where a class takes it, or nothing is known of the place.

    Args:
        keys: The place, without positions in lists.
        node: The dict itself.
    """
    if keys in AT:
        return AT[keys]
    if keys[0] == 'compile' and len(keys) <= 2:  # of all parts or one, whose names the model decides when it is built
        parts = {key for key, value in node.items() if len(keys) == 1 and isinstance(value, (bool, dict))}
        return _parameters(torch.compile, 'model') | parts
    if keys[:3] == ('optim_wrapper', 'paramwise_cfg', 'custom_keys') and len(keys) == 4:
        return OF_A_PARAMETER
    if keys[0] == 'optim_wrapper' and keys[-1] == 'clip_grad':
        kind = node.get('type', 'norm')
        kinds = [CLIPPING[kind]] if kind in CLIPPING else CLIPPING.values()
        return frozenset({'type'}).union(*(_parameters(kind, 'parameters') for kind in kinds))
    if keys[-1] == 'backend_args':
        kind = node.get('backend')
        named = [backends[kind]] if kind in backends else backends.values()
        known = [accepted_keywords(backend) for backend in named]
        if kind is None:  # chosen by the path's beginning; some take any keyword, which says nothing of a slip
            known = [keywords for keywords in known if keywords is not None]
        return None if None in known else frozenset({'backend'}).union(*known)
    return None


def types_at(keys: Path, hooks: bool = False) -> dict[str, Any]:
    """What kind of value the keys of the dict at ``keys`` take, where that is known.

    Args:
        keys: The place, without positions in lists.
        hooks: Whether the dict is a hook's.
    """
    return {'priority': Union[int, str]} if hooks else TYPES.get(keys, {})


def negative_number(keys: Path, node: dict) -> Optional[str]:
    """The key of the dict at ``keys`` whose number is below zero, or none at all, where that means nothing."""
    for key in NOT_NEGATIVE.get(keys, ()):
        value = node.get(key)
        if isinstance(value, (int, float)) and not value >= 0:
            return key
    return None


def priority_fault(priority: Any) -> Optional[str]:
    """What is wrong with a hook's priority; None where MMEngine takes it."""
    if isinstance(priority, str) and priority.upper() not in Priority.__members__:
        near = difflib.get_close_matches(priority.upper(), Priority.__members__, 1)
        return (f'{priority!r} is not known; it can be {", ".join(Priority.__members__)} or 0 to 100.'
                + (f'\nNearest: {near[0]}' if near else ''))
    if isinstance(priority, int) and not 0 <= priority <= 100:
        return f'expected 0 (first) to 100 (last), or a name such as NORMAL; got {priority!r}.'
    return None


def words_at(keys: Path) -> Optional[list[str]]:
    """The words of which the value at ``keys`` must be one; None where it is free.

    Args:
        keys: The place, without positions in lists.
    """
    if keys == ('optim_wrapper', 'clip_grad', 'type'):
        return list(CLIPPING)
    if keys[-2:] == ('backend_args', 'backend'):
        return sorted(backends)
    return WORDS.get(keys)
