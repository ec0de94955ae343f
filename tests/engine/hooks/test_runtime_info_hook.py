"""RuntimeInfoHook: losses recorded at logged iterations, none lost, none bad."""
from collections import OrderedDict

import pytest
import torch

from segkit.engine import RuntimeInfoHook
from segkit.errors import SegkitError


@pytest.fixture
def hook(runner):
    hook = RuntimeInfoHook()
    hook.before_run(runner)
    return hook


def step(hook, runner, i, loss):
    runner.iter = i
    hook.after_train_iter(runner, i, outputs=OrderedDict(loss=torch.tensor(loss, requires_grad=True)))


def history(runner):
    buffer = runner.message_hub.log_scalars.get('train/loss')
    return [] if buffer is None else buffer.data[0].tolist()


def test_recorded_at_logged_iterations_only(hook, runner):
    step(hook, runner, 0, 1.0)
    assert history(runner) == []
    step(hook, runner, 1, 2.0)
    assert history(runner) == [1.0, 2.0]


def test_pending_losses_are_recorded_before_a_checkpoint(hook, runner):
    step(hook, runner, 2, 1.0)
    hook.record(runner)
    assert history(runner) == [1.0]
    hook.record(runner)
    assert history(runner) == [1.0]


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_loss_that_is_not_finite_names_its_iteration(hook, runner, bad):
    runner.log_interval = 5
    for i, loss in enumerate([1.0, bad, 1.0, 1.0]):
        step(hook, runner, i, loss)
    with pytest.raises(SegkitError, match=f'loss is {bad} at iteration 2') as caught:
        step(hook, runner, 4, 1.0)
    assert len(str(caught.value).splitlines()) <= 4


def test_accuracy_may_be_undefined(hook, runner):
    runner.iter = 1
    hook.after_train_iter(runner, 1, outputs=dict(loss=torch.tensor(1.0), acc_seg=torch.tensor(float('nan'))))
    assert history(runner) == [1.0]


def test_config_is_not_in_the_message_hub(hook, runner):
    assert 'cfg' not in runner.message_hub.runtime_info


def test_the_message_hub_remembers_a_bounded_history(hook, runner, monkeypatch):
    monkeypatch.setattr('segkit.engine.hooks.runtime_info_hook.LONGEST_WINDOW', 4)
    for i in range(20):
        step(hook, runner, i, float(i))
    assert history(runner)[-4:] == [16.0, 17.0, 18.0, 19.0] and len(history(runner)) <= 4
