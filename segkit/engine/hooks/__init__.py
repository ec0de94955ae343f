"""Hooks: what happens around the steps of a run; importing the package registers them."""
from segkit.engine.hooks.bad_samples_hook import BadSamplesHook
from segkit.engine.hooks.checkpoint_hook import CheckpointHook
from segkit.engine.hooks.dead_class_hook import DeadClassHook
from segkit.engine.hooks.early_stopping_hook import EarlyStoppingHook
from segkit.engine.hooks.ema_hook import EMAHook
from segkit.engine.hooks.param_scheduler_hook import ParamSchedulerHook
from segkit.engine.hooks.progress_hook import ProgressHook
from segkit.engine.hooks.run_report_hook import RunReportHook
from segkit.engine.hooks.runtime_info_hook import RuntimeInfoHook
from segkit.engine.hooks.save_probabilities_hook import SaveProbabilitiesHook
from segkit.engine.hooks.seg_visualization_hook import SegVisualizationHook

__all__ = [
    'BadSamplesHook', 'CheckpointHook', 'DeadClassHook', 'EMAHook', 'EarlyStoppingHook', 'ParamSchedulerHook',
    'ProgressHook', 'RunReportHook', 'RuntimeInfoHook', 'SaveProbabilitiesHook', 'SegVisualizationHook'
]
