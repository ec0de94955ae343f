"""Starts a tool in several processes of this machine, and ends them together: the body of tools/dist_*.sh.

The processes get torchrun's variables and meet as those of torchrun do. torchrun itself ends a run that was told to
stop after 30 seconds, whether it has saved or not, and adds a report with a trace of its own to every user's error,
once it was printed by each process. Here a stopped run has the time it needs, and an error is said once.
"""
import ctypes
import itertools
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn, Optional

from segkit.launchers import DEFAULT_PORT

FOLDER = Path(__file__).parents[2] / 'tools'
TOOLS = dict(train=['CONFIG'], test=['CONFIG', 'CHECKPOINT'])
FAILED_SECONDS = 10.  # that the others have to end where one has failed; they may wait for it for ever
STOPPED_SECONDS = 600.  # where one was stopped: the first process may be saving
POLL_SECONDS = 0.05
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
KILLED = (signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
VARIABLES = ('NNODES', 'NODE_RANK', 'MASTER_ADDR', 'PORT')
PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> int:
    """Run a tool; ``argv`` is its name, the script that was typed, and what was typed behind it.

    Returns:
        The exit status: 0, 2 for an error of the user's, 130 or 143 for a run that was stopped, 1 for a defect.
    """
    tool, script, args = argv[0], argv[1], argv[2:]
    program = [sys.executable, str(FOLDER / f'{tool}.py')]
    if {'-h', '--help'} & set(args):
        return subprocess.call([*program, '--help'])
    at = next((i for i in range(1, len(TOOLS[tool]) + 1) if args[i:] and args[i].isdigit()), None)
    if args[1:] and args[0].isdigit() and at is None:
        files = list(itertools.takewhile(lambda arg: not arg.startswith('-'), args[1:]))[:len(TOOLS[tool])]
        _refuse(f'{script}: the number of processes comes behind {" ".join(TOOLS[tool])}, not before:\n'
                + shlex.join([script, *files, args[0], *args[1 + len(files):]]))
    if at is None or int(args[at]) < 1:
        got = ' '.join(map(shlex.quote, args)) or 'nothing'
        _refuse(f'{script}: expected {" ".join(TOOLS[tool])} and the number of processes on this machine, at least 1; '
                f'got {got}.')
    if at < len(TOOLS[tool]) and args[at + 1:] and not args[at + 1].startswith('-'):
        _refuse(f'{script}: the number of processes comes behind {" ".join(TOOLS[tool])}:\n'
                + shlex.join([script, *args[:at], args[at + 1], args[at], *args[at + 2:]]))
    here = int(args[at])
    nodes, node = _number('NNODES', 1, 1), _number('NODE_RANK', 0, 0)
    if node >= nodes:
        _refuse(f'NODE_RANK={node}: of NNODES={nodes} machines the last one is {nodes - 1}.')
    address = os.environ.get('MASTER_ADDR') or ('127.0.0.1' if nodes == 1 else '')
    if not address:
        _refuse(f'NNODES={nodes}: set MASTER_ADDR to the address of the machine with NODE_RANK=0, on every machine.')
    typed = ' '.join([*(f'{name}={os.environ[name]}' for name in VARIABLES if os.environ.get(name)),
                      shlex.join([script, *args])])
    port = _port(nodes, node, typed)
    if nodes > 1:
        print(f'machine {node} of {nodes} (0 to {nodes - 1}): {here} of {here * nodes} processes, meeting at '
              f'{address}:{port}', flush=True)
    common = dict(os.environ, SEGKIT_COMMAND=typed, MASTER_ADDR=address, MASTER_PORT=str(port),
                  WORLD_SIZE=str(nodes * here), LOCAL_WORLD_SIZE=str(here), GROUP_RANK=str(node))
    command = [*program, *args[:at], '--launcher', 'pytorch', *args[at + 1:]]
    with tempfile.TemporaryDirectory(prefix='segkit_') as reports:
        processes = Processes(reports)
        for local in range(here):
            processes.start(command, dict(common, LOCAL_RANK=str(local), RANK=str(node * here + local)))
        return processes.wait()


class Processes:
    """The processes of a run on this machine.

    Each is in a session of its own, so that a Ctrl-C reaches it once, from here. They get SIGTERM, which lets them
    save, when this process dies.

    Args:
        reports: A folder in which a process leaves its error (:func:`segkit.apis.cli.report`), to be said once.
    """

    def __init__(self, reports: str) -> None:
        self.reports = Path(reports)
        self.children: dict[int, subprocess.Popen] = {}  # by rank
        self.signals: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                signal.signal(number, self._forward)
        try:
            self._libc: Optional[Any] = ctypes.CDLL(None) if sys.platform == 'linux' else None
        except OSError:
            self._libc = None

    def start(self, command: list[str], environment: dict[str, str]) -> None:
        """Start one process."""
        environment = dict(environment, SEGKIT_REPORTS=str(self.reports))
        for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):  # else each process takes every core
            environment.setdefault(name, '1')
        self.children[int(environment['RANK'])] = subprocess.Popen(
            command, env=environment, start_new_session=True, preexec_fn=self._die_with_parent if self._libc else None)

    def _die_with_parent(self) -> None:
        self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    def _forward(self, number: int, frame: Any) -> None:
        """Hand a signal on; a second Ctrl-C ends everything at once."""
        self.signals.append(number)
        if self.signals.count(signal.SIGINT) > 1:
            self._send(signal.SIGKILL)
        elif number == signal.SIGINT:
            os.write(2, b'\nCtrl-C again ends it at once\n' if sys.stderr.isatty() else b'')
            self._send(signal.SIGINT)
        else:  # the terminal was closed, or someone wants the machine: save and stop
            self._send(signal.SIGTERM)

    def _send(self, number: int) -> None:
        for child in self.children.values():
            if child.poll() is None:
                child.send_signal(number)

    def wait(self) -> int:
        """Wait for all, say what went wrong, and give the exit status."""
        deadline, by_us = None, set()
        while any(child.poll() is None for child in self.children.values()):
            statuses = [child.poll() for child in self.children.values()]
            if any(status for status in statuses):
                failed = any(status and status not in STOPPED for status in statuses)
                limit = time.monotonic() + (FAILED_SECONDS if failed else STOPPED_SECONDS)
                deadline = limit if deadline is None else min(deadline, limit)
                if time.monotonic() > deadline:
                    by_us = {rank for rank, child in self.children.items() if child.poll() is None}
                    self._send(signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        statuses = {rank: child.returncode for rank, child in self.children.items() if rank not in by_us}
        if self.signals.count(signal.SIGINT) > 1:
            print('ended at once by Ctrl-C', file=sys.stderr)
            return STOPPED[0]
        return self._conclude(statuses)

    def _conclude(self, statuses: dict[int, int]) -> int:
        found = [json.loads(path.read_text()) for path in self.reports.glob('*.json')]
        found.sort(key=lambda report: report['time'])
        of_kind = {kind: [r for r in found if r['kind'] == kind] for kind in ('error', 'defect', 'stop')}
        world = len(self.children)
        if of_kind['error']:
            texts: dict[str, list[int]] = {}
            for report in of_kind['error']:
                texts.setdefault(report['text'], []).append(report['rank'])
            for text, ranks in texts.items():
                whose = f' in process {", ".join(map(str, sorted(ranks)))}' if len(texts) > 1 else ''
                print(text.replace('error: ', f'error{whose}: ', 1), file=sys.stderr)
            return 2
        killed = {rank: -status for rank, status in statuses.items() if -status in KILLED}
        for rank, number in killed.items():
            hint = ' The system does that where memory runs out.' if number == signal.SIGKILL else ''
            print(f'error: process {rank} was ended by {signal.Signals(number).name}.{hint}', file=sys.stderr)
        if killed:
            return 128 + max(killed.values())
        if of_kind['defect']:  # what came later, of processes that lost one they talked to, says nothing
            first = of_kind['defect'][0]
            print(f'{first["text"].rstrip()}\n(process {first["rank"]} of {world}, the first that failed)',
                  file=sys.stderr)
            return 1
        for report in of_kind['stop'][:1]:
            print(report['text'], file=sys.stderr)
        stopped = [status for status in statuses.values() if status in STOPPED]
        if stopped:
            return max(stopped)
        return next((status if status > 0 else 128 - status for status in statuses.values() if status), 0)


def _port(nodes: int, node: int, typed: str) -> int:
    """The port to meet at: PORT, else any that is free on a single machine, and 29500 between several.

    On one machine nobody else has to know it, and two runs that start in the same second never take the same.
    """
    given = os.environ.get('PORT')
    if not given and nodes == 1:
        return _free_port()
    port = _number('PORT', DEFAULT_PORT, 1)
    if node > 0 or _is_free(port):
        return port
    _refuse(f'port {port} of this machine is in use, by another run maybe.\nTake another one'
            f'{" on every machine" if nodes > 1 else ""}: PORT={_free_port()} '
            f'{typed.replace(f"PORT={given} ", "")}')


def _is_free(port: int) -> bool:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(('', port))
        except OverflowError:
            _refuse(f'PORT: expected 1 to 65535, got {port}.')
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(('', 0))
        return s.getsockname()[1]


def _number(name: str, default: int, least: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdigit() or int(text) < least:
        _refuse(f'{name}: expected a whole number, at least {least}, got {text!r}.')
    return int(text)


def _refuse(message: str) -> NoReturn:
    print(f'error: {message}', file=sys.stderr)
    raise SystemExit(2)


if __name__ == '__main__':
    raise SystemExit(main(sys.argv[1:]))
