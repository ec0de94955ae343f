"""Figures between two marks of a page; what else stands there is written by hand, or by another run, and stays."""
import os
from pathlib import Path

from segkit.checkpoint.writing import write_text
from segkit.errors import ConfigError

BEGIN, END = '<!-- figures: {} -->', '<!-- end of figures -->'


def check(path: Path) -> None:
    """See, before anything is measured, that a page can be written.

    Raises:
        ConfigError: If there is no folder for it, or one in its place, or if it is no text.
        OSError: If it cannot be read.
    """
    if not path.parent.is_dir():
        raise ConfigError(f'{path} cannot be written: there is no folder {path.parent}; make it, or name another page.')
    if path.is_dir():
        raise ConfigError(f'{path} is a folder; name a page in it.')
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f'{path} cannot be written: you may not write to {path.parent}; name another page.')
    try:
        if path.is_file():
            path.read_text(encoding='utf-8')
    except UnicodeDecodeError:
        raise ConfigError(f'{path} is no text in UTF-8; name a Markdown page.') from None


def put(path: Path, name: str, text: str, title: str) -> None:
    """Put ``text`` in place of what the page has between its marks.

    Nothing that took minutes to measure is lost for want of a mark: without them text and marks are added at the end
    of the page, and a page that is not there is made.

    Args:
        path: The page.
        name: Names the marks, the tool and perhaps its settings.
        text: Markdown, without an empty line at its ends.
        title: Heading of a page that is made.
    """
    page = path.read_text(encoding='utf-8') if path.is_file() else f'# {title}\n'
    begin = BEGIN.format(name)
    before, found, rest = page.rpartition(f'{begin}\n')
    old, closed, after = rest.partition(END)
    if not found or not closed or BEGIN.partition('{')[0] in old:
        before, after = page.rstrip('\n') + '\n\n', '\n'
    write_text(path, f'{before}{begin}\n{text}\n{END}{after}')
