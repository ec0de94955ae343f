"""Testing."""
from typing import Any, Union

import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import BaseLoop
from torch.utils.data import DataLoader

from segkit.engine.loader_processes import one_pass
from segkit.registry import LOOPS


@LOOPS.register_module()
class TestLoop(BaseLoop):
    """Predicts each image of the test data once and scores the predictions.

    Reference: MMEngine's loop of this name. Different from it: ``fp16`` works on a CPU too, in bfloat16, and a batch of
    which the dataset's policy skipped every image is left out.

    Args:
        runner: The runner.
        dataloader: A DataLoader, or the config of one.
        evaluator: The metrics, or their config.
        fp16: Whether to predict in half precision: float16 on CUDA, bfloat16 on a CPU.
    """

    __test__ = False  # no test class, whatever pytest makes of the name

    def __init__(self,
                 runner: Any,
                 dataloader: Union[DataLoader, dict],
                 evaluator: Union[Evaluator, dict, list],
                 fp16: bool = False) -> None:
        super().__init__(runner, dataloader)
        self.evaluator = runner.build_evaluator(evaluator) if isinstance(evaluator, (dict, list)) else evaluator
        self.evaluator.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)
        runner.visualizer.dataset_meta = self.evaluator.dataset_meta
        self.fp16 = fp16

    def run(self) -> dict:
        """Predict and score; returns the scores."""
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        self.runner.model.eval()
        for index, batch in enumerate(one_pass(self.dataloader)):
            if batch is not None:
                self.run_iter(index, batch)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Predict the batch number ``idx``: ``inputs`` (N, 3, H, W) and ``data_samples``, a list of N."""
        self.runner.call_hook('before_test_iter', batch_idx=idx, data_batch=data_batch)
        with half_precision(self.fp16):
            outputs = self.runner.model.test_step(data_batch)
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        self.runner.call_hook('after_test_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs)


def half_precision(enabled: bool) -> torch.autocast:
    """Autocast: float16 on CUDA, bfloat16 on a CPU."""
    if torch.cuda.is_available():
        return torch.autocast('cuda', torch.float16, enabled=enabled)
    return torch.autocast('cpu', torch.bfloat16, enabled=enabled)
