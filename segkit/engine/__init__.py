"""The run: runner, loop, optimizer wrapper and hooks; importing the package registers them."""
from segkit.engine.amp_optim_wrapper import AmpOptimWrapper
from segkit.engine.hooks import CheckpointHook, ProgressHook, RunReportHook, RuntimeInfoHook, SegVisualizationHook
from segkit.engine.iter_based_train_loop import IterBasedTrainLoop
from segkit.engine.seg_runner import SegRunner

__all__ = [
    'AmpOptimWrapper', 'CheckpointHook', 'IterBasedTrainLoop', 'ProgressHook', 'RunReportHook', 'RuntimeInfoHook',
    'SegRunner', 'SegVisualizationHook'
]
