"""What becomes of the samples that a run skips: counted over processes and resumes, and reported."""
from pathlib import Path
from typing import Any, Optional

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop

from segkit.engine.skipped_samples import TABLE, SkippedSamples, write_table
from segkit.registry import HOOKS

STATE = 'bad_samples'  # in the message hub


@HOOKS.register_module()
class BadSamplesHook(Hook):
    """Keeps account of samples that datasets with ``bad_samples='skip'`` leave out; does nothing for others.

    A file that is skipped is said when it is first met; ``bad_samples.csv`` in the run folder (that of the test, in a
    test) lists each with its reason and how often it was met, and the last lines of a run sum it up. The account is
    kept in checkpoints, so that a resumed run goes on counting. Several processes put theirs together at logged
    iterations, at checkpoints, at validations and at the end, not in each step; so the limit of one run is that of
    all of them, and is compared there.

    Reference: none outside; MMEngine's datasets draw another sample in silence.
    """

    # Before what checkpoints (VERY_LOW) and the last lines (BELOW_NORMAL) rely on.
    priority = 'NORMAL'

    def before_run(self, runner: Any) -> None:
        """Renew the table whenever there is something new to write."""
        for ledger in _ledgers(runner):
            ledger.on_change = lambda: _write(runner)
            if ledger.files and not isinstance(runner._train_loop, BaseLoop):  # found by the check; a training writes
                _write(runner)  # its table once it is sure to begin

    def before_train(self, runner: Any) -> None:
        """Take up the account of the run that is resumed; the table of an earlier run that is not goes."""
        kept = (runner.message_hub.get_info(STATE) or {}) if runner.iter else {}
        for ledger in _ledgers(runner):
            ledger.restore({**ledger.state(), **kept.get(ledger.name, {})})
        _write(runner)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Put the processes' accounts together where the iteration is logged."""
        if runner.is_logged_iter():
            self._agree(runner)

    def before_save(self, runner: Any) -> None:
        """Put the processes' accounts together; the checkpoint hook calls this in all of them before it saves."""
        self._agree(runner)

    def _agree(self, runner: Any) -> None:
        """Put the processes' accounts together and into the log's state, which checkpoints keep.

        Raises:
            DataError: If more files were skipped than the limit allows.
        """
        ledgers = _ledgers(runner)
        for ledger in ledgers:
            ledger.agree()
        if ledgers:
            runner.message_hub.update_info(STATE, {ledger.name: ledger.state() for ledger in ledgers})

    def after_val_epoch(self, runner: Any, metrics: Optional[dict] = None) -> None:
        """Put the processes' accounts of a validation together."""
        self._agree(runner)

    def after_test_epoch(self, runner: Any, metrics: Optional[dict] = None) -> None:
        """Put the processes' accounts of a test together."""
        self._agree(runner)

    def after_run(self, runner: Any) -> None:
        """Sum up what was skipped."""
        self._agree(runner)
        told = [ledger.report() for ledger in _ledgers(runner) if any(times for _, times in ledger.files.values())]
        if told:
            runner.logger.warning(f'{"; ".join(told)}; files and reasons: {Path(runner.log_dir, TABLE)}')


def _ledgers(runner: Any) -> list[SkippedSamples]:
    """The accounts of the loops that were built."""
    loops = (runner._train_loop, runner._val_loop, runner._test_loop)
    loaders = [loop.dataloader for loop in loops if isinstance(loop, BaseLoop)]
    return [loader.skipped for loader in loaders if hasattr(loader, 'skipped')]


def _write(runner: Any) -> None:
    if not is_main_process():
        return
    path, ledgers = Path(runner.log_dir, TABLE), _ledgers(runner)
    if any(ledger.files for ledger in ledgers):
        write_table(path, ledgers)
    else:
        path.unlink(missing_ok=True)
