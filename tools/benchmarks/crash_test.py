"""Kill a training again and again, go on each time, and compare its end with an uninterrupted one, bit for bit.

    python tools/benchmarks/crash_test.py
    python tools/benchmarks/crash_test.py --kills 6 --amp --processes 2 --report docs/crash_test.md
    python tools/benchmarks/crash_test.py --config my_config.py --cfg-options data_root=data/mine

Each kill is SIGKILL to all processes of the run: at any moment, while a checkpoint is being written, in a validation,
during the start, or to one loader process alone, which the run has to notice. Each time tools/train.py --resume goes on
(anew where no checkpoint was there yet). Compared are weights, buffers, optimizer, average (EMA), schedules, best
weights, and the rows of metrics.csv and scalars.json without times. Exit status 1 if anything differs.

Without --config a small DeepLabV3 learns generated scenes, with dropout, EMA, 2 loader processes, a validation every 15
iterations and a checkpoint every 5.

--report puts what was seen between marks of the page, one pair for each way to train (processes, precision, config);
what it has of other ways stays.
"""
import argparse
import collections
import datetime
import os
import platform
import random
import shlex
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).parent))
from marked_page import check, put  # noqa: E402

from segkit.apis.arguments import add_cfg_options  # noqa: E402
from segkit.apis.cli import run  # noqa: E402
from segkit.cores import usable_cores  # noqa: E402
from segkit.errors import ConfigError  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / 'configs/demo/deeplabv3_r18w32-d8_1xb4-2400_scenes-128x128.py'
AIMS = ('save', 'anywhere', 'validation', 'save', 'loader', 'start-up', 'save')
CHECKPOINT_EVERY, VALIDATE_EVERY, LOG_EVERY = 5, 15, 2
ITERATIONS_PER_KILL = 12
MARKS = 'tools/benchmarks/crash_test.py'


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=20, help='how many times (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='decides the moments (default: %(default)s)')
    parser.add_argument('--config', help='a config (default: the demo, made small)')
    add_cfg_options(parser)
    parser.add_argument('--work-dir', type=Path, help='a new folder for both runs (default: a temporary one, removed)')
    parser.add_argument('--iters-per-kill', type=int, default=ITERATIONS_PER_KILL, metavar='N',
                        help='iterations of the run for each kill (default: %(default)s)')
    parser.add_argument('--amp', action='store_true', help='train in mixed precision')
    parser.add_argument('--processes', type=int, default=1, help='processes of the run, gloo (default: %(default)s)')
    parser.add_argument('--report', type=Path, metavar='FILE', help='put the report on this Markdown page')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


