"""The processes of a DataLoader: started, watched and ended."""
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from torch.utils.data import DataLoader
from torch.utils.data._utils import signal_handling

from segkit.engine.last_checkpoint import find_last_checkpoint
from segkit.engine.stop_request import how_to_resume
from segkit.errors import SegkitError

TORCH_SAYS = 'DataLoader worker (pid'


class LoaderDiedError(SegkitError):
    """A loader process was ended by the system."""


class _Reading:
    """Lets torch say that a loader process died only where a loader is read.

    torch says it from its handler of SIGCHLD, wherever the main process is: amid a checkpoint's writing, for one, which
    is then given up and blamed. The next read finds out anyway.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.torch_handler: Any = None

    def install(self) -> None:
        """Stand before torch's handler, which it sets when its first loader with processes starts."""
        if not hasattr(signal, 'SIGCHLD') or threading.current_thread() is not threading.main_thread():
            return
        handler = signal.getsignal(signal.SIGCHLD)
        if signal_handling._SIGCHLD_handler_set and handler != self.handle:
            self.torch_handler = handler
            signal.signal(signal.SIGCHLD, self.handle)

    def handle(self, number: int, frame: Any) -> None:
        """Let torch raise its error, while a loader is read."""
        try:
            if callable(self.torch_handler):
                self.torch_handler(number, frame)
        except RuntimeError as error:
            if self.depth or TORCH_SAYS not in str(error):
                raise

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: Any) -> None:
        self.depth -= 1


_READING = _Reading()


def one_pass(loader: DataLoader) -> Iterator[Any]:
    """One pass over a loader whose processes end with it where the pass is broken off, by an error for one.

    Left to the garbage collector, each of them may hold the main process up for five seconds.

    Raises:
        LoaderDiedError: If one of the processes ended before its time.
    """
    # The processes start with the signals blocked, so that none can reach one that is not ready for it.
    with _held() if getattr(loader, 'heeds_parent_only', False) else nullcontext():
        batches = iter(loader)
    _READING.install()
    try:
        while True:
            try:
                with _READING:
                    # Python ignores what a handler raises where that interrupts a __del__, and a reader of half a
                    # message waits for ever. So nothing is read once a process is missing.
                    _check(batches)
                    batch = next(batches)
            except StopIteration:
                return
            except (RuntimeError, OSError, EOFError) as error:
                # torch's own word, or what a sender that is gone looks like.
                if not isinstance(error, RuntimeError) or TORCH_SAYS in str(error):
                    _check(batches, wait=1.0, cause=error)
                raise
            yield batch
    except BaseException:
        _end(loader, batches)
        raise


@contextmanager
def ended_behind(runner: Any) -> Iterator[None]:
    """When the block ends, end the processes that a runner's loaders have started in it and keep for a next pass.

    A loader with ``persistent_workers`` keeps them for as long as it lives, and the garbage collector would end them at
    a bad moment. Processes that were there before the block, of a training that validates inside for one, stay.
    """
    before = [batches for _, batches in _kept(runner)]
    try:
        yield
    finally:
        with ExitStack() as ends:  # all of them, also where one fails
            for loader, batches in _kept(runner):
                if not any(batches is one for one in before):
                    ends.callback(_end, loader, batches)


def _kept(runner: Any) -> list[tuple[Any, Any]]:
    loops = runner._train_loop, runner._val_loop, runner._test_loop  # the properties would build them
    loaders = [getattr(loop, 'dataloader', None) for loop in loops]
    return [(one, one._iterator) for one in loaders if isinstance(one, DataLoader) and one._iterator is not None]


@contextmanager
def death_explained(runner: Any = None) -> Iterator[None]:
    """Turn what torch says of a loader process that died, anywhere in the main process, into a user's error.

    Args:
        runner: One that trains: the error then says how to go on.

    Raises:
        LoaderDiedError: If a loader process died inside.
    """
    try:
        yield
    except (RuntimeError, LoaderDiedError) as error:
        if not isinstance(error, LoaderDiedError) and TORCH_SAYS not in str(error):
            raise
        told = error if isinstance(error, LoaderDiedError) else _died(str(error))
        try:
            latest = find_last_checkpoint(runner.work_dir) if runner is not None else None
        except SegkitError:
            latest = None
        raise LoaderDiedError(f'{told}\n{how_to_resume(runner, latest)}' if latest else str(told)) from error


