"""Which keys a config may have: asked of the classes that will take them, before any of them is built."""
import difflib
import inspect
from collections.abc import Iterable, Iterator
from typing import Any, Optional

from mmengine.registry import FUNCTIONS
from mmengine.runner import Runner

from segkit import registry
from segkit.config.plain_dicts import plain_keys
from segkit.errors import ConfigError
from segkit.signatures import accepted_keywords

# Keys that MMEngine, the Runner or the tools read at the top level besides Runner's own arguments.
TOP_LEVEL = frozenset(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'} | {
    'tta_model', 'tta_pipeline', 'custom_imports', 'model_wrapper_cfg', 'runner_type', 'compile',
    'activation_checkpointing', 'efficient_conv_bn_eval', 'find_unused_parameters', 'sync_bn', 'added_keys'}

# The key alone decides which registry a dict with a `type` is built from.
KINDS: dict[str, registry.SegkitRegistry] = dict(
    model=registry.MODELS, tta_model=registry.MODELS, data_preprocessor=registry.MODELS,
    norm_cfg=registry.MODELS, act_cfg=registry.MODELS, conv_cfg=registry.MODELS,
    backbone=registry.BACKBONES, decode_head=registry.DECODE_HEADS, auxiliary_head=registry.DECODE_HEADS,
    loss_decode=registry.LOSSES, crf=registry.POSTPROCESSORS, init_cfg=registry.WEIGHT_INITIALIZERS,
    dataset=registry.DATASETS, datasets=registry.DATASETS,
    pipeline=registry.TRANSFORMS, transforms=registry.TRANSFORMS, tta_pipeline=registry.TRANSFORMS,
    optim_wrapper=registry.OPTIM_WRAPPERS, optimizer=registry.OPTIMIZERS,
    param_scheduler=registry.PARAM_SCHEDULERS, val_evaluator=registry.METRICS, test_evaluator=registry.METRICS,
    metrics=registry.METRICS, visualizer=registry.VISUALIZERS, vis_backends=registry.VISBACKENDS,
    custom_hooks=registry.HOOKS, log_processor=registry.LOG_PROCESSORS, model_wrapper_cfg=registry.MODEL_WRAPPERS)
AT_PLACE: dict[str, registry.SegkitRegistry] = {
    'train_cfg': registry.LOOPS, 'val_cfg': registry.LOOPS, 'test_cfg': registry.LOOPS}
# What a dict without `type` is built as, where MMEngine knows one.
USUAL = dict(log_processor='LogProcessor', optim_wrapper='OptimWrapper', model_wrapper_cfg='MMDistributedDataParallel',
             val_cfg='ValLoop', test_cfg='TestLoop')
# Layers come out of one registry with all the networks; what a message names is these.
LAYERS = dict(norm_cfg=('normalisation layer', 'SyncBN, BN, GN, LN, IN'),
              act_cfg=('activation', 'ReLU, LeakyReLU, PReLU, ReLU6, ELU, GELU, SiLU, HSwish, Sigmoid, Tanh'),
              conv_cfg=('convolution', 'Conv2d, Conv, ConvWS, ConvAWS'))

DEFAULT_CONSTRUCTOR = 'DefaultOptimWrapperConstructor'  # another one reads what it likes of optim_wrapper
# Keys that the code around a class takes out before the class is built.
BESIDES: dict[str, frozenset[str]] = dict(
    optim_wrapper=frozenset({'constructor', 'paramwise_cfg', 'optimizer'}),
    param_scheduler=frozenset({'convert_to_iter_based'}),
    norm_cfg=frozenset({'requires_grad'}), init_cfg=frozenset({'override'}),
    train_cfg=frozenset({'by_epoch'}), custom_hooks=frozenset({'priority'}), default_hooks=frozenset({'priority'}))
# Classes that hand the keywords they do not know to another, and the keyword that names it.
HANDS_ON = {'RandomResize': ('resize_type', 'Resize', registry.TRANSFORMS),
            'RandomChoiceResize': ('resize_type', 'Resize', registry.TRANSFORMS),
            'EMAHook': ('ema_type', 'ExponentialMovingAverage', registry.MODELS)}
DATALOADER: dict[str, Any] = dict(
    batch_size=int, num_workers=int, persistent_workers=bool, pin_memory=bool, drop_last=bool, sampler=dict,
    batch_sampler=dict, dataset=dict, collate_fn=None, worker_init_fn=None, prefetch_factor=int, timeout=float,
    multiprocessing_context=None, pin_memory_device=str)


