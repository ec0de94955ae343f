"""``train.py --dry-run``: everything a training does, once, before hours are spent on it."""
import gc
import hashlib
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn, Optional

import torch
from mmengine.config import Config
from mmengine.dist import all_reduce, barrier, broadcast_object_list
from mmengine.hooks import Hook
from torch import Tensor

from segkit.apis import dry_run_report as report
from segkit.apis.dry_run_estimate import Measured, estimate, measure
from segkit.apis.dry_run_facts import Seen, facts_of
from segkit.checkpoint import remove
from segkit.datasets.leaves import leaves
from segkit.engine import class_weights, recipe, run_state
from segkit.engine.dry_runner import DryRunner, OneBatch, local_config
from segkit.engine.environment import leave_process_group
from segkit.engine.hooks.progress_hook import memory
from segkit.engine.hooks.runtime_info_hook import RuntimeInfoHook
from segkit.engine.last_checkpoint import find_last_checkpoint, is_run_folder
from segkit.engine.loops.iter_based_train_loop import batches_from
from segkit.engine.shape_trace import watch_model, watch_pipelines
from segkit.engine.small_batch import shrunk
from segkit.engine.stop_request import typed_words
from segkit.errors import ConfigError, SegkitError
from segkit.launchers import number_of_processes

MOST_ACCUMULATED = 2  # batches of one update; more of them show nothing new


class _Outputs(Hook):
    """Keeps what the last step and the last evaluated batch gave."""

    priority = 'LOWEST'

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.losses = {name: value.detach() for name, value in (outputs or {}).items()}

    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.predictions = outputs


def dry_run(cfg: Config, say: Callable[[str], None], size: Optional[str] = None) -> None:
    """Do once what a training does, say what it looks like, and leave nothing behind.

    Built as in a run are the datasets (with the look at their files), the model and its start, the optimizer, the
    schedules, the hooks and the metric. Then come one update, one validation batch, a checkpoint, a second runner
    that goes on from it, and its first update. On CUDA that is done at the real size, so that too little memory shows;
    on a CPU with at most two images of about 129 x 129 pixels, and time and memory of the real size are estimated (see
    :mod:`segkit.apis.dry_run_estimate`). Files go to a temporary folder that is removed at the end (``TMPDIR`` says
    where it lies); nothing is written to the run folder and nothing is downloaded.

    Args:
        cfg: The config of the training, as train.py would run it.
        say: Prints a line, in the first process.
        size: 'full', 'reduced', or None for full on CUDA and reduced on a CPU.

    Raises:
        SegkitError: The error that the training would end with; or that a resumed run is not the one that was saved.
    """
    started = time.perf_counter()
    reduced = size == 'reduced' or (size is None and not torch.cuda.is_available())
    processes = number_of_processes(cfg.get('launcher', 'none'))
    settled, lines = recipe.settled(cfg, processes)
    for line in filter(None, [*lines, recipe.difference(settled, processes)]):
        say(line)
    settled.model, places = class_weights.without(settled.model)
    if places:
        say(f'{", ".join(places)}: class_weight is counted from all masks when the training starts; the dry run has '
            'none')
    if settled.get('resume') and (settled.get('load_from') is None or is_run_folder(settled.load_from)):
        settled.load_from = find_last_checkpoint(settled.work_dir)
    with _ended_by_signals(), TemporaryDirectory(prefix='segkit-dry-run-') as folder:
        say(report.opening(reduced))
        run = _DryRun(settled, Path(folder), say, reduced, started)
        run.first()
        run.second()
        leave_process_group()
        if int(os.environ.get('RANK', 0)) == 0:
            run.close()


