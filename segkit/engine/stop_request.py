"""SIGTERM and Ctrl-C: a training is ended where it can go on from."""
import os
import shlex
import signal
import sys
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Optional

import torch
import torch.distributed as dist
from torch.distributed.constants import default_pg_timeout

from segkit.engine.environment import leave_process_group
from segkit.engine.last_checkpoint import is_run_folder

SIGNALS = (signal.SIGTERM, signal.SIGINT)
VALIDATION_TIMEOUT = timedelta(days=1)  # at least


class RunStopped(SystemExit):
    """A training that was stopped and saved; the process leaves with 128 + the signal's number, without a trace."""


class StopRequest:
    """Notes SIGTERM and SIGINT while a training runs, so that it can end behind an update and save.

    What arrives is noted only; the train loop asks :meth:`agreed` after each iteration, and validations look at
    :attr:`signal` after each batch. A Ctrl-C after that ends the process at once, where no launcher started it:
    torchrun hands each signal on to processes that got it from the terminal already. Outside the main thread, and for
    a signal that the process was started to ignore (nohup, a shell's background jobs), nothing is installed.

    Attributes:
        signal: The number of the signal that arrived in this process; None while there was none.
        saved: Where the state was saved; :class:`~segkit.engine.CheckpointHook` says so.

    Args:
        launched: Whether a launcher started the process.
        timeout: Seconds that the others are waited for after an iteration; None for torch's own half an hour.
    """

    def __init__(self, launched: bool = False, timeout: Optional[float] = None) -> None:
        self.signal: Optional[int] = None
        self.saved: Optional[str] = None
        self._launched = launched
        self._agreed = 0
        self._before: dict[int, Any] = {}
        self._timeout = timeout
        self._groups: dict[bool, Any] = {}  # by whether a validation is waited for

    def __enter__(self) -> 'StopRequest':
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            # Groups of their own on the CPU: the answer does not wait for what the GPU still has to do.
            timeout = default_pg_timeout if self._timeout is None else timedelta(seconds=self._timeout)
            self._groups = {validated: dist.new_group(backend='gloo', timeout=limit) for validated, limit in
                            ((False, timeout), (True, max(timeout, VALIDATION_TIMEOUT)))}
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def _note(self, number: int, frame: Optional[FrameType]) -> None:
        if self.signal is not None:
            if number == signal.SIGINT and not self._launched:
                raise KeyboardInterrupt
            return
        self.signal = number
        if int(os.environ.get('RANK', 0)) == 0:
            # Not through Python's streams or the logger: this may interrupt one of them half-way.
            start = b'\r\x1b[2K' if sys.stderr.isatty() else b''
            more = b'' if self._launched else b' (Ctrl-C ends it at once)'
            with suppress(OSError):  # who reads it may have died of the same Ctrl-C: `train.py ... 2>&1 | tee log`
                os.write(2, start + signal.Signals(number).name.encode() + b': saving, then stopping' + more + b'\n')

    def agreed(self, validated: bool = False) -> bool:
        """Whether any process was asked to stop; all processes have to ask, and get the same answer.

        Two processes of one machine, both busy, take 0.15 ms for it; other iterations' work on a GPU goes on.

        Args:
            validated: Whether a validation was done since they met, for which a process may take far longer than
                another: its images are larger, or its disk is slower.
        """
        if not self._agreed:
            self._agreed = self.signal or 0
            if self._groups:
                answer = torch.tensor(self._agreed)
                dist.all_reduce(answer, dist.ReduceOp.MAX, group=self._groups[validated])
                self._agreed = int(answer)
        return self._agreed > 0

    def end(self, runner: Any) -> NoReturn:
        """Save, say where and how to go on, and leave; :meth:`agreed` has to have said so.

        Raises:
            RunStopped: Always.
        """
        runner.call_hook('after_stop')
        name = signal.Signals(self._agreed).name
        where = f'stopped by {name} at iteration {runner.iter} of {runner.max_iters}'
        if self.saved is not None:
            runner.logger.info(f'{where}, saved in {self.saved}\n{how_to_resume(runner, self.saved)}')
        else:
            runner.logger.info(f'{where}; nothing was saved, since '
                               + ('no iteration was done' if not runner.iter else 'there is no CheckpointHook'))
        runner.call_hook('after_run')
        leave_process_group()
        raise RunStopped(128 + self._agreed)


def may_stop(optim_wrapper: Any) -> bool:
    """Whether the last iteration ended with an update, so that no gathered gradients are lost by ending here."""
    return optim_wrapper.should_update() if hasattr(optim_wrapper, 'should_update') else True


def how_to_resume(runner: Any, checkpoint: str) -> str:
    """The command that goes on from a checkpoint of the run folder, or what does so in Python.

    Args:
        runner: The runner.
        checkpoint: The file.
    """
    words = typed_words()
    if words is None:
        return f"go on with resume=True and load_from='{checkpoint}'"
    if '--resume' not in words:
        words.append('--resume')
    start = runner.cfg.get('load_from')
    if start and not is_run_folder(start):  # of the config; a resumed run would start from it again
        words += ['--cfg-options', f'load_from={checkpoint}']
    return f'go on with: {shlex.join(words)}'


def typed_words() -> Optional[list[str]]:
    """The words of the command line, as the user or a launcher's script was given them; None outside train.py."""
    command = os.environ.get('SEGKIT_COMMAND')  # set by a script, where train.py is not what the user typed
    if command:
        return shlex.split(command)
    tool = Path(sys.argv[0])
    if tool.name != 'train.py':
        return None
    if 'TORCHELASTIC_RUN_ID' not in os.environ or len(sys.argv) < 2 or sys.argv[1].startswith('-'):
        return [Path(sys.orig_argv[0]).name if '/' not in sys.orig_argv[0] else sys.orig_argv[0], *sys.argv]
    rest = sys.argv[2:]
    if '--launcher' in rest:
        at = rest.index('--launcher')
        rest = rest[:at] + rest[at + 2:]
    return [str(tool.with_name('dist_train.sh')), sys.argv[1], os.environ['LOCAL_WORLD_SIZE'], *rest]
