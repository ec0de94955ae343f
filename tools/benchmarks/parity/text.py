"""Markdown."""
import html
from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, with a line end."""
    return '\n'.join([row(head), '|' + '---|' * len(head), *map(row, rows)]) + '\n'


def row(cells: Sequence[str]) -> str:
    """A line of a table."""
    return '| ' + ' | '.join(html.escape(cell, quote=False).replace('|', '\\|') for cell in cells) + ' |'


def number(value: float) -> str:
    """A difference with two digits; 0 is exact."""
    return '0' if value == 0 else f'{value:.1e}'
