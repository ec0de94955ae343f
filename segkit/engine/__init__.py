"""The run: runner, loop, optimizer wrapper and hooks; importing the package registers them."""
from segkit.engine.amp_optim_wrapper import AmpOptimWrapper
from segkit.engine.default_optim_wrapper_constructor import DefaultOptimWrapperConstructor
from segkit.engine.hooks import CheckpointHook, ProgressHook, RunReportHook, RuntimeInfoHook, SegVisualizationHook
from segkit.engine.loops import EpochBasedTrainLoop, IterBasedTrainLoop, TestLoop, ValLoop
from segkit.engine.seg_runner import SegRunner

__all__ = [
    'AmpOptimWrapper', 'CheckpointHook', 'DefaultOptimWrapperConstructor', 'EpochBasedTrainLoop', 'IterBasedTrainLoop',
    'ProgressHook', 'RunReportHook', 'RuntimeInfoHook', 'SegRunner', 'SegVisualizationHook', 'TestLoop', 'ValLoop'
]
