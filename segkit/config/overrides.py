"""Values given on the command line: where each belongs, and proof that it got there."""
import ast
import copy
import re
from typing import Any, Callable

from segkit.config.files import assign
from segkit.config.schema import TOP_LEVEL, chain_to, class_at, keys_at, kind_at, nearest, parts, undefined
from segkit.errors import ConfigError
from segkit.signatures import fits, wanted_types

PAIRS = {'(': ')', '[': ']', '{': '}'}
NUMBERS_OF = ('segkit', 'mmengine', 'mmcv', 'torch')  # what takes a number there takes no list in its place


def parse(items: list[str]) -> dict[str, Any]:
    """Read ``['a.b=1', 'c=(2, 3)']`` as ``{'a.b': 1, 'c': (2, 3)}``.

    Values are Python literals, ``dict(...)`` calls included; ``1,2`` is a list; anything else is a string.

    Raises:
        ConfigError: If an item has no ``=``, a bracket is not closed, or a key has two different values.
    """
    options: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition('=')
        if not equals or not key.strip():
            raise ConfigError(f'--cfg-options: expected KEY=VALUE, got {item!r}.\nExample: --cfg-options '
                              'train_cfg.max_iters=1000 model.backbone.depth=101')
        key, text = key.strip(), text.strip()
        if _is_open(text):
            raise ConfigError(f'--cfg-options {key}: the brackets of {text} do not match.\nA value with blanks or '
                              f'brackets in it needs quotes around it: "{key}=(64, 64)"')
        value = _value(text)
        for other in options:
            if other.lstrip('+') == key.lstrip('+') and options[other] != value:
                raise ConfigError(f'--cfg-options gives {key} two values: {options[other]!r} and {value!r}.\n'
                                  'Give one of them.')
        options[key] = value
    return options


def _is_open(text: str) -> bool:
    """Whether a value that begins or ends with a bracket has brackets without a partner."""
    at_its_ends = text.removeprefix('dict').startswith(tuple(PAIRS)) or text.endswith(tuple(PAIRS.values()))
    if not at_its_ends or all(text.count(left) == text.count(right) for left, right in PAIRS.items()):
        return False
    try:
        ast.parse(text, mode='eval')
    except SyntaxError:
        return True
    return False  # a bracket inside quotes


def _value(text: str) -> Any:
    if text.lower() in ('true', 'false', 'none'):
        return {'true': True, 'false': False, 'none': None}[text.lower()]
    try:
        value = _literal(ast.parse(text, mode='eval').body)
        return list(value) if isinstance(value, tuple) and not text.startswith('(') else value
    except (SyntaxError, ValueError):
        pass
    if ',' in text and not text.startswith(('(', '[', '{')):
        return [_value(part.strip()) for part in text.split(',')]
    match = re.fullmatch(r'([\[(])(.*)([\])])', text)
    if match and match[2]:  # a list of bare words, which shells make of quoted strings
        items = [_value(part.strip()) for part in match[2].split(',') if part.strip()]
        return tuple(items) if match[1] == '(' else items
    return text


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict' and not node.args:
        return {k.arg: _literal(k.value) for k in node.keywords}
    if isinstance(node, ast.Tuple):
        return tuple(_literal(e) for e in node.elts)
    if isinstance(node, ast.List):
        return [_literal(e) for e in node.elts]
    return ast.literal_eval(node)


def _datasets(cfg: dict) -> list[tuple[str, ...]]:
    loaders = {k: v for k, v in cfg.items() if k.endswith('_dataloader')}
    return [path for path, node in parts(loaders) if 'data_root' in node]


def _crops(cfg: dict) -> list[tuple[str, ...]]:
    found = [(*path, 'crop_size') for path, node in parts({'train_dataloader': cfg.get('train_dataloader')})
             if node.get('type') == 'RandomCrop']
    model = cfg.get('model') or {}
    if (model.get('data_preprocessor') or {}).get('size') is not None:
        found.append(('model', 'data_preprocessor', 'size'))
    return found


