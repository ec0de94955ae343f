"""Hooks: what happens around the steps of a run; importing the package registers them."""
from segkit.engine.hooks.checkpoint_hook import CheckpointHook
from segkit.engine.hooks.progress_hook import ProgressHook
from segkit.engine.hooks.runtime_info_hook import RuntimeInfoHook

__all__ = ['CheckpointHook', 'ProgressHook', 'RuntimeInfoHook']
