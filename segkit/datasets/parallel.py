"""The same work on many pieces, in several processes; no registered class lives here."""
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Optional, TypeVar

import cv2

from segkit.cores import usable_cores
from segkit.errors import DataError

T, R = TypeVar('T'), TypeVar('R')
MOST = 16  # processes, where nobody says how many
AHEAD = 2  # pieces that wait for each process


def in_pieces(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items, the last one may be shorter."""
    rest = iter(items)
    while piece := list(islice(rest, size)):
        yield piece


def process_count(processes: Optional[int] = None) -> int:
    """How many processes :func:`map_in_order` starts for its argument of this name; 1 works in the caller's."""
    processes = min(usable_cores(), MOST) if processes is None else processes
    return processes if processes > 1 and sys.platform == 'linux' else 1


def map_in_order(function: Callable[[T], R], pieces: Iterable[T], processes: Optional[int] = None) -> Iterator[R]:
    """``function`` of each piece, in their order.

    The pieces are handed over one by one, so nothing but what one needs is copied into a process. Processes end with
    this one, however it ends. Systems other than Linux do the work in this process, since a fork is not safe there.

    Args:
        function: Can be pickled; so can the pieces and what it returns or raises.
        pieces: Taken as they are needed.
        processes: How many; None takes one for each core, 16 at most. With one, nothing is started.

    Raises:
        DataError: If a process was ended by the system. What ``function`` raises is passed on.
    """
    processes = process_count(processes)
    if processes == 1:
        yield from map(function, pieces)
        return
    waiting: deque[Future] = deque()
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context('fork'), _start, (os.getpid(),))
    try:
        for piece in pieces:
            waiting.append(pool.submit(function, piece))
            if len(waiting) > AHEAD * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise DataError(f'One of {processes} processes was ended by the system: usually memory ran out (dmesg says '
                        'so).\nWith fewer processes it needs less memory (--nproc of the tools).') from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start(parent: int) -> None:
    """Prepare a process: Ctrl-C is the parent's, and so is SIGTERM's meaning for the run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(0)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    """End when the parent is gone, which the pipes do not tell: the other processes hold their ends open."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
