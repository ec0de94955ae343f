"""One mistake, and what becomes of it: the real tool run on it in a process of its own."""
import atexit
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple, Optional

ROOT = Path(__file__).parents[3]
TOOLS = {'browse_dataset.py': 'tools/analysis/browse_dataset.py', 'print_config.py': 'tools/analysis/print_config.py'}


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

    A Python tool runs in a fork of a process that has imported what it needs: the tool's own file, as
    ``python tools/train.py ...`` runs it, without seconds of imports for each of the mistakes.
    """
    if case.prepare is not None:
        case.prepare(place)
    tool, *argv = shlex.split(case.command)
    argv += ['--debug'] if debug else []
    script = ROOT / TOOLS.get(tool, f'tools/{tool}')
    if not tool.endswith('.sh'):
        _starter()  # its imports are not the tool's time
    start = time.monotonic()
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        if tool.endswith('.sh'):
            environment = {**os.environ, **case.env, 'PYTHON': sys.executable}
            done = subprocess.run(['bash', str(script), *argv], cwd=place, env=environment, stdout=out, stderr=err,
                                  timeout=HANG)
            status = done.returncode
        else:
            status = _forked(script, argv, case, place, out.name, err.name)
        seconds = time.monotonic() - start
        texts = []
        for file in (err, out):
            file.seek(0)
            texts.append(file.read().decode(errors='replace'))
    return Answer(status, *texts, seconds)


def _forked(script: Path, argv: list[str], case: Case, place: Path, out: str, err: str) -> int:
    starter = _starter()
    request = dict(argv=[str(script), *argv], folder=str(place), out=out, err=err, env=case.env, limit=HANG,
                   as_nobody=case.rights and os.geteuid() == 0)
    starter.stdin.write(json.dumps(request) + '\n')
    starter.stdin.flush()
    answer = starter.stdout.readline()
    if not answer:
        raise RuntimeError(f'the process that starts tools has ended with status {starter.wait()}')
    return int(answer)


@cache
def _starter() -> subprocess.Popen:
    """The process whose forks run tools, once it has imported what they need."""
    starter = subprocess.Popen([sys.executable, str(Path(__file__).with_name('starter.py'))], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    atexit.register(starter.communicate)  # closes its standard input, which ends it
    starter.stdout.readline()
    return starter
