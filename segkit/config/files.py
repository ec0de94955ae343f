"""Run a text config file and its bases, with values given from outside put in as the file runs.

MMEngine merges ``--cfg-options`` after the files ran, which is too late for a variable such as ``crop_size``:
whatever was built from it holds the old value already. Here an override of a variable is assigned right
behind each assignment of it, in every file of the chain, so that what is built from it is right.
"""
import ast
import copy
import difflib
import os
import re
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config, ConfigDict

from segkit.errors import ConfigError

BASE = '_base_'


@dataclass
class LoadedFile:
    """What one config file says, and what its bases said before it.

    Attributes:
        values: The merged top-level values, bases included.
        origins: For each top-level key, the files that set it, the deciding one last.
        assigned: For each top-level name assigned in any file of the chain, its (file, line) places.
        unread: Of those, the places whose name no statement of its own file reads.
        shadowed: Of these, those that give a new value to a name from which a base built something before.
        read: Names that some file of the chain reads.
        trees: The files as they were parsed, bases first.
    """
    values: ConfigDict
    origins: dict[str, list[Path]] = field(default_factory=dict)
    assigned: dict[str, list[tuple[Path, int]]] = field(default_factory=dict)
    unread: list[tuple[str, Path, int]] = field(default_factory=list)
    shadowed: list[tuple[str, Path, int]] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    trees: list[tuple[Path, ast.Module]] = field(default_factory=list)


def run_file(path: Path, variables: dict[str, Any], above: tuple[Path, ...] = ()) -> LoadedFile:
    """Run ``path`` and its bases.

    Args:
        path: A ``.py`` file in text style (``_base_ = [...]``).
        variables: Dotted names of variables and their values from outside, for example
            ``{'crop_size': (64, 64), 'norm_cfg.type': 'BN'}``.
        above: The files that lead here by ``_base_``.

    Raises:
        ConfigError: If a file is missing, does not run or is its own base, or two bases set the same key.
    """
    if not path.is_file():
        raise ConfigError(_missing(path, above[-1] if above else None))
    if path.suffix != '.py':
        raise ConfigError(f'{path} is not a config file: its name would end with .py, .json, .yaml or .yml.\n'
                          'Give the config first, then the checkpoint (predict.py takes the image before both).')
    if path in above:
        raise ConfigError(f'{path}: is its own base, by way of {above[-1]}.\nTake it out of one _base_ list.')
    tree = _parse(path)
    loaded = LoadedFile(ConfigDict())
    for base in _bases(tree, path):
        below = run_file(base, variables, (*above, path))
        twice = sorted(set(below.values) & set(loaded.values))
        if twice:
            raise ConfigError(f'{path}: two of its bases set {", ".join(twice)}.\nSecond one: {base}\n'
                              'Each key may come from one base only; remove it from the other.')
        loaded.values.update(below.values)
        loaded.origins.update(below.origins)
        loaded.unread += below.unread
        loaded.shadowed += below.shadowed
        loaded.read |= below.read
        loaded.trees += below.trees
        for name, places in below.assigned.items():
            loaded.assigned.setdefault(name, []).extend(places)

    loaded.trees.append((path, tree))
    taken = {n.attr for n in ast.walk(tree)
             if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == BASE}
    loaded.unread = [place for place in loaded.unread if place[0] not in taken]
    loaded.shadowed = [place for place in loaded.shadowed if place[0] not in taken]
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    for name, line in _assignments(tree):
        loaded.assigned.setdefault(name, []).append((path, line))
        if name not in read:
            loaded.unread.append((name, path, line))

    own = _execute(_with_overrides(tree, variables), path, loaded.values, variables)
    for name, line in _assignments(tree):
        if name in loaded.read - read and loaded.values.get(name) not in (None, own.get(name)):
            loaded.shadowed.append((name, path, line))
    loaded.read |= read
    for key in own:
        loaded.origins.setdefault(key, []).append(path)
    try:
        merged = Config._merge_a_into_b(ConfigDict(own), _opened(loaded.values, own))
    except (TypeError, KeyError) as error:
        raise ConfigError(f'{path}: cannot be merged into its base: {" ".join(str(error).split())}') from error
    loaded.values = ConfigDict({k: v for k, v in merged.items()})
    return loaded


def _opened(base: ConfigDict, own: dict) -> ConfigDict:
    """``base`` with an empty dict for each None over which ``own`` has a dict; MMEngine refuses to merge these."""
    opened = base.copy()  # one dict may stand in several places, so none is changed
    for key, value in own.items():
        if isinstance(value, dict) and key in base:
            if base[key] is None:
                opened[key] = ConfigDict()
            elif isinstance(base[key], dict):
                opened[key] = _opened(base[key], value)
    return opened


def _missing(path: Path, child: Optional[Path] = None) -> str:
    folder = path.parent
    while not folder.is_dir():
        folder = folder.parent
    there = sorted(p.name for p in folder.glob('*.py'))
    if path.is_dir():
        inside = sorted(p.name for p in path.glob('*.py'))[:4]
        return f'{path} is a folder; a config file was expected.' + (f'\nIn it: {", ".join(inside)}' if inside else '')
    near = difflib.get_close_matches(path.name, there, n=3, cutoff=0.5)
    hint = f'Nearest there: {", ".join(near)}' if near else f'The nearest folder that exists is {folder}'
    named = f'\nIt is named in _base_ of {child}.' if child else ''
    return f'Config file not found: {path}{named}\n{hint}'


