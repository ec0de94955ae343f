"""An early warning about classes that a network has stopped, or never begun, to predict."""
from typing import Any, Optional

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop

from segkit.registry import HOOKS

STATE = 'dead_classes'  # in the message hub
NAMED = 5


@HOOKS.register_module()
class DeadClassHook(Hook):
    """Warns when a class that the validation's labels hold is predicted at no pixel in two validations running.

    A class is named once, and again only after it was predicted in between. What was found is kept in checkpoints, so
    that a resumed run goes on; where a run was killed between a validation and its next checkpoint, the warning comes
    a validation later. Nothing is said in a test, or where no metric has a confusion matrix (``last_report``).

    Reference: none outside.
    """

    priority = 'LOW'  # behind the line with the validation's scores

    @master_only
    def after_val_epoch(self, runner: Any, metrics: Optional[dict] = None) -> None:
        """Compare what is predicted with what is labelled, and with the last validation."""
        reports = [metric.last_report for metric in runner.val_loop.evaluator.metrics
                   if getattr(metric, 'last_report', None)]
        if not reports or not isinstance(runner._train_loop, BaseLoop):
            return
        labelled, predicted = reports[0].confusion.sum(axis=1), reports[0].confusion.sum(axis=0)
        missed = {name: int(labels) for name, labels, hits in zip(reports[0].classes, labelled, predicted)
                  if labels and not hits}
        before = runner.message_hub.runtime_info.get(STATE) or dict(missed=[], warned=[])
        warned = [name for name in before['warned'] if name in missed]
        new = [name for name in missed if name in before['missed'] and name not in warned]
        runner.message_hub.update_info(STATE, dict(missed=list(missed), warned=warned + new))
        if new:
            new.sort(key=missed.get, reverse=True)
            shown = ', '.join(f'{name} ({missed[name]:,} pixels)' for name in new[:NAMED])
            more = f' and {len(new) - NAMED} more' if new[NAMED:] else ''
            runner.logger.warning(
                f'labelled, but predicted nowhere in two validations running: {shown}{more}\n'
                'Look at the labels (tools/analysis/browse_dataset.py), train longer, or weigh rare classes '
                '(model.decode_head.loss_decode.class_weight)')
