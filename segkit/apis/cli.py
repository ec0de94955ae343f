"""How the command-line tools end: quietly, or with an error that a user can act on."""
import errno
import json
import logging
import os
import re
import select
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Optional

from segkit.errors import LostProcessError, SegkitError

USER_ERROR = 2
INTERRUPTED = 130
DEFECT = 1
MAX_LINES = 4
# What a machine answers where a file or folder cannot be made or written, or its disk is full.
PLACES = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOSPC,
          errno.EDQUOT, errno.ENAMETOOLONG)


def run(main: Callable[[Optional[Sequence[str]]], None], argv: Optional[Sequence[str]] = None) -> None:
    """Call a tool's ``main`` and leave the process.

    A :class:`~segkit.errors.SegkitError` is printed without a stack trace, exit status 2; ``--debug`` on the command
    line shows the trace. So is a file or folder that cannot be read or written. Ctrl-C ends with status 130. Any
    other exception is a defect and keeps its trace.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        main(argv)
    except SegkitError as error:
        _fail(message_of(error), argv, 'lost' if isinstance(error, LostProcessError) else 'error')
    except KeyboardInterrupt:
        _end_live_line()
        report('stop', 'stopped by Ctrl-C')
        _leave(INTERRUPTED)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _reader_has_gone():  # as in `... | head`
            sys.stderr.close()
            _leave(0)
        if error.errno not in PLACES:
            _defect()
        _fail(_place_of(error), argv)
    except Exception:
        _defect()


def _reader_has_gone() -> bool:
    """Whether nobody reads what we print; a pipe to one of our own processes may break too."""
    try:
        asked = select.poll()
        asked.register(sys.stdout.fileno(), 0)
        return bool(asked.poll(0))  # only errors are reported where nothing is asked for
    except (AttributeError, OSError, ValueError):
        return False


def report(kind: str, text: str) -> None:
    """Say how a tool ended: on stderr, or to the launcher of several processes, which says it once.

    Args:
        kind: 'error' of the user's, 'defect', 'stop', or 'lost' where the reason is another process's.
        text: What a person reads.
    """
    folder = os.environ.get('SEGKIT_REPORTS')
    if folder and os.path.isdir(folder):
        rank = int(os.environ['RANK'])
        Path(folder, f'{rank}.json').write_text(json.dumps(dict(kind=kind, text=text, rank=rank, time=time.time())))
    else:
        rank = os.environ.get('RANK', '0')  # torchrun and srun let each process speak
        print(text if rank == '0' else text.replace('error: ', f'error in process {rank}: ', 1), file=sys.stderr,
              flush=True)


def _fail(message: str, argv: Sequence[str], kind: str = 'error') -> None:
    _end_live_line()
    report(kind, (traceback.format_exc() if '--debug' in argv else '') + f'error: {message}')
    _leave(USER_ERROR)


def _defect() -> None:
    """Let an exception that nobody foresaw go on with its trace, or hand the trace to the launcher."""
    if not os.environ.get('SEGKIT_REPORTS'):
        raise
    report('defect', traceback.format_exc())
    _leave(DEFECT)


def message_of(error: SegkitError) -> str:
    """The message alone, at most four lines of it.

    An error raised in a loader process comes back with that process's whole stack trace as its text; what the user
    needs is behind the last mention of the error's class in it.
    """
    text = str(error)
    if 'in DataLoader worker process' in text or 'Traceback (most recent call last)' in text:
        mentions = list(re.finditer(rf'^(?:[\w.]+\.)?{type(error).__name__}: ', text, flags=re.MULTILINE))
        if mentions:
            text = text[mentions[-1].end():]
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return '\n'.join(lines[:MAX_LINES])


def _place_of(error: OSError) -> str:
    """What is wrong with a path, and what to do."""
    if error.errno in (errno.EEXIST, errno.ENOTDIR) and error.filename:
        path = next(p for p in (Path(error.filename), *Path(error.filename).parents) if p.exists())
        if not path.is_dir():
            return f'{path} is a file; a folder was expected there.\nGive another one (--work-dir, --out-dir, --out).'
    where = f'{error.filename}: ' if error.filename else ''
    return f'{where}{error.strerror}.\nCheck that path, its rights, and the room on its disk.'


def _end_live_line() -> None:
    if sys.stdout.isatty():
        sys.stdout.write('\r\x1b[2K')
    sys.stdout.flush()


def _leave(status: int) -> None:
    """End with a status, which a process group that could not be left in order must not turn into an abort."""
    distributed = sys.modules.get('torch.distributed')
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        # gloo's threads still wait for the others, and C++ aborts a process that ends orderly with such threads.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    raise SystemExit(status)