class CrashTest:
    """Both runs, and what is said about them.

    Args:
        args: The command line.
        folder: Where the runs lie.
    """

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args = args
        self.folder = folder
        self.iterations = args.iters_per_kill * (args.kills + 1)
        self.draw = random.Random(args.seed)
        self.kills: list = []
        self.training = None
        self.begun = time.monotonic()

    def say(self, text: str) -> None:
        print(f'{datetime.timedelta(seconds=round(time.monotonic() - self.begun))}  {text}', flush=True)

    def command(self, name: str, resume: bool) -> list[str]:
        """What a user would type to train into the folder ``name``."""
        args = self.args
        options = [
            f'train_cfg.max_iters={self.iterations}', f'train_cfg.val_interval={VALIDATE_EVERY}',
            f'default_hooks.checkpoint.interval={CHECKPOINT_EVERY}', f'default_hooks.logger.interval={LOG_EVERY}',
            'train_dataloader.num_workers=2', 'val_dataloader.num_workers=1',
            'custom_hooks=[dict(type="EMAHook", momentum=0.05)]']
        if args.config is None:
            options += [f'data_root={self.folder / "scenes"}',
                        f'train_dataloader.batch_size={max(4 // args.processes, 2)}',
                        'train_dataloader.dataset.pipeline.3.crop_size=(64, 64)',
                        'model.data_preprocessor.size=(64, 64)']
        tool = [sys.executable, str(ROOT / 'tools/train.py'), str(args.config or DEMO)]
        if args.processes > 1:
            tool = ['bash', str(ROOT / 'tools/dist_train.sh'), str(args.config or DEMO), str(args.processes)]
            os.environ['PORT'] = free_port()
        return [*tool, '--work-dir', str(self.folder / name), *(['--resume'] if resume else []),
                *(['--amp'] if args.amp else []), '--cfg-options', *options, *args.cfg_options]

    def start(self, name: str):
        """A training into the folder ``name``: anew, or from its newest checkpoint if it has one."""
        from crash_test_run import Training
        folder = self.folder / name
        resume = any(folder.glob('iter_*.pth'))
        self.training = Training(self.command(name, resume), folder, self.folder / f'{name}.log')
        return self.training

    def uninterrupted(self) -> None:
        """The run to compare with."""
        training = self.start('uninterrupted')
        if training.end() != 0:
            raise ConfigError('The run does not end well without any kill:\n' + '\n'.join(training.lines[-3:]))
        self.seconds = training.seconds()
        self.say(f'uninterrupted: {self.iterations} iterations in {self.seconds:.0f} s')

    def crashed(self) -> None:
        """The run that is killed.

        Raises:
            ConfigError: If it fails by itself, or ends before all kills.
        """
        from crash_test_run import kill_at
        aims = [AIMS[i % len(AIMS)] for i in range(self.args.kills)]
        self.draw.shuffle(aims)
        startup = 5.0
        training = self.start('killed')
        for number, aim in enumerate(aims):
            target = 1 + number * self.args.iters_per_kill + self.draw.randrange(self.args.iters_per_kill)
            kill = kill_at(training, aim, target, startup, self.draw)
            if kill is None:
                raise ConfigError(f'The run ended before kill {number + 1}, status {training.process.returncode}:\n'
                                  + '\n'.join(training.lines[-3:]))
            first = next((i for i, line in enumerate(training.lines) if line.startswith('iter ')), None)
            startup = startup if first is None else min(max(2.0, 0.7 * startup + 0.3 * kill.after), 60.0)
            training = self.start('killed')
            self._follow(kill, training)
            self.kills.append(kill)
            left = (time.monotonic() - self.begun - self.seconds) / (number + 1) * (len(aims) - number - 1)
            self.say(f'kill {number + 1}/{len(aims)}: {kill.doing} at iteration {kill.iteration}, on from '
                     f'{kill.resumed_from or "the start"}  left {datetime.timedelta(seconds=round(left))}')
        if training.end() != 0:
            raise ConfigError('The last run did not end well:\n' + '\n'.join(training.lines[-3:]))
        self.say(f'the killed run has ended, after {len(self.kills)} kills')

    def _follow(self, kill, training) -> None:
        """Note what the next process goes on from, as it says itself."""
        training.wait_until(lambda: training.find(r'resumed from ') or training.find(r'^training: |^iter '))
        kill.resumed_from, kill.resumed_at = training.resumed_from, training.resumed_at

    def report(self, rows: list[tuple[str, int, str]]) -> str:
        """The result as Markdown, one part of a page."""
        import torch
        args = self.args
        differ = [row for row in rows if row[2]]
        settings = ', '.join(filter(None, (
            'the demo config made small' if args.config is None else str(args.config),
            '--amp (bfloat16 on a CPU)' if args.amp else '', f'{args.processes} process' + 'es' * (args.processes > 1),
            '2 loader processes', 'dropout', 'EMA', *args.cfg_options)))
        hit = collections.Counter('a save' if 'sav' in kill.doing else kill.doing for kill in self.kills)
        moments = ['--kills', str(args.kills), '--seed', str(args.seed)]
        if args.iters_per_kill != ITERATIONS_PER_KILL:
            moments += ['--iters-per-kill', str(args.iters_per_kill)]
        lines = [
            f'## {heading(args)}', '',
            f'{len(self.kills)} kill' + 's' * (len(self.kills) > 1)
            + f' (SIGKILL to every process), {self.iterations} iterations: '
            + ('**the end is that of the uninterrupted run, bit for bit.**' if not differ else '**it differs.**'), '',
            f'Settings: {settings}; a checkpoint every {CHECKPOINT_EVERY}, a validation every {VALIDATE_EVERY}, a row '
            f'of the log every {LOG_EVERY} iterations; seed {args.seed}.', '',
            f'Machine: {usable_cores()} cores, {processor()}, torch {torch.__version__}, Python '
            f'{platform.python_version()}.',
            '', 'Hit: ' + ', '.join(f'{name} {number}' for name, number in sorted(hit.items())) + '.', '',
            f'Command: `python {MARKS} {shlex.join([*moments, *way(args)])}`', '',
            '### What was compared', '', '| | values | difference |', '|---|---:|---|',
            *(f'| {name} | {number:,} | {difference or "none"} |' for name, number, difference in rows), '',
            '### The kills', '',
            'Iteration: the last one that was logged. Repeated: iterations from the checkpoint to there.', '',
            '| | aimed at | seconds after its start | iteration | it was | went on from | repeated |',
            '|---:|---|---:|---:|---|---|---:|',
            *(f'| {number} | {kill.aim} | {kill.after:.1f} | {kill.iteration} | {kill.doing} | '
              f'{kill.resumed_from or "the start"} | {max(kill.iteration - kill.resumed_at, 0)} |'
              for number, kill in enumerate(self.kills, 1))]
        return '\n'.join(lines)


