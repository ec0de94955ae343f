"""One iteration and one validation of every distinct file, in several processes."""
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from answering import Answering

from parity.upstream import groups
from parity.work import Work, progress


def train_files(configs: Path, told: dict[str, dict], sides: Sequence[Answering], work: Work) -> dict[str, dict]:
    """Train and validate.

    Args:
        configs: The folder of the files.
        told: What :func:`parity.upstream.read_files` returned.
        sides: Processes of segkit; each works on one file at a time.
        work: The results that are there already, and a place for files.

    Returns:
        By the digest of the run what was found.
    """
    distinct = groups(told, 'run')
    results = {key: work.get('train', key) for key in distinct}
    missing = [key for key in distinct if results[key] is None]
    free: SimpleQueue = SimpleQueue()
    for side in sides:
        free.put(side)

    def train(key: str) -> dict:
        side = free.get()
        try:
            return side.ask(dict(do='train', file=str(configs / distinct[key][0]), folder=str(work.scratch)))
        finally:
            free.put(side)

    with ThreadPoolExecutor(len(sides)) as pool:
        pending = [(key, pool.submit(train, key)) for key in missing]
        for key, run in progress(pending, 'trained', lambda pair: distinct[pair[0]][0]):
            results[key] = work.put('train', key, run.result())
    return results
