"""Try every source system: count it, train it, overfit a batch, evaluate it by its own protocol.

    make systems
    python tools/benchmarks/systems.py --only paper-2 --work-dir work_dirs/systems
    python tools/benchmarks/systems.py --write

Each config runs in a process of its own, whole in its network and reduced in its images; a later phase runs behind the
one it starts from. SEGKIT_DATA names a folder with VOC2012, CamVid, COCO_sample and weights; without it the systems
are tried on generated scenes. Exit status 1 if anything is not as it should be. --write makes docs/systems.md anew.
"""
import argparse
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

sys.path.insert(0, str(Path(__file__).parent))
from systems.facts import BY_NAME, ROOT, SYSTEMS, System  # noqa: E402

from segkit.apis.arguments import Parser, say  # noqa: E402
from segkit.cores import usable_cores  # noqa: E402

PAGE = ROOT / 'docs/systems.md'
MEASURED = '## Measured on real weights'
LIMIT = 1800.0  # seconds after which a process hangs


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = Parser('systems.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', choices=BY_NAME, metavar='NAME', default=list(BY_NAME),
                        help=f'these systems, and those that they start from, of {", ".join(BY_NAME)} (default: all)')
    parser.add_argument('--iterations', type=int, default=20, metavar='N',
                        help='steps of each training (default: %(default)s)')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/systems'), metavar='DIR',
                        help='where data, runs and records lie; made anew (default: %(default)s); a run takes up to '
                        '300 MB there until the phase behind it has started')
    parser.add_argument('--jobs', type=int, default=min(usable_cores(), 2), metavar='N',
                        help='processes at a time, of one thread and up to 2.5 GB each (default: %(default)s)')
    parser.add_argument('--write', action='store_true', help='write docs/systems.md (all systems only)')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


class Systems:
    """The processes, and what they found.

    Args:
        args: The command line.
        systems: Those to run, each behind the one it starts from.
        folder: Where they run.
    """

    def __init__(self, args: argparse.Namespace, systems: list[System], folder: Path) -> None:
        self.args = args
        self.waiting = list(systems)
        self.total = len(systems)
        self.folder = folder
        self.running: dict[str, tuple[subprocess.Popen, float]] = {}
        self.records: dict[str, dict[str, Any]] = {}
        self.begun = time.monotonic()

    def run(self) -> None:
        """Run all of them."""
        try:
            while self.waiting or self.running:
                for system in [one for one in self.waiting if self._ready(one)]:
                    if len(self.running) < self.args.jobs:
                        self.waiting.remove(system)
                        self._start(system)
                self._collect()
        finally:
            for process, _ in self.running.values():
                process.kill()

    def _ready(self, system: System) -> bool:
        return system.after is None or system.after in self.records

    def _start(self, system: System) -> None:
        if system.after is not None and not (self.folder / f'work_dirs/{BY_NAME[system.after].stem}').is_dir():
            self._take(system, dict(faults=[f'{system.after}, from which it starts, has left no run']))
            return
        command = [sys.executable, str(Path(__file__).parent / 'systems/side.py'), system.name,
                   '--iterations', str(self.args.iterations), '--record', str(self.record_of(system))]
        environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
        with open(self.folder / f'{system.name}.log', 'w', encoding='utf-8') as log:
            process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        self.running[system.name] = process, time.monotonic()

    def record_of(self, system: System) -> Path:
        return self.folder / f'{system.name}.json'

    def _collect(self) -> None:
        """Wait for a moment, and take the records of the processes that have ended."""
        time.sleep(0.1)
        for name, (process, started) in list(self.running.items()):
            if process.poll() is None:
                if time.monotonic() - started > LIMIT:
                    process.kill()
                continue
            del self.running[name]
            record = dict(faults=[self._ended_badly(name, process.returncode)])
            if process.returncode == 0:
                record = json.loads(self.record_of(BY_NAME[name]).read_text())
            self._take(BY_NAME[name], record)

    def _ended_badly(self, name: str, status: int) -> str:
        said = (self.folder / f'{name}.log').read_text(errors='replace').strip().splitlines()
        return f'ended with status {status}: {said[-1][:300] if said else "it said nothing"}'

    def _take(self, system: System, record: dict[str, Any]) -> None:
        self.records[system.name] = record
        passed, waiting = time.monotonic() - self.begun, self.waiting + [BY_NAME[name] for name in self.running]
        done = sum(map(share_of, map(BY_NAME.get, self.records)))
        left = datetime.timedelta(seconds=round(passed / done * sum(map(share_of, waiting))))
        say(f'{datetime.timedelta(seconds=round(passed))}  {len(self.records)}/{self.total}  '
            + line_of(system, record) + (f'  left about {left}' if waiting else ''))
        for fault in record['faults']:
            say(f'    {system.name}: {fault}')
        self._tidy(system)

    def _tidy(self, system: System) -> None:
        """Remove weights that no system that is still to come starts from."""
        for one in filter(None, (system.name, system.after)):
            if not any(other.after == one for other in self.waiting) and one not in self.running:
                for file in [*(self.folder / f'work_dirs/{BY_NAME[one].stem}').glob('*.pth'),
                             self.folder / f'{one}.pth']:
                    file.unlink(missing_ok=True)