def way(args: argparse.Namespace) -> list[str]:
    """The options that say what is trained and how: they name the part of the page. When it is killed does not."""
    return [*(['--config', str(args.config)] if args.config is not None else []), *['--amp'] * args.amp,
            *(['--processes', str(args.processes)] if args.processes > 1 else []),
            *(['--cfg-options', *args.cfg_options] if args.cfg_options else [])]


def heading(args: argparse.Namespace) -> str:
    """What the part of the page is called."""
    words = ([] if args.config is None else [str(args.config)]) + [f'{args.processes} process'
                                                                   + 'es' * (args.processes > 1)]
    return ', '.join(words + ['mixed precision'] * args.amp + list(args.cfg_options))


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return str(probe.getsockname()[1])


def main(argv: Optional[Sequence[str]] = None) -> None:
    args = parse_args(argv)
    if args.kills < 1 or args.iters_per_kill < CHECKPOINT_EVERY + 1 or args.processes < 1:
        raise ConfigError(f'--kills and --processes are at least 1, --iters-per-kill at least {CHECKPOINT_EVERY + 1}.')
    if args.work_dir is not None and args.work_dir.exists() and any(args.work_dir.iterdir()):
        raise ConfigError(f'--work-dir {args.work_dir} is not empty; name a new folder.')
    if args.report is not None:
        check(args.report)
    folder = args.work_dir or Path(tempfile.mkdtemp(prefix='crash_test_'))
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    same = False
    try:
        same = crash_test(args, folder)
    finally:
        if args.work_dir is None and same:
            shutil.rmtree(folder)
        else:
            print(f'both runs and their logs: {folder}')
    if not same:
        raise SystemExit(1)


def crash_test(args: argparse.Namespace, folder: Path) -> bool:
    """Both runs and the comparison; whether they are the same."""
    from crash_test_compare import compare

    from segkit.datasets.scenes import generate
    if args.config is None:
        generate(str(folder / 'scenes'), 60, 24, (72, 110), 0)
    test = CrashTest(args, folder)
    try:
        test.uninterrupted()
        test.crashed()
    finally:
        if test.training is not None:
            test.training.kill()
    rows = compare(folder / 'uninterrupted', folder / 'killed', test.iterations)
    for name, number, difference in rows:
        test.say(f'{name}: {number:,} values, ' + (f'DIFFERENT: {difference}' if difference else 'the same'))
    if args.report is not None:
        put(args.report, shlex.join([MARKS, *way(args)]), test.report(rows), 'Crash test')
        test.say(f'report: {args.report}')
    return not any(difference for _, _, difference in rows)


if __name__ == '__main__':
    run(main)
