"""print_config.py: the merged config, parts of it, and where each key comes from."""
import importlib.util
from pathlib import Path

import pytest

from segkit.errors import ConfigError

FILE = Path(__file__).parents[2] / 'tools' / 'analysis' / 'print_config.py'


@pytest.fixture
def main():
    spec = importlib.util.spec_from_file_location('print_config', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_text_is_the_merged_config_and_names_the_files(main, tiny_config, tmp_path, capsys):
    child = tmp_path / 'child.py'
    child.write_text("_base_ = './tiny.py'\ntrain_cfg = dict(max_iters=9)\n")
    main([str(child), '--cfg-options', 'train_cfg.val_interval=4'])
    out = capsys.readouterr().out
    values = {}
    exec(out, values)
    assert values['train_cfg'] == dict(type='IterBasedTrainLoop', max_iters=9, val_interval=4)
    sources = {line.split(':')[0]: line for line in out.splitlines() if line.startswith('# ')}
    assert sources['# train_cfg'].endswith('child.py') and 'child.py' not in sources['# val_cfg']


def test_part(main, tiny_config, capsys):
    main([str(tiny_config), '--key', 'train_dataloader.dataset.pipeline.2'])
    assert "type='RandomCrop'" in capsys.readouterr().out


@pytest.mark.parametrize('key', ['model.backbon', 'model.backbone.depth.x', 'train_dataloader.dataset.pipeline.9',
                                 'train_dataloader.dataset.pipeline.x'])
def test_part_that_is_not_there(main, tiny_config, key):
    with pytest.raises(ConfigError, match=f'--key {key}: the merged config has no such key'):
        main([str(tiny_config), '--key', key])
