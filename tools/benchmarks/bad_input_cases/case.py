"""One mistake, and what becomes of it: the real tool run on it in a process of its own."""
import gc
import os
import runpy
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Optional

ROOT = Path(__file__).parents[3]
TOOLS = {'browse_dataset.py': 'tools/analysis/browse_dataset.py', 'print_config.py': 'tools/analysis/print_config.py'}
NOBODY = 65534  # root may read and write everything, so that mistakes about rights are tried as somebody else


@dataclass(frozen=True)
class Case:
    """A mistake.

    Args:
        wrong: What is wrong, in one phrase.
        command: The command line, typed in the folder that :func:`place.make` wrote.
        says: What the message has to hold: the key, path or value that matters, and the remedy.
        prepare: Makes the mistake in that folder, where it is not in the command.
        common: Whether it is one of those that newcomers were seen to make with other tools.
        env: Environment variables that are set.
        rights: Whether the mistake is about rights, so that root must not try it.
        limit: Seconds until the answer must be there; 0 for no limit but that of a hang.
        argparse: Whether argparse answers; it has no stack trace to show under ``--debug``.
    """

    wrong: str
    command: str
    says: tuple[str, ...]
    prepare: Optional[Callable[[Path], None]] = None
    common: bool = False
    env: dict[str, str] = field(default_factory=dict)
    rights: bool = False
    limit: float = 0
    argparse: bool = False


class Answer(NamedTuple):
    """Exit status, standard error and standard output of a tool, and how many seconds it took after its imports."""

    status: int
    err: str
    out: str
    seconds: float


HANG = 120  # seconds


def run(case: Case, place: Path, debug: bool = False) -> Answer:
    """Run a case's command line in a folder, which it may change.

    A Python tool runs in a fork of this process, which has imported what it needs: the tool's own file, as
    ``python tools/train.py ...`` runs it, without seconds of imports for each of the mistakes.
    """
    if case.prepare is not None:
        case.prepare(place)
    tool, *argv = shlex.split(case.command)
    argv += ['--debug'] if debug else []
    script = ROOT / TOOLS.get(tool, f'tools/{tool}')
    start = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        if tool.endswith('.sh'):
            environment = {**os.environ, **case.env, 'PYTHON': sys.executable}
            done = subprocess.run(['bash', str(script), *argv], cwd=place, env=environment, stdout=out, stderr=err,
                                  timeout=HANG)
            status = done.returncode
        else:
            status = _forked(script, argv, case, place, out.fileno(), err.fileno())
        seconds = time.monotonic() - start
        texts = []
        for file in (err, out):
            file.seek(0)
            texts.append(file.read().decode(errors='replace'))
    return Answer(status, *texts, seconds)


def _forked(script: Path, argv: list[str], case: Case, place: Path, out: int, err: int) -> int:
    import cv2
    import torch

    import segkit.engine  # noqa: F401 (imported here once, not in each fork)
    import segkit.models  # noqa: F401
    sys.stdout.flush()
    sys.stderr.flush()
    gc.freeze()  # a fork's garbage collection would copy every page of the parent
    pid = os.fork()
    if pid:
        gc.unfreeze()
    else:
        status = 70
        try:
            os.dup2(out, 1)
            os.dup2(err, 2)
            sys.stdout, sys.stderr = (open(fd, 'w', buffering=1, closefd=False) for fd in (1, 2))
            sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
            torch.set_num_threads(1)  # a fork has none of its parent's threads
            cv2.setNumThreads(0)
            signal.alarm(HANG)
            os.environ.update(case.env)
            os.chdir(place)
            if case.rights and os.geteuid() == 0:
                os.setuid(NOBODY)
            sys.argv = [str(script), *argv]
            try:
                runpy.run_path(str(script), run_name='__main__')
                status = 0
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
            except BaseException:  # what Python itself does with an exception that nobody caught
                sys.excepthook(*sys.exc_info())
                status = 1
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)
    _, result = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(result)
