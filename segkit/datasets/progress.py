"""How far a long job over files is."""
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar('T')
REDRAW = 0.2  # seconds, at least, between two states of the bar


def show_progress(items: Sequence[T], what: str, before: int = 0) -> Iterator[T]:
    """Go through ``items`` and print how many are done: a bar on a terminal, else a line at each quarter.

    The time left is that of the items of this call, at their mean speed so far.

    Args:
        items: What is worked on.
        what: Its name in the plural, as 'scenes'.
        before: So many of the first items were done earlier; they are passed over.
    """
    total, start, shown = len(items), time.time(), 40 * before // max(len(items), 1)
    terminal, drawn = sys.stdout.isatty(), start
    for done in range(before, total):
        step, now = 40 * done // total, time.time()
        if terminal and done > before and (step != shown or now - drawn >= REDRAW):
            shown, drawn = step, now
            sys.stdout.write(f'\r\x1b[2K[{"#" * step}{" " * (40 - step)}] {done}/{total} {what}, '
                             f'{_left(now - start, done - before, total - done)}')
            sys.stdout.flush()
        elif not terminal and step // 10 != shown // 10:
            shown = step
            print(f'{done}/{total} {what}, {_left(now - start, done - before, total - done)}', flush=True)
        yield items[done]
    end = '\r\x1b[2K' if terminal else ''
    print(f'{end}[{"#" * 40}] {total}/{total} {what} in {time.time() - start:.1f} s', flush=True)


def _left(seconds: float, done: int, missing: int) -> str:
    left = round(seconds / done * missing)
    return f'{left // 60}:{left % 60:02d} (min:s) left'
