"""Validation."""
import math
from typing import Any, Union

import torch
from mmengine.dist import all_gather_object
from mmengine.evaluator import Evaluator
from mmengine.runner import BaseLoop
from torch import Tensor
from torch.utils.data import DataLoader

from segkit.engine.loader_processes import one_pass
from segkit.engine.loops.test_loop import half_precision
from segkit.engine.run_state import bare, share_buffers
from segkit.engine.stop_request import may_stop
from segkit.errors import ConfigError
from segkit.registry import LOOPS


@LOOPS.register_module()
class ValLoop(BaseLoop):
    """Predicts each image of the validation data once and scores the predictions; on request the losses too.

    The losses are those of the training, of each head, under ``val/`` and the names they have there: ``val/loss``,
    ``val/decode.loss_ce``, ... Each is taken of one image at a time, between the scores at the photo's own size (those
    that it is predicted from) and the label map, which is never resized, and averaged over the images with equal
    weight. So it does not depend on the batch size or the number of processes, and for an image that is neither resized
    nor padded it is exactly what the head's ``loss`` gives. The network runs once for both. Windows
    (``test_cfg.mode='slide'``) are put together before the loss is taken.

    Reference: MMEngine's loop of this name. Different from it: validation losses, ``fp16`` works on a CPU too, in
    bfloat16, a batch of which the dataset's policy skipped every image is left out, and a signal breaks it off.

    Args:
        runner: The runner.
        dataloader: A DataLoader, or the config of one.
        evaluator: The metrics, or their config.
        fp16: Whether to predict in half precision: float16 on CUDA, bfloat16 on a CPU.
        val_loss: Whether to compute the losses.

    Raises:
        ConfigError: If the model cannot compute its losses beside its predictions.
    """

    def __init__(self,
                 runner: Any,
                 dataloader: Union[DataLoader, dict],
                 evaluator: Union[Evaluator, dict, list],
                 fp16: bool = False,
                 val_loss: bool = False) -> None:
        super().__init__(runner, dataloader)
        self.evaluator = runner.build_evaluator(evaluator) if isinstance(evaluator, (dict, list)) else evaluator
        self.evaluator.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)
        runner.visualizer.dataset_meta = self.evaluator.dataset_meta
        self.fp16 = fp16
        self.val_loss = val_loss
        self._losses: dict[str, list[Tensor]] = {}  # (N,) for each batch
        if val_loss and not hasattr(bare(runner.model), 'predict_with_losses'):
            raise ConfigError(f'val_cfg.val_loss=True: {type(bare(runner.model)).__name__} has no method '
                              'predict_with_losses, which gives predictions and losses at once.\nTake val_loss out.')

    def run(self) -> dict:
        """Predict and score; returns the scores, or nothing where a signal broke it off."""
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        share_buffers(self.runner.model)
        self.runner.model.eval()
        self._losses = {}
        stop = request = self.runner.stop_request
        if not may_stop(self.runner.optim_wrapper):  # the training goes on to its next update, so this is done first
            stop = None
        for index, batch in enumerate(one_pass(self.dataloader)):
            if stop is not None and stop.signal is not None:
                break
            if batch is not None:
                self.run_iter(index, batch)
        # The processes have unequally many batches: they ask each other once, before they add up their counts. So they
        # meet where there is time to wait, not at the sums.
        if request is not None and request.agreed(validated=True) and stop is not None:
            return {}
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        metrics.update(self._mean_losses())
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Predict the batch number ``idx``: ``inputs`` (N, 3, H, W) and ``data_samples``, a list of N."""
        self.runner.call_hook('before_val_iter', batch_idx=idx, data_batch=data_batch)
        with half_precision(self.fp16):
            if self.val_loss:
                model = bare(self.runner.model)
                data = model.data_preprocessor(data_batch, False)
                outputs, losses = model.predict_with_losses(data['inputs'], data['data_samples'])
                for name, values in losses.items():
                    self._losses.setdefault(name, []).append(values)
            else:
                outputs = self.runner.model.val_step(data_batch)
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        self.runner.call_hook('after_val_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs)

    def _mean_losses(self) -> dict[str, float]:
        """The mean over the images of all processes; summed exactly, so that their number changes no bit of it."""
        if not self.val_loss:
            return {}
        own = {name: torch.cat(values).double().tolist() for name, values in self._losses.items()}
        gathered = all_gather_object(own)
        names = dict.fromkeys(name for part in gathered for name in part)
        values = {name: [value for part in gathered for value in part.get(name, ())] for name in names}
        means = {name: _mean(several) for name, several in values.items()}
        total = sum(mean for name, mean in means.items() if 'loss' in name)  # as in training
        return {'val/loss': total, **{f'val/{name}': mean for name, mean in means.items()}} if means else {}


def _mean(values: list[float]) -> float:
    """fsum refuses to add infinities of both signs; a loss that is not finite makes its mean NaN or infinite."""
    if all(map(math.isfinite, values)):
        return math.fsum(values) / len(values)
    return float('inf') if float('inf') in values and not any(map(math.isnan, values)) else float('nan')
