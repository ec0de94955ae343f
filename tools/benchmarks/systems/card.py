"""The protocol cards in the configs' docstrings."""
import ast
import re
from pathlib import Path

from segkit.errors import ConfigError

FIELDS = ('Source', 'Split', 'Resize', 'Output stride', 'Test-time fusion', 'Batch norm', 'Batch', 'Published',
          'Not comparable')
HEAD = 'Protocol:'


def docstring_of(path: Path) -> str:
    """What a config's file begins with."""
    return ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or ''


def card_of(path: Path) -> dict[str, str]:
    """The fields of a config's card, each in one line, in the order of :data:`FIELDS`.

    Args:
        path: A config file. A field stands behind ``Protocol:``, indented by 4; its further lines are indented by 8.

    Raises:
        ConfigError: If there is no card, or a field is missing, unknown, empty or there twice.
    """
    lines = docstring_of(path).splitlines()
    if HEAD not in lines:
        raise ConfigError(f"{path.name}: its docstring has no protocol card (a line '{HEAD}').")
    found: dict[str, list[str]] = {}
    for line in lines[lines.index(HEAD) + 1:]:
        if not line.strip():
            break
        field = re.fullmatch(r' {4}(\S[^:]*):(.*)', line)
        if field is not None:
            if field[1] not in FIELDS or field[1] in found:
                raise ConfigError(f"{path.name}: the protocol card has {'twice' if field[1] in found else 'a field'} "
                                  f"'{field[1]}'; its fields are {', '.join(FIELDS)}, once each.")
            found[field[1]] = [field[2].strip()]
        elif line.startswith(' ' * 8) and found:
            found[list(found)[-1]].append(line.strip())
        else:
            raise ConfigError(f'{path.name}: the protocol card cannot be read at {line.strip()!r}.')
    empty = [field for field in FIELDS if not ''.join(found.get(field, ()))]
    if empty:
        raise ConfigError(f'{path.name}: the protocol card says nothing of: {", ".join(empty)}.')
    return {field: ' '.join(filter(None, found[field])) for field in FIELDS}


def command_of(path: Path) -> str:
    """The command that the docstring gives."""
    return _behind('Command', path)


def score_of(path: Path) -> str:
    """What the docstring says was measured, in one line."""
    return _behind('Score here', path)


def title_of(path: Path) -> str:
    """The first line, without its full stop."""
    return docstring_of(path).splitlines()[0].rstrip('.')


def _behind(word: str, path: Path) -> str:
    found = re.search(rf'^{word}: (.*(?:\n +\S.*)*)', docstring_of(path), re.M)
    if found is None:
        raise ConfigError(f"{path.name}: its docstring has no line '{word}: '.")
    return ' '.join(found[1].split())