class _DryRun:
    """The two runners of a dry run and what was seen of them."""

    def __init__(self, cfg: Config, folder: Path, say: Callable[[str], None], reduced: bool, started: float) -> None:
        self.real, self.folder, self.say, self.reduced, self.started = cfg, folder, say, reduced, started
        self.cfg = local_config(cfg, folder)
        counts = self.cfg.optim_wrapper.get('accumulative_counts', 1)
        if counts > MOST_ACCUMULATED and not cfg.get('resume'):  # a checkpoint wants its own total batch
            self.cfg.optim_wrapper.accumulative_counts = MOST_ACCUMULATED
        self.counts = self.cfg.optim_wrapper.get('accumulative_counts', 1)
        self.process_bytes = memory() * 2**20 if not torch.cuda.is_available() else 0.0
        self.measured: Optional[Measured] = None

    def first(self) -> None:
        """Build a runner; take one update, one validation batch and a checkpoint."""
        runner = DryRunner.from_cfg(self.cfg)
        runner.walk = self._first_walk
        runner.train()
        del runner
        _free()

    def _first_walk(self, runner: DryRunner) -> None:
        loop, model = runner.train_loop, run_state.bare(runner.model)
        for line in (*report.recipe(self.real, runner, self.counts), *report.parts(model),
                     *report.absent(runner.absent), *report.rates(runner)):
            self.say(line)
        outputs = _Outputs()
        runner.register_hook(outputs)
        runner.call_hook('before_train')
        runner.call_hook('before_train_epoch')
        runner.model.train()
        batches = batches_from(loop.dataloader, loop.iter, runner.world_size)
        began = time.perf_counter()
        with watch_pipelines(leaves(loop.dataloader.dataset)) as pipeline:
            batch = next(batches)
        self.read_seconds = time.perf_counter() - began
        with watch_model(model) as stairs:
            self._update(runner, batch, batches)
        _refuse_infinite(runner)
        self.seen = Seen(pipeline, batch, stairs, outputs.losses)
        if runner.val_loop is not None:
            self._validate(runner, outputs)
        runner.call_hook('after_train_epoch')
        runner.call_hook('after_train')  # which saves
        self._save(runner)
        self.facts = facts_of(runner, self.real, self.path)
        self.metrics = runner.val_loop.evaluator.metrics if runner.val_loop is not None else []
        self.state = _digest(runner)

    def _update(self, runner: DryRunner, batch: dict, batches: Iterator[dict]) -> None:
        """Train until the optimizer has stepped."""
        for i in range(self.counts):
            with self._sized(runner, batch if i == 0 else next(batches), training=True) as small:
                self._iterate(runner, small)

    @contextmanager
    def _sized(self, runner: DryRunner, batch: dict, training: bool) -> Iterator[dict]:
        if not self.reduced:
            yield batch
            return
        with shrunk(run_state.bare(runner.model), batch, training) as small:
            yield small

    @staticmethod
    def _iterate(runner: DryRunner, batch: dict) -> None:
        loop = runner.train_loop
        if loop.run_iter.__code__.co_argcount > 2:  # MMEngine's epoch loop wants the number of the batch too
            loop.run_iter(loop.iter, batch)
        else:
            loop.run_iter(batch)

    def _validate(self, runner: DryRunner, outputs: _Outputs) -> None:
        loop, model = runner.val_loop, run_state.bare(runner.model)
        loader, found = loop.dataloader, []
        with watch_pipelines(leaves(loader.dataset)) as pipeline:
            batch = next((one for one in loader if one), None)
        total = torch.tensor(len(batch['data_samples']) if batch else 0)
        if batch is None:
            all_reduce(total)
            loop.dataloader = OneBatch(loader, [], int(total))
            loop.run()
        else:
            with self._sized(runner, batch, training=False) as small, watch_model(model) as found:
                total = torch.tensor(len(small['data_samples']))
                all_reduce(total)
                loop.dataloader = OneBatch(loader, [small], int(total))
                loop.run()
            self.seen.validation = (pipeline, batch, found, outputs.predictions)
        loop.dataloader = loader
        runner.model.train()

    def _save(self, runner: DryRunner) -> None:
        """Find the checkpoint that the hooks saved; save one where none of them does."""
        found = [None]
        try:
            found = [find_last_checkpoint(str(self.folder))]
        except ConfigError:
            pass
        broadcast_object_list(found)
        if found[0] is None:
            name = f'iter_{runner.iter}.pth'
            runner.save_checkpoint(str(self.folder), name, by_epoch=False,
                                   meta=dict(epoch=runner.epoch, iter=runner.iter))
            found = [str(self.folder / name)]
            broadcast_object_list(found)
        self.path, self.saved_at = Path(found[0]), runner.iter

    def second(self) -> None:
        """Build another runner, go on from the checkpoint, and take the next update; measure a few more."""
        everywhere = torch.tensor(int(self.path.is_file()))
        all_reduce(everywhere)
        if int(everywhere) < number_of_processes(self.cfg.get('launcher', 'none')):
            raise SegkitError(f'dry run: not every process sees {self.path.parent}, so the resume cannot be tried.\n'
                              'Set TMPDIR to a folder that all machines share.')
        cfg = self.cfg.copy()
        cfg.resume, cfg.load_from = True, str(self.path)
        runner = DryRunner.from_cfg(cfg)
        runner.walk = self._second_walk
        runner.train()
        del runner
        _free()

    def _second_walk(self, runner: DryRunner) -> None:
        loop = runner.train_loop
        runner.call_hook('before_train')
        runner.call_hook('before_train_epoch')
        runner.model.train()
        here = dict(iterations=loop.iter, **_digest(runner))
        there = dict(iterations=self.saved_at, **self.state)
        for what, value in there.items():
            if here[what] != value:
                numbers = f': {here[what]} instead of {value}' if what == 'iterations' else ''
                raise SegkitError(f'dry run: a resumed run has other {what} than were saved{numbers}.\nA hook, a '
                                  'wrapper or a module of your own keeps state that no checkpoint holds.')
        barrier()
        for file in self.folder.glob('*.pth'):  # all have read it, and no message is to send a user to it
            remove(file)
        batches = batches_from(loop.dataloader, loop.iter, runner.world_size)
        began = time.perf_counter()
        batch = next(batches)
        self.read_seconds = min(self.read_seconds, time.perf_counter() - began)
        self._update(runner, batch, batches)
        _refuse_infinite(runner)
        self.measured = measure(runner, batch, self.reduced, self.started)

    def close(self) -> None:
        """Say what was seen, estimate what was not, and end."""
        costs = estimate(self.real, self.measured, self.facts, self.process_bytes, self.read_seconds)
        for line in (*report.staircase(self.seen, costs.stairs, self.reduced),
                     *report.validation(self.seen, self.metrics), *report.data(self.seen, self.facts),
                     *report.costs(costs, self.facts), *report.disk(self.facts)):
            self.say(line)
        self.say(f'dry run ok in {time.perf_counter() - self.started:.0f} s; nothing was kept. The run:')
        self.say(f'  {real_command()}')


