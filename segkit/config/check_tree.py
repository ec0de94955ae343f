"""Every name, keyword and kind of value of a merged config, checked before anything is built from it."""
from collections.abc import Collection, Iterator
from typing import Any

from segkit import registry
from segkit.config.plain_dicts import OPEN, READ_BY_GET, negative_number, priority_fault, types_at, words_at
from segkit.config.schema import (
    DATALOADER,
    TOP_LEVEL,
    class_at,
    foreign_constructor,
    keys_of,
    kind_at,
    named,
    nearest,
    undefined,
)
from segkit.errors import ConfigError
from segkit.signatures import fits, in_words, meant, required_keywords, wanted_types

Chain = list[tuple[tuple[str, ...], dict]]

# Kinds that are built from their dict alone; others are given more by whatever builds them.
COMPLETE = (registry.TRANSFORMS, registry.LOSSES, registry.WEIGHT_INITIALIZERS)
# Top-level keys whose value is no dict or list; what Runner takes beside is one of these, or an object.
TOP_VALUES: dict[str, type] = dict(work_dir=str, load_from=str, resume=bool, experiment_name=str, default_scope=str,
                                   launcher=str, runner_type=str, find_unused_parameters=bool, sync_bn=str)
BUILDERS = ('segkit', 'mmengine', 'mmcv')  # whose classes build the dicts that they are given
DICTS = ('default_hooks', 'env_cfg', 'randomness', 'auto_scale_lr', 'log_processor', 'train_cfg', 'val_cfg', 'test_cfg',
         'optim_wrapper', 'model', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'custom_imports')
# Names of hooks that every run has.
DEFAULT_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint', 'visualization',
                 'report', 'bad_samples', 'dead_classes')
LISTS = ('custom_hooks', 'tta_pipeline')
FREE = ('log_level', 'compile', 'activation_checkpointing', 'efficient_conv_bn_eval', 'added_keys')


class KeyFault(ConfigError):
    """A fault at one key of a config.

    Args:
        path: The key, from the top.
        message: What is wrong with it.
    """

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


def check_tree(cfg: dict, added: Collection[str] = ()) -> None:
    """Check every name, keyword and kind of value of the parts that Runner builds.

    Args:
        cfg: The merged config.
        added: Dotted keys that were declared on purpose; in dicts whose reader passes over what it does not know,
            these are let through.

    Raises:
        KeyFault: Naming the first key that its place does not take, and the nearest one it does, or whose value
            cannot be meant.
    """
    read = {key: value for key, value in cfg.items() if key in TOP_LEVEL}
    for key, value in read.items():
        _check_top_value(key, value)
    for chain in _chains(read, (), []):
        if len(chain) > 1:
            _check_dict(chain, added)


def _chains(node: Any, path: tuple[str, ...], above: Chain) -> Iterator[Chain]:
    """Every dict below ``node``, parents first, each with those around it."""
    if isinstance(node, dict):
        above = [*above, (path, node)]
        yield above
    for key, value in (node.items() if isinstance(node, dict) else enumerate(node)):
        if isinstance(value, (dict, list, tuple)):
            yield from _chains(value, (*path, str(key)), above)


