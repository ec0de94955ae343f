"""A runner on the tiny config."""
import pytest


@pytest.fixture
def run(tiny_config, tmp_path):
    """Build a runner; keyword arguments are overrides, with '__' for '.' in a key."""
    from segkit.config import load_config
    from segkit.engine import SegRunner

    def build(work_dir='run', **overrides):
        overrides = {key.replace('__', '.'): value for key, value in overrides.items()}
        resume = overrides.pop('resume', False)
        cfg = load_config(tiny_config, overrides, say=lambda line: None)
        cfg.work_dir, cfg.resume = str(tmp_path / work_dir), resume
        return SegRunner.from_cfg(cfg)

    return build