def real_command() -> str:
    """The command line without what makes it a dry run."""
    words = typed_words() or ['python', *sys.argv]
    kept = [word for before, word in zip(['', *words], words)
            if word != '--dry-run' and not word.startswith('--dry-run-size') and before != '--dry-run-size']
    return shlex.join(kept)


def _refuse_infinite(runner: DryRunner) -> None:
    """Raise what a run would raise of a loss that is not finite, at its first logged iteration."""
    for hook in runner.hooks:
        if isinstance(hook, RuntimeInfoHook):
            hook.record(runner)


def _digest(runner: DryRunner) -> dict[str, str]:
    """Fingerprints of what a resumed run has to take over."""
    return {'weights': _fingerprint(run_state.bare(runner.model).state_dict()),
            'optimizer state': _fingerprint(runner.optim_wrapper.state_dict())}


def _fingerprint(state: Any) -> str:
    digest = hashlib.blake2b()

    def add(value: Any) -> None:
        if isinstance(value, Tensor):
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        elif isinstance(value, dict):
            for key in value:
                digest.update(str(key).encode())
                add(value[key])
        elif isinstance(value, (list, tuple)):
            for one in value:
                add(one)
        else:
            digest.update(repr(value).encode())
    add(state)
    return digest.hexdigest()


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM end the process in order, as Ctrl-C does, so that the temporary folder goes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: Any) -> NoReturn:
        raise SystemExit(128 + number)
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