def _model_wide(key: str) -> Callable[[dict], list[tuple[str, ...]]]:
    """Where the model says ``key``: once for all its parts, or, as MMSegmentation's files do, in each part."""

    def places(cfg: dict) -> list[tuple[str, ...]]:
        model = cfg.get('model') or {}
        if key not in model:
            told = [path + (key,) for path, node in parts({'model': model}) if key in node and len(path) > 1]
            if told:
                return told
        return [('model', key)]

    return places


def _intervals(cfg: dict) -> list[tuple[str, ...]]:
    """Where validations are counted; checkpoints too where one is written at each of them, so that it stays so."""
    found = [('train_cfg', 'val_interval')]
    interval = (cfg.get('train_cfg') or {}).get('val_interval')
    hook = (cfg.get('default_hooks') or {}).get('checkpoint')
    if interval and isinstance(hook, dict) and hook.get('interval') == interval and hook.get('by_epoch') is False:
        found.append(('default_hooks', 'checkpoint', 'interval'))
    return found


# One word that moves every copy of a value. A file that has a variable of that name is asked first.
SHORTCUTS: dict[str, Callable[[dict], list[tuple[str, ...]]]] = {
    'data_root': lambda cfg: [(*path, 'data_root') for path in _datasets(cfg)],
    'crop_size': _crops,
    'max_iters': lambda cfg: [('train_cfg', 'max_iters')],
    'val_interval': _intervals,
    'num_classes': _model_wide('num_classes'),
    'norm_cfg': _model_wide('norm_cfg'),
}


