"""How far a run is, in one line."""
import datetime
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any, Optional

import torch
from mmengine.dist import broadcast_object_list, master_only
from mmengine.hooks import Hook

from segkit.engine.run_folder import write_bytes
from segkit.engine.run_state import bare, interval_numbers
from segkit.errors import ConfigError
from segkit.registry import HOOKS

REDRAW_SECONDS = 0.2
SILENT_SECONDS = 10.0  # of an evaluation; then a line is due whatever the interval


@HOOKS.register_module(name=['ProgressHook', 'LoggerHook'])
class ProgressHook(Hook):
    """Says how long the run still takes, how fast it is, how much of the time it waits for data, and how it learns.

    On a terminal the line is rewritten in place; elsewhere one plain line is written per interval. The same line
    goes to the log file, and the numbers go to the visualizer's backends (vis_data/scalars.json, TensorBoard).
    The model computes its accuracy only at the iterations that are logged.

    Reference: takes the place of MMEngine's LoggerHook, under whose name configs know it. That one's time left
    leaves out the validations, and its lines have no end.

    Args:
        interval: Iterations between logged ones.
        log_metric_by_epoch: Whether a validation's scores are put at the epoch, not at the iteration.

    Raises:
        ConfigError: If ``interval`` is no whole number above 0.
    """

    priority = 'BELOW_NORMAL'

    def __init__(self, interval: int = 50, log_metric_by_epoch: bool = False) -> None:
        if not isinstance(interval, int) or interval < 1:
            raise ConfigError(f'default_hooks.logger.interval: expected iterations, at least 1, got {interval!r}.')
        self.interval = interval
        self.log_metric_by_epoch = log_metric_by_epoch
        self._validation_seconds = 0.0
        self._seconds_per_iter: Optional[float] = None
        self._learning = ''
        self._end = ''  # the last line of the run
        self._scored: tuple[dict[str, float], int] = {}, 0  # what the last validation gave, and where

    # -- training ------------------------------------------------------------------------------------------------

    def before_train(self, runner: Any) -> None:
        """Start the clock; leave out of scalars.json what was written behind the iteration that is gone on from."""
        runner.log_interval = self.interval
        self._run_start = time.perf_counter()
        told = [_forget_later(Path(runner.log_dir, 'vis_data', 'scalars.json'), runner.iter)]
        broadcast_object_list(told)  # all processes have to agree whether a validation is missing
        runner.validated_at = runner.iter if told[0] else None
        runner.validated_scores = told[0] or {}
        self._restart(runner)
        self._redrawn = 0.0

    def _restart(self, runner: Any) -> None:
        """Begin a new stretch of iterations to measure."""
        self._start = self._mark = time.perf_counter()
        self._start_iter = runner.iter
        self._waited = 0.0

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Optional[dict] = None) -> None:
        """Note how long the batch was waited for; tell the model whether to compute its accuracy."""
        self._waited += time.perf_counter() - self._mark
        model = bare(runner.model)
        if hasattr(model, 'log_accuracy'):
            model.log_accuracy = runner.is_logged_iter()

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Log the iteration, if it is one to log."""
        self._mark = time.perf_counter()
        if not runner.is_logged_iter():
            if self._mark - self._redrawn > REDRAW_SECONDS and runner.console.terminal:
                self._redrawn = self._mark
                runner.console.live(self._line(runner, self._seconds_per_iter or self._measured(runner)))
            return
        before, measured = self._seconds_per_iter, self._measured(runner)
        self._seconds_per_iter = measured if before is None else 0.7 * before + 0.3 * measured
        tag, _ = runner.log_processor.get_log_after_iter(runner, batch_idx, 'train')
        tag = {**{name: float(value) for name, value in tag.items()}, **interval_numbers(runner)}
        share = self._waited / max(self._mark - self._start, 1e-9)
        rates = sorted({group['lr'] for group in runner.optim_wrapper.param_groups})
        accuracy = next((f'  acc {value:.1f}' for name, value in tag.items() if name.endswith('acc_seg')), '')
        best = runner.message_hub.runtime_info.get('best_score')
        name = runner.message_hub.runtime_info.get('best_name', 'mIoU')
        # What matters most comes first: a narrow terminal cuts the line off at the right.
        self._learning = (f'  data {share:.0%}  loss {tag.get("loss", float("nan")):.4f}'
                          f'  best {name} {"-" if best is None else _score(name, best)}'
                          f'  lr {"/".join(f"{rate:.3g}" for rate in rates[:4])}{accuracy}')
        last = runner.iter + 1 == runner.max_iters
        runner.logger.info(self._line(runner, measured), extra=dict(live=not last))
        runner.visualizer.add_scalars({**tag, 'memory': memory(), 'data_share': share}, step=runner.iter + 1)
        self._restart(runner)
        self._start_iter += 1  # this iteration has been counted; the loop counts it after the hooks

    def _measured(self, runner: Any) -> float:
        """Seconds per iteration since the last logged one."""
        return (self._mark - self._start) / (runner.iter + 1 - self._start_iter)

    def _line(self, runner: Any, seconds: float) -> str:
        return (f'iter {runner.iter + 1}/{runner.max_iters}  left {duration(self._left(runner, seconds))}'
                f'  {rate(seconds)} it/s{self._learning}  mem {memory():.0f} MB')

    def _left(self, runner: Any, seconds: float) -> float:
        """Seconds to the end of the run, validations included, at ``seconds`` per iteration."""
        left = (runner.max_iters - runner.iter - 1) * (self._seconds_per_iter or seconds)
        if runner.val_loop is not None:
            done, total = ((runner.epoch, runner.max_epochs) if runner.max_epochs > 1 else
                           (runner.iter, runner.max_iters))
            interval = runner.val_interval
            left += self._validation_seconds * (-(-total // interval) - done // interval)
        return left

    # -- validation and test -------------------------------------------------------------------------------------

    def before_val(self, runner: Any) -> None:
        """Start the clock of a validation."""
        self._evaluation_start = self._redrawn = self._said = time.perf_counter()

    before_test = before_val

    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Optional[dict] = None,
                       outputs: Optional[list] = None) -> None:
        """Say how far the validation is."""
        self._evaluation_line(runner, batch_idx, runner.val_dataloader, 'validation')

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Optional[dict] = None,
                        outputs: Optional[list] = None) -> None:
        """Say how far the test is."""
        self._evaluation_line(runner, batch_idx, runner.test_dataloader, 'test')

    def _evaluation_line(self, runner: Any, batch_idx: int, loader: Any, name: str) -> None:
        now, done, total = time.perf_counter(), batch_idx + 1, len(loader)
        logged = done < total and (done % self.interval == 0 or now - self._said >= SILENT_SECONDS)
        if not logged and (now - self._redrawn < REDRAW_SECONDS or not runner.console.terminal):
            return
        self._redrawn = now
        self._said = now if logged else self._said
        seconds = (now - self._evaluation_start) / done
        text = (f'{name} {done}/{total} batches  left {duration((total - done) * seconds)}  {rate(seconds)} it/s'
                f'  mem {memory():.0f} MB')
        if logged:
            runner.logger.info(text, extra=dict(live=True))
        else:
            runner.console.live(text)

    def after_val_epoch(self, runner: Any, metrics: Optional[dict[str, float]] = None) -> None:
        """Say the scores and give them to the backends."""
        metrics = {k: float(v) for k, v in (metrics or {}).items()}
        training = not isinstance(runner._train_loop, dict) and runner._train_loop is not None
        step = 0 if not training else runner.epoch if self.log_metric_by_epoch else runner.iter
        taken = time.perf_counter() - self._evaluation_start
        where = f'validation at {"epoch" if self.log_metric_by_epoch else "iter"} {step}' if training else 'validation'
        runner.logger.info(f'{where}: {scores(metrics)}  ({images(runner.val_dataloader)} in '
                           f'{duration(taken)})')
        runner.validated_at = runner.iter if training else None
        self._scored = metrics, step

    def after_val(self, runner: Any) -> None:
        """Give the scores to the backends, and take the validation out of the training's clock."""
        # Not before every hook is through with the scores: a validation whose scores are on record is not done again
        # when a killed run goes on, and its best weights and its row of metrics.csv have to be there.
        metrics, step = self._scored
        if metrics:
            runner.visualizer.add_scalars(metrics, step=step)
        self._validation_seconds = time.perf_counter() - self._evaluation_start
        if not isinstance(runner._train_loop, dict) and runner._train_loop is not None and hasattr(self, '_mark'):
            self._restart(runner)

    @master_only
    def after_test_epoch(self, runner: Any, metrics: Optional[dict[str, float]] = None) -> None:
        """Say the scores and write them to metrics.json in the folder of the test."""
        metrics = {k: float(v) for k, v in (metrics or {}).items()}
        taken = time.perf_counter() - self._evaluation_start
        runner.logger.info(f'test: {scores(metrics)}  ({images(runner.test_dataloader)} in '
                           f'{duration(taken)})')
        folder = Path(runner.test_dir)
        folder.mkdir(exist_ok=True)
        self._end = f'tables and pictures of the test: {folder}'
        (folder / 'metrics.json').write_text(json.dumps(metrics, indent=1))

    def after_train(self, runner: Any) -> None:
        """Put together what the last line says."""
        info = runner.message_hub.runtime_info
        best = info.get('best_score')
        name = info.get('best_name', 'mIoU')
        at = '' if info.get('best_iter') is None else f' at iter {info["best_iter"]}'
        self._end = (f'done: {runner.iter} iterations, {duration(time.perf_counter() - self._run_start)}'
                     + ('' if best is None else f', best {name} {_score(name, best)}{at}: {info.get("best_path", "")}')
                     + f'\ntables and pictures: {runner.work_dir}')

    def after_run(self, runner: Any) -> None:
        """Say where everything is, and close the backends."""
        if self._end:
            runner.logger.info(self._end)
            self._end = ''
        runner.visualizer.close()


