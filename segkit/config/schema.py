"""Which keys a config may have: asked of the classes that will take them, before any of them is built."""
import difflib
import inspect
from collections.abc import Iterable, Iterator
from typing import Any, Callable, Optional

from mmengine.runner import Runner

from segkit import registry
from segkit.config.value_types import fits, in_words, required_keywords, wanted_types
from segkit.errors import ConfigError

# Keys that MMEngine, the Runner or the tools read at the top level besides Runner's own arguments.
TOP_LEVEL = frozenset(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'} | {
    'tta_model', 'tta_pipeline', 'custom_imports', 'model_wrapper_cfg', 'runner_type', 'compile',
    'activation_checkpointing', 'efficient_conv_bn_eval'}

# The key alone decides which registry a dict with a `type` is built from.
KINDS: dict[str, registry.SegkitRegistry] = dict(
    model=registry.MODELS, tta_model=registry.MODELS, data_preprocessor=registry.MODELS,
    norm_cfg=registry.MODELS, act_cfg=registry.MODELS, conv_cfg=registry.MODELS,
    backbone=registry.BACKBONES, decode_head=registry.DECODE_HEADS, auxiliary_head=registry.DECODE_HEADS,
    loss_decode=registry.LOSSES, init_cfg=registry.WEIGHT_INITIALIZERS,
    dataset=registry.DATASETS, datasets=registry.DATASETS,
    pipeline=registry.TRANSFORMS, transforms=registry.TRANSFORMS, tta_pipeline=registry.TRANSFORMS,
    optim_wrapper=registry.OPTIM_WRAPPERS, optimizer=registry.OPTIMIZERS,
    param_scheduler=registry.PARAM_SCHEDULERS, val_evaluator=registry.METRICS, test_evaluator=registry.METRICS,
    visualizer=registry.VISUALIZERS, vis_backends=registry.VISBACKENDS, custom_hooks=registry.HOOKS,
    log_processor=registry.LOG_PROCESSORS)
# Kinds that are built from their dict alone; others are given more by whatever builds them.
COMPLETE = (registry.TRANSFORMS, registry.LOSSES, registry.WEIGHT_INITIALIZERS)
AT_PLACE: dict[str, registry.SegkitRegistry] = {
    'train_cfg': registry.LOOPS, 'val_cfg': registry.LOOPS, 'test_cfg': registry.LOOPS}

DEFAULT_CONSTRUCTOR = 'DefaultOptimWrapperConstructor'  # another one reads what it likes of paramwise_cfg
# Dicts without a `type` whose reader is known: MMEngine's, or torch's.
PLAIN: dict[str, frozenset[str]] = dict(
    randomness=frozenset({'seed', 'deterministic', 'diff_rank_seed'}),
    clip_grad=frozenset({'type', 'max_norm', 'norm_type', 'error_if_nonfinite', 'foreach', 'clip_value'}),
    paramwise_cfg=frozenset({'custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult', 'flat_decay_mult',
                             'dwconv_decay_mult', 'dcn_offset_lr_mult', 'bypass_duplicate'}))

# Keys that the code around a class takes out before the class is built.
BESIDES: dict[str, frozenset[str]] = dict(
    optim_wrapper=frozenset({'constructor', 'paramwise_cfg', 'optimizer'}),
    param_scheduler=frozenset({'convert_to_iter_based', '_scope_'}),
    norm_cfg=frozenset({'requires_grad'}),
    train_cfg=frozenset({'by_epoch'}))
DATALOADER = frozenset({
    'batch_size', 'num_workers', 'persistent_workers', 'pin_memory', 'drop_last', 'sampler', 'batch_sampler',
    'dataset', 'collate_fn', 'worker_init_fn', 'prefetch_factor', 'timeout', 'multiprocessing_context',
    'pin_memory_device'})