def nearest(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """The ``n`` known names most like ``name``, best first."""
    known = list(known)
    same = [one for one in known if one.lower() == name.lower()]
    return (same + [one for one in difflib.get_close_matches(name, known, n=n, cutoff=0.6) if one not in same])[:n]


def named(path: tuple[str, ...]) -> tuple[str, ...]:
    """A place without the positions in lists."""
    return tuple(key for key in path if not key.isdigit())


def kind_at(path: tuple[str, ...], node: Optional[dict] = None) -> Optional[registry.SegkitRegistry]:
    """The registry of the dict ``node`` at ``path``; None where the place has no known kind."""
    keys = named(path)
    # Keys of paramwise_cfg are parts of parameters' names, those of compile are modules': decode_head, for one.
    if not keys or 'paramwise_cfg' in keys or keys[0] == 'compile':
        return None
    if len(keys) == 1 and keys[0] in AT_PLACE:
        return AT_PLACE[keys[0]]
    if keys[-1] in ('val_evaluator', 'test_evaluator') and 'metrics' in (node or ()):
        return registry.EVALUATOR
    if keys[-1] in ('sampler', 'batch_sampler'):
        owner = keys[-2] if len(keys) > 1 else ''
        if keys[-1] == 'sampler' and owner in ('decode_head', 'auxiliary_head'):
            return registry.TASK_UTILS
        return registry.DATA_SAMPLERS if owner.endswith('dataloader') else None
    if keys[-1] in ('collate_fn', 'worker_init_fn') and len(keys) == 2:
        return FUNCTIONS
    if len(keys) == 2 and keys[0] == 'default_hooks':
        return registry.HOOKS
    if keys[0] == 'param_scheduler':  # with several optimizers, one entry for each
        return registry.PARAM_SCHEDULERS if len(keys) == 1 or 'type' in (node or ()) else None
    if len(keys) == 2 and keys[0] == 'optim_wrapper' and 'optimizer' in (node or ()):
        return registry.OPTIM_WRAPPERS
    if keys[-1] == 'module' and len(keys) == 2 and keys[0] in ('model', 'tta_model'):
        return registry.MODELS
    if keys[-2:] == ('init_cfg', 'override'):
        return registry.WEIGHT_INITIALIZERS
    return KINDS.get(keys[-1])


def class_at(chain: list[tuple[tuple[str, ...], dict]]) -> Any:
    """The class (or function) that the last dict of ``chain`` is built as; None where that is not known.

    Args:
        chain: The dicts from the whole config down to the one asked for, each with its place.

    Raises:
        ConfigError: If its ``type`` is not registered as the kind that belongs there.
    """
    path, node = chain[-1]
    kind = kind_at(path, node)
    if kind is None:
        return None
    name = node.get('type')
    if name is None:
        name = _usual(chain)
    if name is None or not isinstance(name, str):
        return name
    place = '.'.join(path)
    if kind is FUNCTIONS:
        found = FUNCTIONS.get(name)
        if found is None:
            near = nearest(name, FUNCTIONS.module_dict)
            raise ConfigError(f"{place}.type: '{name}' is not registered in MMEngine's FUNCTIONS.\n"
                              + (f'Nearest: {", ".join(near)}.' if near else
                                 f'Registered: {", ".join(sorted(FUNCTIONS.module_dict))}.'))
        return found
    try:
        return kind.get(name)
    except registry.UnknownNameError as error:
        what, known = LAYERS.get(path[-1], (None, None))
        if what:
            near = nearest(name, known.split(', '), 1)
            raise ConfigError(f'{place}.type: {name!r} is not the name of a {what}.\n'
                              + (f'Nearest: {near[0]}. ' if near else '') + f'Known: {known}.') from None
        raise ConfigError(f'{place}.type: {error}') from None


def _usual(chain: list[tuple[tuple[str, ...], dict]]) -> Optional[str]:
    path, node = chain[-1]
    keys = named(path)
    if keys == ('train_cfg',):
        return 'EpochBasedTrainLoop' if node.get('by_epoch', True) else 'IterBasedTrainLoop'
    if keys[-1] in ('val_evaluator', 'test_evaluator'):
        return 'Evaluator' if 'metrics' in node else None
    if keys[-2:] == ('init_cfg', 'override'):
        return chain[-2][1].get('type')
    if keys[-1] == 'optim_wrapper' and foreign_constructor(chain[0][1]):
        return None
    if keys[0] == 'optim_wrapper' and len(keys) == 2 and 'optimizer' in node:
        return 'OptimWrapper'
    return USUAL.get(keys[-1]) if len(keys) == 1 else None


def foreign_constructor(cfg: dict) -> bool:
    """Whether a constructor other than the usual one reads ``optim_wrapper``."""
    wrapper = cfg.get('optim_wrapper')
    return isinstance(wrapper, dict) and (wrapper.get('constructor') or DEFAULT_CONSTRUCTOR) != DEFAULT_CONSTRUCTOR


def chain_to(cfg: dict, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], dict]]:
    """The dicts from ``cfg`` down to the one at ``path``, each with its place."""
    chain, node = [((), cfg)], cfg
    for depth, key in enumerate(path, 1):
        node = node[int(key)] if isinstance(node, (list, tuple)) else node[key]
        if isinstance(node, dict):
            chain.append((path[:depth], node))
    return chain


