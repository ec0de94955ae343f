"""A training as a process that can be watched and killed."""
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parents[2]
POLL = 0.0005  # seconds between looks at the folder; writing a small checkpoint takes about 0.05
PATIENCE = 600.0  # seconds without a line after which a run hangs
LOADER_DEATH = 120.0  # seconds that a run may take to notice that a loader process is gone


class Hang(RuntimeError):
    """A training that neither speaks nor ends."""


@dataclass
class Kill:
    """One kill, for the report."""

    aim: str
    after: float  # seconds since this process started
    iteration: int  # the last one that was logged
    doing: str
    start: int = 0  # where this process began
    resumed_from: str = ''  # what the next process went on from
    resumed_at: int = 0


class Training:
    """One process (or several, with gloo) that trains until it ends or is killed.

    Args:
        command: What to start.
        folder: The run folder.
        log: Where its output is added.
    """

    def __init__(self, command: list[str], folder: Path, log: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self._left_behind = set(self._temporary())  # by those that were killed before
        self.started = self.spoke = time.monotonic()
        environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', PYTHON=sys.executable)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env=environment, start_new_session=True)
        self._reader = threading.Thread(target=self._read, args=(log,), daemon=True)
        self._reader.start()

    def _read(self, log: Path) -> None:
        with open(log, 'a') as file:
            for line in self.process.stdout:
                self.lines.append(line.rstrip('\n'))
                self.spoke = time.monotonic()
                file.write(line)
                file.flush()

    def find(self, pattern: str) -> Optional[re.Match]:
        """The last line that matches."""
        return next((found for line in reversed(self.lines) if (found := re.search(pattern, line))), None)

    @property
    def iteration(self) -> int:
        """The last iteration that was logged, or that this process started at."""
        found = self.find(r'^iter (\d+)/')
        return int(found[1]) if found else self.resumed_at

    @property
    def resumed_at(self) -> int:
        found = self.find(r'resumed from .* at iteration (\d+)')
        return int(found[1]) if found else 0

    @property
    def resumed_from(self) -> str:
        found = self.find(r'resumed from (.*) at iteration')
        return Path(found[1]).name if found else ''

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def wait_until(self, condition, poll: float = 0.005) -> bool:
        """Wait for a condition; False if the process ended first.

        Raises:
            Hang: If it says nothing for ten minutes.
        """
        while not condition():
            if self.process.poll() is not None:
                return False
            if time.monotonic() - self.spoke > PATIENCE:
                self.kill()
                raise Hang(f'no line for {PATIENCE:.0f} s; the last one: {self.lines[-1:]}')
            time.sleep(poll)
        return True

    def unfinished(self) -> list[str]:
        """Names of the checkpoints and their hashes that this process is writing."""
        return [name for name in self._temporary() if name not in self._left_behind]

    def _temporary(self) -> list[str]:
        names = os.listdir(self.folder) if self.folder.is_dir() else []
        return [name for name in names if name.startswith('.') and name.endswith('.tmp')]

    def doing(self) -> str:
        """What the processes are about, from their last lines and the files they are writing."""
        files = self.unfinished()
        if files:
            return 'saving ' + re.sub(r'^\.(.*?)\.[^.]*\.tmp$', r'\1', files[0])
        last = next((line for line in reversed(self.lines) if re.match(r'iter |validation |resumed |training: ', line)),
                    '')
        if last.startswith('validation ') and not last.startswith('validation at'):
            return 'validation'
        return 'training' if self.find(r'^iter (\d+)/') else 'start-up'

    def kill(self) -> None:
        """SIGKILL for every process of the run, at once, and wait until they are gone."""
        family = [self.process.pid, *descendants(self.process.pid)]
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self._reader.join(10)

    def end(self) -> int:
        """Wait for the end; the exit status."""
        self.wait_until(lambda: False, poll=0.05)
        self._reader.join(10)
        return self.process.returncode


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they did."""
    children: dict[int, list[int]] = {}
    for entry in Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / 'stat').read_text().rsplit(')', 1)[1].split()
            except (OSError, IndexError):  # it ended meanwhile
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        more = children.get(queue.pop(), [])
        found += more
        queue += more
    return found


def kill_at(training: Training, aim: str, target: int, startup: float, draw: random.Random) -> Optional[Kill]:
    """Kill a training where it is aimed at.

    Args:
        training: The running training.
        aim: 'start-up', 'save', 'validation', 'loader' or 'anywhere'.
        target: The iteration before which nothing but a start-up is killed.
        startup: Seconds that the last start took.
        draw: Decides the moment.

    Returns:
        What was hit; None if the training ended before.
    """
    if aim == 'start-up':
        moment = draw.uniform(0.1, 1.0) * startup
        training.wait_until(lambda: training.seconds() >= moment or training.find(r'^iter (\d+)/'))
    else:
        if not training.wait_until(lambda: training.iteration >= target):
            return None
        if aim == 'anywhere':
            moment = training.seconds() + draw.uniform(0, 1.5)
            training.wait_until(lambda: training.seconds() >= moment)
        elif aim == 'save':
            training.wait_until(training.unfinished, poll=POLL)
            time.sleep(draw.choice((0.0, draw.uniform(0, 0.06))))
        elif aim == 'validation':
            count = len(training.lines)
            training.wait_until(lambda: any(re.match(r'validation \d', line) for line in training.lines[count:]))
            time.sleep(draw.uniform(0, 0.1))
        elif aim == 'loader':
            return _kill_a_loader(training, draw)
    if training.process.poll() is not None:
        return None
    seconds, iteration, doing = training.seconds(), training.iteration, training.doing()
    training.kill()
    files = training.unfinished()  # what is left shows what was hit
    if files:
        doing = 'saving ' + re.sub(r'^\.(.*?)\.[^.]*\.tmp$', r'\1', files[0])
    elif doing.startswith('saving'):
        doing = 'just saved' + doing[len('saving'):]
    return Kill(aim, seconds, iteration, doing, training.resumed_at)


def _kill_a_loader(training: Training, draw: random.Random) -> Optional[Kill]:
    """Kill one process that loads data; the training has to notice by itself."""
    loaders: list[int] = []

    def some() -> bool:
        loaders[:] = [pid for pid in descendants(training.process.pid) if _loads(pid)]
        return bool(loaders)

    if not training.wait_until(some, poll=0.05):
        return None
    seconds, iteration = training.seconds(), training.iteration
    try:
        os.kill(draw.choice(loaders), signal.SIGKILL)
    except ProcessLookupError:
        return None
    limit = time.monotonic() + LOADER_DEATH
    while training.process.poll() is None:
        if time.monotonic() > limit:
            training.kill()
            raise Hang(f'a loader process was killed, and the training did not end within {LOADER_DEATH:.0f} s')
        time.sleep(0.02)
    training.kill()
    if training.process.returncode == 0:
        raise Hang('a loader process was killed, and the training ended as if nothing had happened')
    return Kill('loader', seconds, iteration, 'waiting for a loader process', training.resumed_at)


def _loads(pid: int) -> bool:
    """Whether a process was forked by a training, which is what loaders are: they have its command line."""
    try:
        parent = int(Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[1])
        own, its = (Path(f'/proc/{one}/cmdline').read_bytes() for one in (pid, parent))
    except (OSError, IndexError):
        return False
    return own == its and b'train.py' in own