def nearest(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """The ``n`` known names most like ``name``, best first."""
    return difflib.get_close_matches(name, list(known), n=n, cutoff=0.6)


def accepted_keywords(target: Callable) -> Optional[frozenset[str]]:
    """The keywords ``target`` takes, following ``**kwargs`` up its method resolution order.

    Returns:
        The names, or None where anything is taken (the last ``**kwargs`` leads to no further signature).
    """
    if not inspect.isclass(target):
        parameters = inspect.signature(target).parameters.values()
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            return None
        return frozenset(p.name for p in parameters)
    names: set[str] = set()
    for cls in target.__mro__:
        init = cls.__dict__.get('__init__')
        if init is None or cls is object:
            continue
        try:
            parameters = list(inspect.signature(init).parameters.values())[1:]
        except (TypeError, ValueError):  # a class written in C without a signature
            return None
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return frozenset(names)
    return None if '__init__' in _defined(target) else frozenset(names)


def _defined(target: type) -> set[str]:
    return {'__init__' for cls in target.__mro__ if cls is not object and '__init__' in cls.__dict__}


def kind_at(path: tuple[str, ...]) -> Optional[registry.SegkitRegistry]:
    """The registry of the dict at ``path``; None where the place has no known kind."""
    keys = [k for k in path if not k.isdigit()]
    if not keys:
        return None
    if len(keys) == 1 and keys[0] in AT_PLACE:
        return AT_PLACE[keys[0]]
    if keys[-1] in ('sampler', 'batch_sampler'):
        in_loader = len(keys) > 1 and keys[-2].endswith('dataloader')
        return registry.DATA_SAMPLERS if in_loader else None
    if len(keys) == 2 and keys[0] == 'default_hooks':
        return registry.HOOKS
    return KINDS.get(keys[-1])


def _class_of(node: dict, path: tuple[str, ...]) -> Any:
    """The class that the dict at ``path`` names; None where the place has no known kind."""
    kind, name = kind_at(path), node.get('type')
    if name is None or kind is None:
        return None
    try:
        return kind.get(name) if isinstance(name, str) else name
    except registry.UnknownNameError as error:
        place = '.'.join(path)
        if path[-1] == 'norm_cfg':  # a registry of all modules would list networks here
            raise ConfigError(f'{place}.type: {name!r} is not a normalisation layer.\n'
                              'Known: SyncBN, BN, GN, LN, IN.') from None
        raise ConfigError(f'{place}.type: {error}') from None


def keys_at(node: dict, path: tuple[str, ...]) -> Optional[frozenset[str]]:
    """The keys that whatever stands at ``path`` takes; None where that cannot be known.

    Raises:
        ConfigError: If its ``type`` is not registered as the kind that belongs there.
    """
    if not path:
        return TOP_LEVEL
    if len(path) == 1 and path[0].endswith('_dataloader'):
        return DATALOADER
    if path[-1] in PLAIN:
        return PLAIN[path[-1]]
    target = _class_of(node, path)
    if target is None:
        return None
    keys = accepted_keywords(target)
    last = [k for k in path if not k.isdigit()][-1]
    return None if keys is None else keys | BESIDES.get(last, frozenset()) | {'type', '_scope_'}


def parts(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict]]:
    """Every dict below ``node`` with its path, itself included, parents first."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from parts(value, (*path, str(key)))
    elif isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            yield from parts(value, (*path, str(i)))


def check_tree(cfg: dict) -> None:
    """Check every name, keyword and kind of value of the parts that Runner builds.

    Raises:
        ConfigError: Naming the first key that its place does not take, and the nearest one it does, or whose value
            cannot be meant.
    """
    constructor = (cfg.get('optim_wrapper') or {}).get('constructor') or DEFAULT_CONSTRUCTOR
    for path, node in parts({k: v for k, v in cfg.items() if k in TOP_LEVEL}):
        if not path or path[-1] == 'paramwise_cfg' and constructor != DEFAULT_CONSTRUCTOR:
            continue
        keys = keys_at(node, path)
        for key in node if keys is not None else ():
            if key not in keys:
                raise ConfigError(undefined((*path, key), keys, node.get('type')))
        if kind_at(path) in COMPLETE:
            missing = [key for key in required_keywords(_class_of(node, path)) if key not in node]
            if missing:
                raise ConfigError(f'{".".join(path)}: {node["type"]} needs {", ".join(missing)}.')
        for key, hint in wanted_types(_class_of(node, path)).items():
            if not fits(node.get(key), hint):
                raise ConfigError(f'{".".join((*path, key))}: expected {in_words(hint)}; got {node[key]!r}.')


def undefined(path: tuple[str, ...], keys: Iterable[str], owner: Any = None) -> str:
    """The message for a key that nothing takes."""
    near = nearest(path[-1], keys)
    owner = getattr(owner, '__name__', owner)
    taker = f'{owner} takes no {path[-1]!r}.' if owner else f'nothing there is called {path[-1]!r}.'
    hint = f'Nearest: {", ".join(".".join((*path[:-1], k)) for k in near)}' if near else (
        'It takes: ' + ', '.join(sorted(k for k in keys if k not in ('type', '_scope_'))))
    return f'{".".join(path)}: {taker}\n{hint}'
