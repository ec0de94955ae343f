"""How far a long job over files is."""
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar('T')


def show_progress(items: Sequence[T], what: str) -> Iterator[T]:
    """Go through ``items`` and print how many are done: a bar on a terminal, else a line at each quarter.

    Args:
        items: What is worked on.
        what: Its name in the plural, as 'scenes'.
    """
    total, start, shown = len(items), time.time(), 0
    for done, item in enumerate(items):
        step = 40 * done // total
        if sys.stdout.isatty() and step != shown:
            shown = step
            sys.stdout.write(f'\r[{"#" * step}{" " * (40 - step)}] {done}/{total} {what}')
            sys.stdout.flush()
        elif not sys.stdout.isatty() and step // 10 != shown:
            shown = step // 10
            print(f'{done}/{total} {what}', flush=True)
        yield item
    end = '\r' if sys.stdout.isatty() else ''
    print(f'{end}[{"#" * 40}] {total}/{total} {what} in {time.time() - start:.1f} s', flush=True)
