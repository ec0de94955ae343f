"""RunConfig: the config as text, and in types that JSON has."""
import json
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

from segkit.engine.run_config import RunConfig, plain


def test_text_gives_the_config_again(tmp_path):
    cfg = RunConfig.of(Config(dict(model=dict(type='A', size=(1, 2), names=['x', "it's"]), lr=1e-4, none=None)))
    path = tmp_path / 'config.py'
    cfg.dump(path)
    assert Config.fromfile(path).to_dict() == cfg.to_dict()


def test_the_text_of_a_start_does_not_resume():
    cfg = RunConfig.of(Config(dict(resume=True, load_from=None)))
    assert 'resume = True' in cfg.pretty_text and 'resume = False' in cfg.text_of_start
    cfg.load_from = 'another_run.pth'  # whose state this run went on from
    assert 'resume = True' in cfg.text_of_start


def test_text_follows_a_change():
    cfg = RunConfig.of(Config(dict(a=1)))
    assert 'a = 1' in cfg.pretty_text
    cfg.a = 2
    assert 'a = 2' in cfg.pretty_text


def test_copy_is_independent_and_keeps_the_file_name(tmp_path):
    path = tmp_path / 'x.py'
    path.write_text('a = dict(b=1)')
    cfg = Config.fromfile(path)
    run = RunConfig.of(cfg)
    run.a.b = 2
    assert cfg.a.b == 1
    assert run.filename == cfg.filename


def test_plain():
    value = dict(a=(1, np.float64(2.5)), b=Path('/x'), c=torch.nn.ReLU, d=np.arange(2), e={3: None}, f=True)
    result = plain(value)
    assert result == dict(a=[1, 2.5], b='/x', c='torch.nn.modules.activation.ReLU', d=[0, 1], e={'3': None}, f=True)
    assert type(result['a'][1]) is float
    json.dumps(result)