@master_only
def _forget_later(path: Path, iteration: int) -> Optional[dict[str, float]]:
    """Drop the rows of an earlier run, or of what a killed run did after its last checkpoint.

    Returns:
        The scores of the validation at ``iteration``, if the rows that are left hold one.
    """
    if not path.is_file():
        return None
    kept = []
    for row in path.read_text(errors='replace').splitlines(keepends=True) if iteration else ():
        try:
            values = json.loads(row)
        except ValueError:  # half a row, or what a power cut left of one
            continue
        if isinstance(values, dict) and row.endswith('\n') and values.get('step', 0) <= iteration:
            kept.append((row, values))
    write_bytes(path, ''.join(row for row, _ in kept).encode())
    return next((values for _, values in kept if values.get('step') == iteration and 'loss' not in values), None)


def scores(metrics: dict[str, float]) -> str:
    """The first scores of a validation in words, mIoU before the others, and the validation loss."""
    first = sorted((name for name in metrics if 'loss' not in name), key=lambda name: name != 'mIoU')[:4]
    first += ['val/loss'] if 'val/loss' in metrics else []
    return '  '.join(f'{name} {_score(name, metrics[name])}' for name in first) or 'no scores'


def _score(name: str, value: float) -> str:
    return f'{value:.4f}' if 'loss' in name else f'{value:.2f}'


def images(loader: Any) -> str:
    """How many images an evaluation saw, in words, without those that all processes skipped."""
    total, skipped = len(loader.dataset), getattr(getattr(loader, 'skipped', None), 'skipped_in_pass', 0)
    return f'{total - skipped} of {total} images' if skipped else f'{total} images'


def duration(seconds: float) -> str:
    """h:mm:ss."""
    return str(datetime.timedelta(seconds=round(seconds)))


def rate(seconds: float) -> str:
    """Iterations per second, from the seconds of one."""
    speed = 1 / max(seconds, 1e-9)
    return f'{speed:.2f}' if speed < 10 else f'{speed:.0f}'


def memory() -> float:
    """The most memory used so far, in MB: of the GPU, or of this process where there is none."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == 'darwin' else 2**10)
