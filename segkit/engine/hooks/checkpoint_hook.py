"""Saves what a run can go on from, and its best weights."""
import itertools
import math
import os
from pathlib import Path
from typing import Any, Optional, Union

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from segkit import checkpoint as files
from segkit.engine.hooks.runtime_info_hook import RuntimeInfoHook
from segkit.engine.stop_request import may_stop
from segkit.errors import CheckpointError, ConfigError
from segkit.registry import HOOKS

BEST = ('best_name', 'best_score', 'best_iter', 'best_path')  # in the message hub
GREATER = ('acc', 'iou', 'dice', 'fscore', 'precision', 'recall')
EARLIER = 'earlier'  # where a run that starts anew puts the checkpoints it finds
LESS = ('loss', 'error')  # looked for first: val/decode.loss_dice is a loss


@HOOKS.register_module()
class CheckpointHook(Hook):
    """Saves a checkpoint every so often and the weights of the best validation.

    Reference: MMEngine's hook of this name, whose arguments it takes where a local folder is written to. Different
    from it: at most two full checkpoints are kept unless asked otherwise, the best weights lie in ``best_mIoU.pth``
    without optimizer state, and an old checkpoint is removed after the new one was written, not before. Where
    gradients are gathered over several iterations, a checkpoint that falls between two updates is written at the next
    update, with the number of that iteration. A training stopped by a signal within an epoch is in ``iter_N.pth``, and
    what is saved then can be gone on from whatever ``save_optimizer`` and ``save_param_scheduler`` say.

    Args:
        interval: Epochs or iterations between checkpoints; -1 saves only the last one.
        by_epoch: Whether ``interval`` counts epochs.
        save_optimizer: Whether to keep what a run needs to go on.
        save_param_scheduler: Whether to keep the state of the learning-rate schedules.
        out_dir: A folder in which the run gets one of its own; None saves in the run folder.
        max_keep_ckpts: How many full checkpoints to keep, the newest ones; -1 keeps all.
        save_last: Whether the end of the training is saved whatever the interval.
        save_best: The score, or scores, whose best weights to keep; 'auto' takes the first score; None keeps none.
        rule: 'greater' or 'less' is better, for each score; None decides by the score's name.
        filename_tmpl: The name of a full checkpoint with one '{}' for the number; None takes iter_{} or epoch_{}.
        save_begin: The first epoch or iteration that may be saved.

    Raises:
        ConfigError: If a rule is unknown or cannot be told from the name, or a score is not among the validation's.
        SegkitError: Where something would be saved after a loss or weights that are not finite.
    """

    priority = 'VERY_LOW'

    def __init__(self,
                 interval: int = -1,
                 by_epoch: bool = True,
                 save_optimizer: bool = True,
                 save_param_scheduler: bool = True,
                 out_dir: Union[str, Path, None] = None,
                 max_keep_ckpts: int = 2,
                 save_last: bool = True,
                 save_best: Union[str, list[str], None] = 'mIoU',
                 rule: Union[str, list[str], None] = None,
                 filename_tmpl: Optional[str] = None,
                 save_begin: int = 0) -> None:
        if interval == 0:
            raise ConfigError('default_hooks.checkpoint.interval: expected at least 1, or -1 for the last one alone; '
                              'got 0.')
        self.interval = interval
        self.by_epoch = by_epoch
        self.save_optimizer = save_optimizer
        self.save_param_scheduler = save_param_scheduler
        self.out_dir = out_dir
        self.max_keep_ckpts = max_keep_ckpts
        self.save_last = save_last
        self.scores = [save_best] if isinstance(save_best, str) else list(save_best or [])
        rules = rule if isinstance(rule, (list, tuple)) else [rule] * len(self.scores)
        if len(rules) != len(self.scores):
            raise ConfigError(f'default_hooks.checkpoint: {len(rules)} entries of rule for {len(self.scores)} of '
                              'save_best.')
        self.rules = {name: _rule(name, r) for name, r in zip(self.scores, rules)}
        self.filename_tmpl = filename_tmpl or ('epoch_{}.pth' if by_epoch else 'iter_{}.pth')
        self.save_begin = save_begin
        self.best: dict[str, float] = {}
        self._due = False  # whether a checkpoint waits for the optimizer's next update
        # Iteration and file of the state last saved or gone on from, and whether all is in it.
        self._latest: Optional[tuple[int, str, bool]] = None

    def before_train(self, runner: Any) -> None:
        """Find the folder; in a resumed run also the best scores so far and the checkpoints to count."""
        self._folder = runner.work_dir
        if self.out_dir is not None:
            self._folder = os.path.join(self.out_dir, os.path.basename(runner.work_dir.rstrip(os.sep)))
        kept = list(runner.message_hub.get_info('keep_ckpt_ids') or []) if runner.iter else []
        # MMEngine keeps the numbers alone.
        self._kept = [name if isinstance(name, str) else self.filename_tmpl.format(name) for name in kept]
        self._due, self._latest = False, None
        source = getattr(runner, '_load_from', None)
        if runner.iter and source and os.path.realpath(os.path.dirname(source)) == os.path.realpath(self._folder):
            self._latest = runner.iter, source, True
        if runner.iter:  # the best weights are those that lie here, whatever the log of the checkpoint says
            for key in BEST:
                runner.message_hub.runtime_info.pop(key, None)
        if runner.iter and is_main_process():
            for path in Path(self._folder).glob('best_*.pth'):
                try:
                    meta = files.load_file(path).get('meta', {})
                except CheckpointError as error:
                    runner.logger.warning(f'{error}\nThe next validation writes it anew.')
                    continue
                if 'best_name' in meta:
                    self._note(runner, meta['best_name'], meta['best_score'], meta.get('iter'), path)
        if not runner.iter and is_main_process():
            self._put_aside(runner)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Optional[dict] = None,
                         outputs: Optional[dict] = None) -> None:
        """Save where iterations are counted and this is one to save, or where a checkpoint waits for this update."""
        if not self.by_epoch and (self.every_n_train_iters(runner, self.interval, self.save_begin)
                                  or (self.save_last and self.is_last_train_iter(runner))):
            self._due = True
        if self._due and may_stop(runner.optim_wrapper):
            self._save_iteration(runner, runner.iter + 1)

    def after_train_epoch(self, runner: Any) -> None:
        """Save where epochs are counted and this is one to save."""
        if self.by_epoch and (self.every_n_epochs(runner, self.interval, self.save_begin)
                              or (self.save_last and self.is_last_train_epoch(runner))):
            if may_stop(runner.optim_wrapper):
                self._save(runner, self.filename_tmpl.format(runner.epoch + 1), runner.epoch + 1, runner.iter)
            else:
                self._due = True

    def after_stop(self, runner: Any) -> None:
        """Save what a signal stops, unless it is in a file already, and tell where it is."""
        if runner.iter and (self._latest is None or self._latest[0] != runner.iter or not self._latest[2]):
            self._save_iteration(runner, runner.iter, whole=True)
        runner.stop_request.saved = self._latest[1] if self._latest else None

    def after_train(self, runner: Any) -> None:
        """Save the end of a training that was ended early."""
        if self.save_last and runner.iter and (self._latest is None or self._latest[0] != runner.iter):
            if self.by_epoch and runner.epoch:
                self._save(runner, self.filename_tmpl.format(runner.epoch), runner.epoch, runner.iter)
            else:
                self._save_iteration(runner, runner.iter)

    def after_val_epoch(self, runner: Any, metrics: Optional[dict[str, float]] = None) -> None:
        """Save the weights where a score is the best so far."""
        if not metrics or not hasattr(self, '_folder'):  # not in a training
            return
        for name in self.scores:
            rule = self.rules[name]
            if name == 'auto':
                name = next(iter(metrics))
                rule = _rule(name, rule)
            if name not in metrics:
                raise ConfigError(f'default_hooks.checkpoint.save_best={name!r} is not a score of the validation.\n'
                                  f'Its scores: {", ".join(metrics)}.')
            score, best = float(metrics[name]), self.best.get(name)
            if math.isnan(score) or (best is not None and (score <= best if rule == 'greater' else score >= best)):
                continue
            self._note(runner, name, score, runner.iter, Path(self._folder, f'best_{name.replace("/", "_")}.pth'))
            meta = dict(epoch=runner.epoch, iter=runner.iter, best_name=name, best_score=score,
                        metrics={k: float(v) for k, v in metrics.items()})
            runner.save_checkpoint(self._folder, f'best_{name.replace("/", "_")}.pth', save_optimizer=False,
                                   save_param_scheduler=False, meta=meta, by_epoch=False)

    def _put_aside(self, runner: Any) -> None:
        """Move the checkpoints of an earlier run to ``earlier/``, so that nothing takes them for this run's."""
        old = [path for pattern in ('iter_*.pth', 'epoch_*.pth', 'best_*.pth') for path in
               Path(self._folder).glob(pattern)]
        old = [path for path in (*old, Path(runner.work_dir, 'last_checkpoint')) if path.is_file()]
        names = (EARLIER if number == 1 else f'{EARLIER}_{number}' for number in itertools.count(1))
        aside = next(name for name in names if not any((path.parent / name).exists() for path in old))
        for path in old:  # into a folder of their own: what a start before that one moved aside stays
            files.move(path, path.parent / aside)

    def _note(self, runner: Any, name: str, score: float, iteration: Optional[int], path: Path) -> None:
        self.best[name] = score
        if name == self.scores[0] or self.scores[0] == 'auto':
            runner.message_hub.update_info_dict(
                dict(best_name=name, best_score=score, best_iter=iteration, best_path=str(path)))

    def _save_iteration(self, runner: Any, number: int, whole: bool = False) -> None:
        """Save after ``number`` iterations, which may be within an epoch."""
        name = 'iter_{}.pth' if self.by_epoch else self.filename_tmpl
        self._save(runner, name.format(number), runner.epoch, number, whole)

    def _save(self, runner: Any, name: str, epochs: int, iterations: int, whole: bool = False) -> None:
        optimizer, schedulers = self.save_optimizer or whole, self.save_param_scheduler or whole
        for hook in runner.hooks:
            if hasattr(hook, 'before_save'):  # in all processes
                hook.before_save(runner)
            if isinstance(hook, RuntimeInfoHook):
                hook.record(runner)
                hook.check_weights(runner)
        self._kept = [n for n in self._kept if n != name] + [name]
        # Saved with those that are removed next: a run killed before it removed them does so when it goes on.
        runner.message_hub.update_info('keep_ckpt_ids', list(self._kept))
        old = self._kept[:-self.max_keep_ckpts] if self.max_keep_ckpts > 0 else []
        self._kept = self._kept[len(old):]
        path = os.path.join(self._folder, name)
        runner.save_checkpoint(self._folder, name, save_optimizer=optimizer, save_param_scheduler=schedulers,
                               meta=dict(epoch=epochs, iter=iterations), by_epoch=self.by_epoch)
        self._due, self._latest = False, (iterations, path, optimizer and schedulers)
        if is_main_process():
            files.write_text(os.path.join(runner.work_dir, 'last_checkpoint'), path)
            for n in old:
                files.remove(os.path.join(self._folder, n))


def better(name: str) -> str:
    """Whether the 'greater' or the 'less' of a score is better, by its name; else 'unknown'."""
    lower = name.lower()
    return ('less' if any(word in lower for word in LESS) else
            'greater' if any(word in lower for word in GREATER) else 'unknown')


def _rule(name: str, rule: Optional[str]) -> Optional[str]:
    if rule is None and name != 'auto':
        rule = better(name)
    if rule not in (None, 'greater', 'less'):
        raise ConfigError(f"default_hooks.checkpoint: whether a greater {name!r} is better cannot be told.\n"
                          "Set rule='greater' or rule='less'.")
    return rule
