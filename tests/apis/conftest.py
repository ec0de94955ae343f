"""A trained tiny model."""
import pytest


@pytest.fixture
def trained(tiny_config, tmp_path):
    """(config file, checkpoint) after a few iterations, and nothing printed of them."""
    from segkit.apis import train
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'run'), '--cfg-options', 'train_cfg.max_iters=3'])
    return tiny_config, tmp_path / 'run' / 'iter_3.pth'