def _check_dict(chain: Chain, added: Collection[str]) -> None:
    path, node = chain[-1]
    try:
        keys, target = keys_of(chain), class_at(chain)
    except ConfigError as error:
        raise KeyFault((*path, 'type'), str(error)) from None
    place, names = '.'.join(path), named(path)
    for key in node if keys is not None else ():
        if key not in keys and not (names in READ_BY_GET and f'{place}.{key}' in added):
            raise KeyFault((*path, str(key)), undefined((*path, str(key)), keys, node.get('type')))
    if target is None and _needs_type(chain):
        if names[0] == 'default_hooks' and len(names) == 2 and path[-1] not in DEFAULT_HOOKS:
            others = [key for key in dict.fromkeys([*chain[-2][1], *DEFAULT_HOOKS]) if key != path[-1]]
            if nearest(path[-1], others, 1):  # a slip, of a hook whose class stands at the right name
                raise KeyFault(path, undefined(path, others))
        near = [key for key in nearest('type', map(str, node), 1) if key != 'type']
        raise KeyFault(path, f"{place} needs the key 'type', which names the {kind_at(path, node).name}; it has "
                       + (', '.join(map(str, node)) or 'no key') + '.' + (f'\nIs {near[0]!r} meant?' if near else ''))
    _check_slips(chain, added)
    if kind_at(path, node) in COMPLETE and names[-1] != 'override':
        missing = [key for key in required_keywords(target) if key not in node]
        if missing:
            raise KeyFault(path, f'{place}: {node["type"]} needs {", ".join(missing)}.')
    wanted = DATALOADER if len(names) == 1 and place.endswith('_dataloader') else wanted_types(target)
    hook = kind_at(path, node) is registry.HOOKS
    for key, hint in {**wanted, **types_at(names, hook)}.items():
        if hint is not None and not fits(node.get(key), hint):
            likely = meant(node[key], hint, key)
            raise KeyFault((*path, key), f'{place}.{key}: expected {in_words(hint, key)}; got {node[key]!r}.'
                           + (f'\nIs {likely} meant?' if likely else ''))
    fault = priority_fault(node.get('priority')) if hook else None
    if fault:
        raise KeyFault((*path, 'priority'), f'{place}.priority: {fault}')
    key = negative_number(names, node)
    if key is not None:
        raise KeyFault((*path, key), f'{place}.{key}: expected a number of at least 0; got {node[key]!r}.')
    if names == ('train_cfg',):
        _check_intervals(path, node)
    for key, value in node.items():
        words = words_at((*names, str(key)))
        if words is not None and isinstance(value, str) and value not in words:
            near = nearest(value, words, 1)
            raise KeyFault((*path, key), f'{place}.{key}: {value!r} is not known; it can be {", ".join(words)}.'
                           + (f'\nNearest: {near[0]}' if near else ''))
    if place == 'optim_wrapper' and isinstance(node.get('constructor'), str):
        try:
            registry.OPTIM_WRAPPER_CONSTRUCTORS.get(node['constructor'])
        except registry.UnknownNameError as error:
            raise KeyFault((*path, 'constructor'), f'{place}.constructor: {error}') from None


def _check_intervals(path: tuple[str, ...], node: dict) -> None:
    for pair in node.get('dynamic_intervals') or ():
        if not (isinstance(pair, (list, tuple)) and len(pair) == 2 and all(fits(one, int) for one in pair)
                and pair[0] is not None and pair[0] >= 0 and pair[1] is not None and pair[1] > 0):
            raise KeyFault((*path, 'dynamic_intervals'), 'train_cfg.dynamic_intervals: expected pairs (from where on, '
                           f'interval of at least 1); got {pair!r}.')


def _needs_type(chain: Chain) -> bool:
    path, node = chain[-1]
    keys = named(path)
    if kind_at(path, node) is None or keys[-1] in ('override', 'init_cfg') and not node:
        return False
    if keys[0] == 'optim_wrapper' and foreign_constructor(chain[0][1]):
        return False
    if node and all(isinstance(value, (dict, list, tuple)) for value in node.values()):
        return False  # parts by name, such as schedules for each optimizer
    owner = getattr(class_at(chain[:-1]), '__module__', None)
    if owner is not None and owner.split('.')[0] not in BUILDERS:
        return False  # what a class of the user's does with its dicts is its own matter
    return node.get('type') is None


def _check_slips(chain: Chain, added: Collection[str]) -> None:
    """Dicts that may hold anything: only what looks like a slip of a key that is read is refused."""
    path, node = chain[-1]
    for key in node if path[-1] in OPEN else ():
        read = OPEN[path[-1]]
        near = [one for one in read if one not in node and edits(str(key).lower(), one) <= 2]
        if key not in read and near and '.'.join((*path, str(key))) not in added:
            raise KeyFault((*path, str(key)), undefined((*path, str(key)), read))


def _check_top_value(key: str, value: Any) -> None:
    wanted = TOP_VALUES.get(key)
    if wanted is not None and not fits(value, wanted):
        words = {bool: 'True or False', str: 'a string'}[wanted]
        raise KeyFault((key,), f'{key}: expected {words}; got {value!r}.')
    if wanted is None and key not in FREE and isinstance(value, (str, int, float)):
        raise KeyFault((key,), f'{key}: expected a dict of its keys, or a list of such; got {value!r}.')
    if key in LISTS and isinstance(value, dict):
        inside = ', '.join(f'{name}={one!r}' for name, one in value.items())
        raise KeyFault((key,), f'{key}: a list is expected: {key}=[dict({inside})]')
    if key in DICTS and isinstance(value, (list, tuple)):
        raise KeyFault((key,), f'{key}: expected a dict of its keys; got the list {str(value)[:120]}.')
    words = words_at((key,))
    if words is not None and isinstance(value, str) and value not in words:
        near = nearest(value, words, 1)
        raise KeyFault((key,), f'{key}: {value!r} is not known; it can be {", ".join(words)}.'
                       + (f'\nNearest: {near[0]}' if near else ''))


def edits(a: str, b: str) -> int:
    """The number of letters to change, add or leave out that make one word of the other."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]
