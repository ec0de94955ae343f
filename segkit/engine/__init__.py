"""The run: runner, loop, optimizer wrapper and hooks; importing the package registers them."""
from segkit.engine.amp_optim_wrapper import AmpOptimWrapper
from segkit.engine.default_optim_wrapper_constructor import DefaultOptimWrapperConstructor
from segkit.engine.epoch_based_train_loop import EpochBasedTrainLoop
from segkit.engine.hooks import CheckpointHook, ProgressHook, RunReportHook, RuntimeInfoHook, SegVisualizationHook
from segkit.engine.iter_based_train_loop import IterBasedTrainLoop
from segkit.engine.seg_runner import SegRunner
from segkit.engine.test_loop import TestLoop
from segkit.engine.val_loop import ValLoop

__all__ = [
    'AmpOptimWrapper', 'CheckpointHook', 'DefaultOptimWrapperConstructor', 'EpochBasedTrainLoop', 'IterBasedTrainLoop',
    'ProgressHook', 'RunReportHook', 'RuntimeInfoHook', 'SegRunner', 'SegVisualizationHook', 'TestLoop', 'ValLoop'
]
