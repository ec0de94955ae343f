"""RuntimeInfoHook: losses recorded at logged iterations, none lost, none bad."""
from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub

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


def bad_step(hook, runner, i, images, loss=float('nan')):
    runner.iter = i
    samples = [SimpleNamespace(img_path=name) for name in images]
    hook.after_train_iter(runner, i, data_batch=dict(data_samples=samples),
                          outputs=OrderedDict(loss=torch.tensor(loss)))


def test_images_of_the_iteration_are_named(hook, runner):
    runner.log_interval = 5
    bad_step(hook, runner, 0, ['good.jpg'], 1.0)
    bad_step(hook, runner, 1, [f'{c}.jpg' for c in 'abcdef'])
    with pytest.raises(SegkitError) as caught:
        bad_step(hook, runner, 4, ['late.jpg'], 1.0)
    first, *rest = str(caught.value).splitlines()
    assert first == 'loss is nan at iteration 2; its images: a.jpg, b.jpg, c.jpg, d.jpg and 2 more.'
    assert rest == ['Lower optim_wrapper.optimizer.lr or set optim_wrapper.clip_grad=dict(max_norm=1.0). '
                    'No checkpoint was saved so far.']


def test_names_are_forgotten_where_the_losses_were_good(hook, runner):
    bad_step(hook, runner, 0, ['a.jpg'], 1.0)
    assert hook._pending[0][2] == ['a.jpg']
    bad_step(hook, runner, 1, ['b.jpg'], 1.0)
    assert hook._pending == []


def test_last_good_checkpoint_and_the_command_that_goes_on(hook, runner, tmp_path, monkeypatch):
    (tmp_path / 'iter_2.pth').touch()
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_2.pth'))
    monkeypatch.setenv('SEGKIT_COMMAND', 'tools/dist_train.sh x.py 2')
    with pytest.raises(SegkitError) as caught:
        bad_step(hook, runner, 3, ['a.jpg'])
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert lines[1] == f'The last good checkpoint is kept: {tmp_path}/iter_2.pth'
    assert lines[3] == 'go on with: tools/dist_train.sh x.py 2 --resume'


def test_the_rate_of_the_command_line_is_named_as_the_one_to_replace(hook, runner, tmp_path, monkeypatch):
    (tmp_path / 'iter_2.pth').touch()
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_2.pth'))
    monkeypatch.setenv('SEGKIT_COMMAND', 'train.py x.py --cfg-options optim_wrapper.optimizer.lr=1e30')
    with pytest.raises(SegkitError) as caught:
        bad_step(hook, runner, 3, ['a.jpg'])
    lines = str(caught.value).splitlines()
    assert len(lines) == 4 and '--amp' not in lines[2]
    assert lines[2].endswith('; then with another value in place of optim_wrapper.optimizer.lr=1e30')


def test_mixed_precision_is_named_where_it_is_on(hook, runner):
    from segkit.engine import AmpOptimWrapper
    runner.optim_wrapper = AmpOptimWrapper(optimizer=torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0))
    with pytest.raises(SegkitError, match=r'or train in float32 \(no --amp'):
        bad_step(hook, runner, 3, ['a.jpg'])


def _one_of_two(rank, init, folder):
    torch.distributed.init_process_group('gloo', init_method=f'file://{init}', rank=rank, world_size=2)
    runner = SimpleNamespace(seed=0, experiment_name='e', message_hub=MessageHub(f'two{rank}'), work_dir=str(folder),
                             is_logged_iter=lambda: True)
    hook = RuntimeInfoHook()
    hook.before_run(runner)
    try:
        bad_step(hook, runner, 0, [f'{rank}.jpg'], [1.0, float('nan')][rank])
    except SegkitError as error:
        (folder / f'said{rank}').write_text(str(error))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_process_whose_loss_it_was_is_named_by_all(in_processes, tmp_path):
    in_processes(_one_of_two, tmp_path / 'init', tmp_path)
    said = [(tmp_path / f'said{rank}').read_text() for rank in (0, 1)]
    assert said[0] == said[1]
    assert said[0].startswith('loss is nan at iteration 1 in process 1 of 2; its images: 1.jpg.\n')


class Spoils(Hook):
    """Makes a weight NaN after the update of an iteration, as a rate that is too high does."""

    priority = 'LOWEST'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == 3:
            with torch.no_grad():
                next(runner.model.parameters()).fill_(float('nan'))


@pytest.mark.parametrize('hooks', [[], [dict(type='EMAHook', momentum=0.5)]], ids=['plain', 'average'])
@pytest.mark.parametrize('spoilt, said', [
    ('loss', 'loss is nan at iteration 2'), ('weights', 'weights are NaN or infinite after the update')])
def test_spoilt_weights_are_neither_validated_nor_kept_as_the_best(run, tmp_path, capsys, hooks, spoilt, said):
    # No checkpoint and no logged iteration in front of the validation at 3.
    runner = run(default_hooks__logger__interval=50, default_hooks__checkpoint__interval=50, custom_hooks=hooks,
                 optim_wrapper__optimizer__lr=1e30 if spoilt == 'loss' else 0.01)
    if spoilt == 'weights':
        runner.register_hook(Spoils())
    with pytest.raises(SegkitError, match=said):
        runner.train()
    assert runner.iter == 3 and 'validation at' not in capsys.readouterr().out
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_gradients_that_overflow_are_no_error(hook, runner):
    from segkit.engine import AmpOptimWrapper
    weight = torch.nn.Parameter(torch.ones(1))
    wrapper = AmpOptimWrapper(optimizer=torch.optim.SGD([weight], lr=1.0), clip_grad=dict(max_norm=1.0))
    wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=2.0**126)  # the scaled gradient is infinite
    loss = (weight * 8).sum()
    wrapper.update_params(loss)
    assert weight.item() == 1.0 and wrapper.loss_scaler.get_scale() < 2.0**126  # the update was left out
    bad_step(hook, runner, 1, ['a.jpg'], loss.item())
    assert history(runner) == [8.0]