def keys_at(cfg: dict, path: tuple[str, ...]) -> Optional[frozenset[str]]:
    """The keys that whatever stands at ``path`` takes; None where that cannot be known.

    Raises:
        ConfigError: If its ``type`` is not registered as the kind that belongs there.
    """
    return keys_of(chain_to(cfg, path))


def keys_of(chain: list[tuple[tuple[str, ...], dict]]) -> Optional[frozenset[str]]:
    """The same for the last dict of a chain of dicts; see :func:`chain_to`."""
    path, node = chain[-1]
    keys = named(path)
    if not keys:
        return TOP_LEVEL
    if len(keys) == 1 and keys[0].endswith('_dataloader'):
        return frozenset(DATALOADER)
    if keys[0] == 'optim_wrapper' and len(keys) < 3 and foreign_constructor(chain[0][1]) and 'type' not in node:
        return None
    if keys[:2] == ('optim_wrapper', 'paramwise_cfg') and foreign_constructor(chain[0][1]):
        return None
    plain = plain_keys(keys, node)
    if plain is not None:
        return plain
    target = class_at(chain)
    if target is None:
        return _told_by_owner(chain)
    taken = accepted_keywords(target)
    if taken is None and getattr(target, '__name__', None) in HANDS_ON:
        key, usual, kind = HANDS_ON[target.__name__]
        try:
            other = kind.get(node.get(key, usual))
        except registry.UnknownNameError as error:
            raise ConfigError(f'{".".join(path)}.{key}: {error}') from None
        taken = _with_handed_on(target, other)
    if taken is None:
        return None
    owner = 'default_hooks' if keys[0] == 'default_hooks' else keys[-2] if keys[-1] == 'override' else keys[-1]
    names = frozenset({'name'}) if keys[-1] == 'override' else frozenset()
    return taken | BESIDES.get(owner, frozenset()) | names | {'type', '_scope_'}


def _with_handed_on(target: type, other: type) -> Optional[frozenset[str]]:
    own = frozenset(p.name for p in inspect.signature(target.__init__).parameters.values()
                    if p.kind is not p.VAR_KEYWORD) - {'self'}
    more = accepted_keywords(other)
    return None if more is None else own | more


def _told_by_owner(chain: list[tuple[tuple[str, ...], dict]]) -> Optional[frozenset[str]]:
    """What the class around a dict without ``type`` says of it, by its attribute ``DICT_KEYS``."""
    if len(chain) < 3 or len(chain[-1][0]) != len(chain[-2][0]) + 1 or kind_at(chain[-2][0], chain[-2][1]) is None:
        return None
    keys = getattr(class_at(chain[:-1]), 'DICT_KEYS', {}).get(chain[-1][0][-1])
    return None if keys is None else frozenset(keys)


def parts(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict]]:
    """Every dict below ``node`` with its path, itself included, parents first."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from parts(value, (*path, str(key)))
    elif isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            yield from parts(value, (*path, str(i)))


def undefined(path: tuple[str, ...], keys: Iterable[str], owner: Any = None) -> str:
    """The message for a key that nothing takes."""
    near = nearest(path[-1], keys)
    owner = getattr(owner, '__name__', owner)
    taker = f'{owner} takes no {path[-1]!r}.' if owner else f'nothing there is called {path[-1]!r}.'
    takes = ', '.join(sorted(k for k in keys if k not in ('type', '_scope_')))
    hint = f'Nearest: {", ".join(".".join((*path[:-1], k)) for k in near)}' if near else (
        f'It takes: {takes}' if takes else 'It takes no keys.')
    return f'{".".join(path)}: {taker}\n{hint}'