def read_text(path: Path) -> str:
    """The text of a config file.

    Raises:
        ConfigError: If it is not UTF-8.
    """
    try:
        return path.read_text(encoding='utf-8')
    except UnicodeDecodeError as error:
        raise ConfigError(f'{path}: is not a text file in UTF-8 ({error.reason} at byte {error.start}).\n'
                          'Save it as UTF-8, or name another config file.') from error


def _parse(path: Path) -> ast.Module:
    text = read_text(path)
    names = dict(fileDirname=str(path.parent), fileBasename=path.name, fileBasenameNoExtension=path.stem,
                 fileExtname=path.suffix)
    for name, value in names.items():
        text = re.sub(r'\{\{\s*' + name + r'\s*\}\}', lambda _, v=value: v.replace('\\', '/'), text)
    text = re.sub(r'\{\{\s*\$(\w+):(.*?)\s*\}\}', lambda m: os.environ.get(m[1], m[2]), text)
    text = re.sub(r"""(["']?)\{\{\s*(_base_(?:\.\w+)+)\s*\}\}\1""", r'\2', text)
    try:
        return ast.parse(text, filename=str(path))
    except SyntaxError as error:
        raise ConfigError(f'{path}:{error.lineno}: {error.msg}\n{(error.text or "").rstrip()}') from error


def _bases(tree: ast.Module, path: Path) -> list[Path]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == BASE for t in node.targets):
            tree.body.remove(node)
            try:
                bases = ast.literal_eval(node.value)
            except ValueError:
                bases = None
            bases = [bases] if isinstance(bases, str) else bases
            if not isinstance(bases, (list, tuple)) or not all(isinstance(base, str) for base in bases):
                raise ConfigError(f'{path}:{node.lineno}: _base_ must be a path, or a list of paths, written out.\n'
                                  f'It is {ast.unparse(node.value)}')
            return [(path.parent / os.path.expanduser(b)).resolve() for b in bases]
    return []


def _assignments(tree: ast.Module) -> list[tuple[str, int]]:
    found = []
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, 'target', None)]
        found += [(t.id, node.lineno) for t in targets if isinstance(t, ast.Name)]
    return found


def _with_overrides(tree: ast.Module, variables: dict[str, Any]) -> ast.Module:
    roots = {name.split('.')[0] for name in variables}
    body = []
    for node in tree.body:
        body.append(node)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id in roots:
                    again = ast.parse(f'{target.id} = __overridden__({target.id!r}, {target.id})').body[0]
                    body.append(ast.copy_location(again, node))
    return ast.fix_missing_locations(ast.Module(body=body, type_ignores=[]))


def _execute(tree: ast.Module, path: Path, base: ConfigDict, variables: dict[str, Any]) -> dict[str, Any]:

    def overridden(name: str, value: Any) -> Any:
        value = copy.deepcopy(value)
        for key, new in variables.items():
            root, *rest = key.split('.')
            if root == name:
                value = assign(value, rest, new, f'{path}: {key}')
        return value

    # A file may change what it took from its base; the base's own values must stay as they were.
    namespace: dict[str, Any] = {BASE: copy.deepcopy(base), '__overridden__': overridden, '__file__': str(path)}
    given = set(namespace)
    try:
        exec(compile(tree, str(path), 'exec'), namespace)
    except ConfigError:
        raise
    except Exception as error:
        line = _line_of(error, path)
        raise ConfigError(f'{path}{line}: {type(error).__name__}: {error}') from error
    skip = (types.ModuleType, types.FunctionType)
    return {k: v for k, v in namespace.items()
            if k not in given and not k.startswith('__') and not isinstance(v, skip)}


def _line_of(error: Exception, path: Path) -> str:
    line, trace = '', error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = f':{trace.tb_lineno}'
        trace = trace.tb_next
    return line


def assign(tree: Any, keys: list[str], value: Any, where: str) -> Any:
    """Put ``value`` at ``keys`` below ``tree`` and return the tree; a dict over a dict is merged into it.

    Raises:
        ConfigError: If the keys lead through something that is neither a dict nor a list.
    """
    if not keys:
        if isinstance(tree, dict) and isinstance(value, dict) and not value.get('_delete_'):
            for key, new in value.items():
                tree[key] = assign(tree.get(key), [], new, where)
            return tree
        if isinstance(value, dict):
            value = {k: v for k, v in value.items() if k != '_delete_'}
        return copy.deepcopy(value)
    key, *rest = keys
    if isinstance(tree, (list, tuple)):
        if not key.lstrip('-').isdigit() or not -len(tree) <= int(key) < len(tree):
            raise ConfigError(f'{where}: {key!r} is not a position in a list of {len(tree)} entries.')
        items = list(tree)
        items[int(key)] = assign(items[int(key)], rest, value, where)
        return type(tree)(items)
    if tree is None:
        tree = ConfigDict()
    if not isinstance(tree, dict):
        raise ConfigError(f'{where}: leads through {tree!r}, which has no keys.')
    tree[key] = assign(tree.get(key), rest, value, where)
    return tree
