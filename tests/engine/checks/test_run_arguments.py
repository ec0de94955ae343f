"""What a runner is given is completed, and refused where it could only fail later."""
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from segkit.engine.checks import run_arguments
from segkit.errors import ConfigError


def hooks_of(**given):
    return run_arguments.complete(dict(work_dir='w', **given))['default_hooks']


def test_report_is_written_where_the_config_does_not_name_it():
    assert hooks_of()['report'] == dict(type='RunReportHook')
    assert 'timer' in hooks_of(default_hooks=dict(timer=None))
    assert 'report' not in hooks_of(default_hooks=dict(report=None))
    assert 'report' not in hooks_of(custom_hooks=[dict(type='RunReportHook')])
    assert 'report' not in hooks_of(visualizer=dict(type='Visualizer'))
    assert 'report' in hooks_of(visualizer=dict(type='SegLocalVisualizer'))


def test_hooks_that_every_run_has():
    for name, hook in run_arguments.OTHERS.items():
        assert hooks_of()[name] == hook
        assert name not in hooks_of(default_hooks={name: None})
        assert name not in hooks_of(custom_hooks=[dict(hook)])
        assert list(hooks_of(default_hooks=dict(mine=dict(hook)))).count(name) == 0


def test_packages_of_visualization_backends_are_asked_for(monkeypatch):
    run_arguments.check_backends([dict(type='LocalVisBackend')])
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    run_arguments.check_backends([dict(type='LocalVisBackend')])
    with pytest.raises(ConfigError, match='asks for WandbVisBackend, but wandb is not installed.\nInstall it .pip'):
        run_arguments.check_backends([dict(type='LocalVisBackend'), dict(type='mmengine.x.WandbVisBackend')])


def test_start_method_is_one_of_the_system():
    run_arguments.check_start_method(None)
    run_arguments.check_start_method('spawn')
    with pytest.raises(ConfigError, match="mp_start_method: expected one of .*spawn.*, got 'frok'"):
        run_arguments.check_start_method('frok')


def test_several_optimizers_want_a_model_that_uses_them():
    class Own(BaseModel):

        def forward(self):
            return None

        def train_step(self, data, optim_wrapper):
            return {}

    class Stock(BaseModel):

        def forward(self):
            return None

    one = OptimWrapper(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1))
    several = OptimWrapperDict(a=one, b=one)
    assert run_arguments.usable(one, Stock()) is one and run_arguments.usable(several, Own()) is several
    with pytest.raises(ConfigError, match=r'several optimizers \(a, b\), and Stock makes'):
        run_arguments.usable(several, Stock())