def leaves(node: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every value below ``node`` that is not a dict or a list, by its path; empty ones count as values."""
    if isinstance(node, dict) and node:
        pairs = [(str(k), v) for k, v in node.items()]
    elif isinstance(node, (list, tuple)) and node:
        pairs = [(str(i), v) for i, v in enumerate(node)]
    else:
        return {path: node}
    found = {}
    for key, value in pairs:
        found.update(leaves(value, (*path, key)))
    return found


def effect(before: dict, after: dict) -> list[str]:
    """The keys, of those that Runner reads, whose value differs; a list that changed throughout is one key."""
    old, new = (leaves({k: v for k, v in cfg.items() if k in TOP_LEVEL}) for cfg in (before, after))
    changed = [path for path in {**old, **new} if old.get(path, before) != new.get(path, before)]
    short = []
    for path in changed:
        text = '.'.join(path[:-1]) if path[-1].isdigit() else '.'.join(path)
        if text not in short:
            short.append(text)
    return short


def from_the_front(cfg: dict, key: str) -> str:
    """The same place with positions in lists counted from the front: ``pipeline.-1`` is ``pipeline.6`` of seven."""
    path, node = [], cfg
    for part in key.split('.'):
        if isinstance(node, (list, tuple)) and part.lstrip('-').isdigit() and -len(node) <= int(part) < len(node):
            part = str(int(part) % len(node))
            node = node[int(part)]
        else:
            node = node.get(part) if isinstance(node, dict) else None
        path.append(part)
    return '.'.join(path)


def check_defined(cfg: dict, key: str) -> None:
    """Raise ConfigError unless the merged config has ``key`` or the class there takes it."""
    path = tuple(key.split('.'))
    node: Any = cfg
    for depth, part in enumerate(path):
        if isinstance(node, (list, tuple)):
            if not part.lstrip('-').isdigit() or not -len(node) <= int(part) < len(node):
                raise ConfigError(f'{key}: {".".join(path[:depth])} is a list of {len(node)} entries; '
                                  f'{part!r} is not a position in it (0 to {len(node) - 1}).')
            node = node[int(part)]
            continue
        if not isinstance(node, dict):
            if node is None:  # switched off in the config; the whole dict must be given to switch it on
                kind = 'type=..., ' if kind_at(path[:depth]) is not None and part != 'type' else ''
                raise ConfigError(f'{key}: {".".join(path[:depth])} is None, so it has no key {part!r}.\n'
                                  f'Give it whole: {".".join(path[:depth])}="dict({kind}{part}=...)"')
            raise ConfigError(f'{key}: {".".join(path[:depth])} is {node!r}, which has no keys.')
        if part in node:
            node = node[part]
            continue
        taken = keys_at(cfg, path[:depth])
        if taken is not None and part in taken:
            return
        raise ConfigError(_not_defined(cfg, path, depth, set(node) | set(taken or ()), node.get('type')))


def check_form(key: str, old: Any, new: Any) -> None:
    """Raise ConfigError where a word stands for a switch, a number or a part, as in ``resume=Flase``."""
    if isinstance(old, dict) and old.get('type') is not None and isinstance(new, (str, int, float)):
        inner = 'type' if isinstance(new, str) else next((k for k in old if k != 'type'), 'type')
        raise ConfigError(f'{key} is a dict with type={old["type"]!r}; got {new!r}.\n'
                          f'Set a key of it, such as {key}.{inner}=..., or the whole of it: {key}="dict(type=...)"')
    if isinstance(new, str) and isinstance(old, (bool, int, float)):
        wanted = 'True or False' if isinstance(old, bool) else 'a number'
        raise ConfigError(f'{key} is {old!r}; {wanted} was expected, got {new!r}.')


def check_number(cfg: dict, key: str, old: Any, new: Any) -> None:
    """Raise ConfigError where ``0,01``, which is a list, was given for a number."""
    if isinstance(old, bool) or not isinstance(old, (int, float)) or not isinstance(new, list) or not new:
        return
    if not all(isinstance(one, (int, float)) or str(one).isdigit() for one in new):  # '01' is no number to Python
        return
    path = tuple(key.split('.'))
    target = class_at(chain_to(cfg, path[:-1]))
    hint = wanted_types(target).get(path[-1])
    known = target is None or (getattr(target, '__module__', None) or '').split('.')[0] in NUMBERS_OF
    if fits(new, hint) if hint is not None else not known:
        return
    given = ','.join(map(str, new))
    if len(new) == 1:
        raise ConfigError(f'{key} is {old!r}; expected a number, but a comma behind it makes a list: {given},\n'
                          'Leave the comma out; overrides are separated by blanks.')
    raise ConfigError(f"{key} is {old!r}; expected a number, got the list {given}; "
                      "a decimal point is '.'.")


def _not_defined(cfg: dict, path: tuple[str, ...], depth: int, keys: set[str], owner: Any) -> str:
    elsewhere = ['.'.join(p) for p, _ in _all_keys(cfg) if p[-len(path):] == path and len(p) > len(path)]
    if elsewhere:
        return (f'{".".join(path)}: no such key; nothing would read it.\n'
                f'The key that takes effect: {", ".join(elsewhere[:4])}')
    near = nearest(path[depth], keys)
    if not near:
        same = ['.'.join(p) for p, _ in _all_keys(cfg) if p[-1] == path[-1]]
        near_text = f'Keys of that name: {", ".join(same[:4])}' if same else (
            'A new key is added with a plus in front: +' + '.'.join(path))
        return f'{".".join(path)}: no such key; nothing would read it.\n{near_text}'
    return undefined(path[:depth + 1], keys, owner)


def _all_keys(cfg: dict) -> list[tuple[tuple[str, ...], Any]]:
    return [((*path, str(key)), value)
            for path, node in parts({k: v for k, v in cfg.items() if k in TOP_LEVEL}) for key, value in node.items()]


def apply(cfg: dict, key: str, value: Any) -> None:
    """Set the dotted ``key`` of the merged config; a dict over a dict is merged."""
    root, *rest = key.split('.')
    cfg[root] = assign(copy.deepcopy(cfg.get(root)), rest, value, key)