def heed_parent_only() -> None:
    """In a loader process: leave at the main process's SIGTERM, and ignore anyone else's.

    A scheduler, torchrun or ``timeout`` sends it to all processes of a group; a loader process that died of it would
    break the iteration that the main process wants to finish.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not hasattr(signal, 'sigwaitinfo') or threading.current_thread() is not threading.main_thread():
        if hasattr(signal, 'pthread_sigmask'):  # macOS; it was started with both blocked
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_wait_for_parent, args=(os.getppid(), ), daemon=True).start()


def _wait_for_parent(parent: int) -> None:
    while True:
        if signal.sigwaitinfo({signal.SIGTERM}).si_pid == parent or os.getppid() != parent:
            os._exit(0)


@contextmanager
def _held() -> Iterator[None]:
    """Let SIGTERM and SIGINT wait; processes and threads that start inside have them blocked."""
    if not hasattr(signal, 'pthread_sigmask'):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _dead(batches: Any) -> list:
    """The processes that should be there and are not; those first that failed."""
    if getattr(batches, '_shutdown', True):
        return []
    gone = [(w, used) for w, used in zip(batches._workers, batches._workers_status) if not w.is_alive()]
    # One that is not used may have done its part; torch takes those for it too of which it has found out itself.
    return sorted((w for w, used in gone if used or w.exitcode), key=lambda w: w.exitcode == 0)


def _end(loader: Any, batches: Any) -> None:
    if _dead(batches):
        _abandon(batches)
    elif hasattr(batches, '_shutdown_workers'):  # torch has no public way
        batches._shutdown_workers()
    if getattr(loader, '_iterator', None) is batches:  # and not that of a later pass
        loader._iterator = None


def _check(batches: Any, wait: float = 0.0, cause: Any = None) -> None:
    end = time.monotonic() + wait
    while not (dead := _dead(batches)):
        if time.monotonic() >= end:
            return
        time.sleep(0.01)  # the system closes a process's connections before it tells the parent
    code = dead[0].exitcode
    how = f'is killed by signal: {signal.strsignal(-code)}' if code < 0 else f'exited with status {code}'
    raise _died(f'{TORCH_SAYS} {dead[0].pid}) {how}.') from cause


def _died(text: str) -> LoaderDiedError:
    text = text[text.index(TORCH_SAYS):].splitlines()[0].split('. ')[0].rstrip('. ')
    text = text.replace(TORCH_SAYS, 'a loader process (pid', 1)
    advice = ("Usually memory ran out (dmesg says so): lower num_workers, prefetch_factor or batch_size of the "
              'dataloader.')
    if 'Bus error' in text:
        advice = ('/dev/shm is full (df -h /dev/shm): enlarge it (docker run --shm-size=8g), or lower num_workers or '
                  'batch_size of the dataloader.')
    elif 'Killed' not in text and 'pid(s)' not in text:
        advice = 'A library crashed in it: num_workers=0 shows at which image.'
    return LoaderDiedError(f'{text}.\n{advice}')


def _abandon(batches: Any) -> None:
    """End the other processes too, without torch's orderly way: that takes locks which the dead one may have held."""
    batches._shutdown = True
    if batches._worker_pids_set:
        signal_handling._remove_worker_pids(id(batches))
        batches._worker_pids_set = False
    pinning = hasattr(batches, '_pin_memory_thread')
    if pinning:
        batches._pin_memory_thread_done_event.set()
    for worker in batches._workers:
        worker.kill()
    for worker in batches._workers:
        worker.join()
    for queue in (*batches._index_queues, batches._worker_result_queue):
        queue.cancel_join_thread()
        if not pinning or queue is not batches._worker_result_queue:  # which the thread still reads
            queue.close()
