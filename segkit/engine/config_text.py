"""A config as Python text that gives the same config when it is loaded."""
import keyword
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from mmengine.utils import get_object_from_string

WIDTH = 110
# Stands at the top of a file that could not take everything, so that loading it says what is missing.
STOP = '''
def not_written(key, what):
    raise ValueError(f'{key} was {what}, which a text file cannot hold; put it back into this file')

'''


def as_python(cfg: dict, first_line: str = '') -> str:
    """``cfg`` as the text of a config file, its keys in their order.

    A class or function that ``type`` names is written by its dotted name, which registries find, numpy's numbers and
    arrays as plain numbers and lists, a path as a string. What Python text cannot hold becomes a call that fails when
    the file is loaded and names key and value.

    Args:
        cfg: Nested dicts and lists, string keys at the top.
        first_line: A comment for the top.
    """
    writer = _Writer()
    body = ''.join(f'{key} = {writer.text(value, (str(key),), 0)}\n' for key, value in cfg.items())
    return (f'# {first_line}\n' if first_line else '') + (STOP if writer.failed else '') + body


class _Writer:
    """Writes values; notes whether one could not be written."""

    def __init__(self) -> None:
        self.failed = False
        self._above: list[int] = []

    def text(self, value: Any, path: tuple[str, ...], indent: int) -> str:
        """A value as an expression, continued on lines of ``indent`` + 4 blanks where it is long."""
        if hasattr(value, 'tolist') and not isinstance(value, (str, bytes, type)):  # numpy's and torch's
            value = value.tolist()
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            if id(value) in self._above:
                return self._refuse(path, f'a {type(value).__name__} that contains itself')
            self._above.append(id(value))
            text = self._container(value, path, indent)
            self._above.pop()
            return text
        return self._leaf(value, path)

    def _leaf(self, value: Any, path: tuple[str, ...]) -> str:
        if value is None or isinstance(value, (bool, bytes)):
            return repr(value)
        if isinstance(value, int):
            return repr(int(value))
        if isinstance(value, float):
            return repr(float(value)) if math.isfinite(value) else f"float('{float(value)}')"
        if isinstance(value, (str, Path)):
            # Braces in pairs would be read as a variable of the file.
            return repr(str(value)).replace('{{', '{\\x7b')
        if isinstance(value, torch.dtype) and path == ('optim_wrapper', 'dtype'):
            return repr(str(value).removeprefix('torch.'))  # AmpOptimWrapper takes the name too
        if isinstance(value, (range, slice, complex)):
            return repr(value)
        if isinstance(value, type) or callable(value):
            name = f'{getattr(value, "__module__", "")}.{getattr(value, "__qualname__", "")}'
            if path[-1] == 'type' and _is_found(name, value):
                return repr(name)
            return self._refuse(path, f'the {"class" if isinstance(value, type) else "function"} {name}')
        return self._refuse(path, f'a {type(value).__name__}, {repr(value)[:80]}')

    def _refuse(self, path: tuple[str, ...], what: str) -> str:
        self.failed = True
        return f'not_written({".".join(path)!r}, {what!r})'

    def _container(self, value: Any, path: tuple[str, ...], indent: int) -> str:
        if isinstance(value, dict):
            named = all(isinstance(key, str) and key.isidentifier() and not keyword.iskeyword(key) for key in value)
            keys = [f'{key}=' if named else f'{self.text(key, path, indent)}: ' for key in value]
            items = [key + self.text(one, (*path, str(name)), indent + 4)
                     for key, (name, one) in zip(keys, value.items())]
            return _joined('dict(' if named else '{', items, ')' if named else '}', indent)
        items = [self.text(one, (*path, str(i)), indent + 4) for i, one in enumerate(value)]
        if isinstance(value, (set, frozenset)):
            name = 'frozenset' if isinstance(value, frozenset) else 'set'
            return _joined(f'{name}([', sorted(items), '])', indent)
        if isinstance(value, tuple):
            return f'({items[0]}, )' if len(items) == 1 else _joined('(', items, ')', indent)
        return _joined('[', items, ']', indent)


def _joined(start: str, items: Iterable[str], end: str, indent: int) -> str:
    items = list(items)
    line = start + ', '.join(items) + end
    if '\n' not in line and indent + len(line) <= WIDTH:
        return line
    blanks = ' ' * (indent + 4)
    if any('\n' in item or '=' in item or ':' in item for item in items):
        return f'{start}\n' + ''.join(f'{blanks}{item},\n' for item in items) + ' ' * indent + end
    rows, row = [], ''  # numbers and names: as many on a line as it takes
    for item in items:
        if row and indent + 4 + len(row) + len(item) + 2 > WIDTH:
            rows.append(row)
            row = ''
        row += f' {item},' if row else f'{item},'
    return f'{start}\n' + ''.join(f'{blanks}{one}\n' for one in [*rows, row]) + ' ' * indent + end


def _is_found(name: str, value: Any) -> bool:
    try:
        return get_object_from_string(name) is value
    except (ImportError, ValueError, AttributeError):
        return False