def share_of(system: System) -> float:
    """How long a system takes, in trainings."""
    return 0.05 if system.recipe is None else 1


def line_of(system: System, record: dict[str, Any]) -> str:
    """What was found about a system, in one line."""
    state = f'{len(record["faults"])} faults' if record['faults'] else 'ok'
    text = f'{system.name:<24} {state:<9}'
    if 'parameters' in record:
        text += f'{record["parameters"]:>12,} parameters'
    if 'evaluation' in record:
        text += f'  loss {record["losses"][0]:.3f} -> {record["losses"][1]:.3f}'
        if 'overfit' in record:
            text += ', one batch {:.3f} -> {:.3f}'.format(*record['overfit']['losses'])
        text += f', {record["evaluation"]["pixels"]:,} pixels, {record["seconds"]:.0f} s, {record["memory_mb"]:,.0f} MB'
    return text


def chosen(names: Sequence[str]) -> list[System]:
    """The systems of these names and those that they start from, in the table's order."""
    wanted = set(names)
    for system in reversed(SYSTEMS):  # a phase stands behind the one it starts from
        if system.name in wanted and system.after is not None:
            wanted.add(system.after)
    return [system for system in SYSTEMS if system.name in wanted]


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Try them, say what was found, write the page.

    Raises:
        ConfigError: If arguments do not go together, or a protocol card is not whole.
        SystemExit: Status 1 if anything is not as it should be.
    """
    args = parse_args(argv)
    from systems import data, report

    from segkit.errors import ConfigError
    if args.iterations < 2 or args.jobs < 1:
        raise ConfigError(f'--iterations is at least 2 and --jobs at least 1; got {args.iterations} and {args.jobs}.')
    systems = chosen(args.only)
    if args.write and len(systems) < len(SYSTEMS):
        raise ConfigError('--write makes the page of all systems; leave --only out.')
    report.cards()  # a card that is not whole is said before anything runs
    measured = report.section(PAGE.read_text(), MEASURED) if args.write else ''
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # processes are ended then too
    folder = emptied(args.work_dir)
    pack = data.pack_of_environment()
    words = data.prepare(folder, pack)
    say(f'{len(systems)} configs, {args.jobs} at a time, on {words}')
    if pack is None:
        say('SEGKIT_DATA is not set: no real photo and no real weights are used')
    run = Systems(args, systems, folder)
    run.run()
    if args.write:
        from systems import overfit
        minutes = round((time.monotonic() - run.begun) / 60)
        facts = dict(data=words, jobs=args.jobs, minutes=minutes, steps=args.iterations,
                     overfit=overfit.STEPS, overfit_most=overfit.STEPS * overfit.ROUNDS)
        PAGE.write_text(report.page(run.records, facts, measured))
        say(f'written: {PAGE.relative_to(ROOT)}')
    faults = sum(bool(record['faults']) for record in run.records.values())
    say(f'{len(systems) - faults} of {len(systems)} are as they should be; logs and records: {args.work_dir}')
    if faults:
        raise SystemExit(1)


def emptied(folder: Path) -> Path:
    """The folder, without what an earlier run left; one that holds something else is refused.

    Raises:
        ConfigError: If there is something else in it.
    """
    from segkit.errors import ConfigError
    mark = folder / '.systems'
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise ConfigError(f'--work-dir {folder} holds something else; name a new folder.')
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()
    return folder.resolve()


if __name__ == '__main__':
    from segkit.apis.cli import run
    run(main)
