"""What a run writes of itself when it starts: its config and where it ran.

It does so once everything is built and a checkpoint is loaded, so that a start that is refused leaves the files of the
run that lies in the folder as they are.
"""
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process

from segkit.engine import environment
from segkit.engine.last_checkpoint import iteration_of


def put_off(visualizer: Any) -> Any:
    """``visualizer`` itself, which writes the config when :func:`write` says so, not when MMEngine's runner does."""
    visualizer.add_config = lambda config: None
    return visualizer


def write(runner: Any, env_cfg: dict) -> None:
    """Write config.py and environment.txt, give the config to the visualizer, and say what becomes of an older run."""
    training = runner.stop_request is not None  # no validation or test of a runner that might train
    before = iteration_of(runner.work_dir) if training and not runner._resume else None
    if before is not None:
        runner.logger.warning(f'{runner.work_dir} holds a run at iteration {before}; --resume goes on from it; this '
                              'run replaces its files (its checkpoints move to earlier/)')
    if is_main_process():
        facts = {**environment.report(), 'env_cfg': env_cfg, 'randomness': runner._randomness_cfg,
                 'seed': runner.seed, 'launcher': runner.launcher, 'processes': runner.world_size}
        text = ''.join(f'{key}: {value}\n' for key, value in facts.items())
        Path(runner.log_dir, 'environment.txt').write_text(text)
        Path(runner.log_dir, 'config.py').write_text(runner.cfg.text_of_start, encoding='utf-8')
    vars(runner.visualizer).pop('add_config', None)  # of put_off
    runner.visualizer.add_config(runner.cfg)
