"""Where in its files a config says a thing."""
import ast
from pathlib import Path
from typing import Optional

Trees = list[tuple[Path, ast.Module]]


def where(trees: Trees, path: tuple[str, ...]) -> Optional[str]:
    """'file:line' of the statement that gives the key at ``path``, as near to it as the text shows.

    Args:
        trees: The files of a config as they were read, bases first.
        path: The key, from the top of the merged config.

    Returns:
        None where no file sets the first key of ``path``.
    """
    best: tuple[int, Optional[str]] = (0, None)
    for number in reversed(range(len(trees))):
        file, tree = trees[number]
        for node in reversed(tree.body):
            if _sets(node, path[0]):
                depth, line = _descend(node.value, path[1:], trees[:number + 1], node.lineno)
                if depth == len(path) - 1:
                    return f'{file}:{line}'
                if depth + 1 > best[0]:
                    best = (depth + 1, f'{file}:{line}')
    return best[1]


def _sets(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets)


def _descend(value: ast.expr, rest: tuple[str, ...], trees: Trees, line: int) -> tuple[int, int]:
    """How many keys of ``rest`` the expression shows, and the line of the last one."""
    if not rest:
        return 0, line
    if isinstance(value, ast.Name):  # a variable of the same file, set further up
        for node in reversed(trees[-1][1].body):
            if _sets(node, value.id) and node.lineno < line:
                return _descend(node.value, rest, trees, line)
        return 0, line
    found = _entry(value, rest[0])
    if found is None:
        return 0, line
    depth, line = _descend(found[0], rest[1:], trees, found[1])
    return depth + 1, line


def _entry(value: ast.expr, key: str) -> Optional[tuple[ast.expr, int]]:
    """The expression behind a key of a dict, or at a position of a list, and the key's line."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == 'dict':
        for keyword in value.keywords:
            if keyword.arg == key:
                return keyword.value, keyword.lineno
        inside = [_entry(keyword.value, key) for keyword in value.keywords if keyword.arg is None]
        return next(filter(None, inside), None)
    if isinstance(value, ast.Dict):
        for name, item in zip(value.keys, value.values):
            if isinstance(name, ast.Constant) and str(name.value) == key:
                return item, name.lineno
    if isinstance(value, (ast.List, ast.Tuple)) and key.isdigit() and int(key) < len(value.elts):
        if not any(isinstance(item, ast.Starred) for item in value.elts[:int(key) + 1]):
            return value.elts[int(key)], value.elts[int(key)].lineno
    return None
