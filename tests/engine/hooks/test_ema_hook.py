"""EMAHook: what is averaged, validated, saved and taken up again."""
import json

import pytest
import torch

from segkit.engine.hooks import EMAHook
from segkit.errors import CheckpointError, ConfigError

EMA = [dict(type='EMAHook', momentum=0.3)]


def load(path):
    return torch.load(path, weights_only=True)


def trained(checkpoint):
    return {key[len('module.'):]: value for key, value in checkpoint['ema_state_dict'].items() if key != 'steps'}


def parameters(runner):
    return [name for name, _ in runner.model.named_parameters()]


@pytest.fixture
def snapshots(run):
    """A runner whose parameters are noted behind each step, and the list they are noted in."""

    def build(**overrides):
        runner, seen = run(**overrides), []
        step = runner.train_loop.run_iter

        def noted(*batch):
            step(*batch)
            seen.append({name: value.detach().clone() for name, value in runner.model.state_dict().items()})

        runner.train_loop.run_iter = noted
        return runner, seen

    return build


def moving_average(seen, names, momentum, first=0):
    average = {name: seen[first][name].clone() for name in names}
    for weights in seen[first + 1:]:
        for name in names:
            average[name].lerp_(weights[name], momentum)
    return average


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


def test_checkpoints_offer_the_average_and_keep_the_trained_weights(snapshots, tmp_path):
    runner, seen = snapshots(custom_hooks=EMA)
    runner.train()
    full, best = load(tmp_path / 'run/iter_6.pth'), load(tmp_path / 'run/best_mIoU.pth')
    average = moving_average(seen, parameters(runner), 0.3)
    assert_equal({name: full['state_dict'][name] for name in average}, average)
    assert_equal(trained(full), seen[-1])
    assert int(full['ema_state_dict']['steps']) == 6
    assert not torch.equal(seen[-1]['decode_head.conv_seg.weight'], average['decode_head.conv_seg.weight'])
    assert set(best) == {'meta', 'state_dict'}  # once, and nothing else
    plain, averaged = ((tmp_path / 'run' / name).stat().st_size for name in ('best_mIoU.pth', 'iter_6.pth'))
    size = sum(value.numel() * value.element_size() for value in full['state_dict'].values())
    assert plain < 1.35 * size + 60_000 and averaged < 3.5 * size + 150_000


def test_best_weights_are_those_that_were_validated(run, tmp_path):
    from segkit.engine.hooks import CheckpointHook
    runner = run(custom_hooks=EMA)
    seen, validate = {}, runner.val_loop.run_iter

    def noted(*args, **kwargs):
        seen[runner.iter] = {name: value.clone() for name, value in runner.model.state_dict().items()}
        return validate(*args, **kwargs)

    runner.val_loop.run_iter = noted
    runner.train()
    best = load(tmp_path / 'run/best_mIoU.pth')
    assert_equal(best['state_dict'], seen[best['meta']['iter']])
    # And a test of that file gives that score.
    tested = run('tested', custom_hooks=EMA, load_from=str(tmp_path / 'run/best_mIoU.pth'))
    assert tested.val()['mIoU'] == best['meta']['best_score']
    assert any(isinstance(hook, CheckpointHook) for hook in runner.hooks)


def test_training_is_not_changed_by_it(run, tmp_path):
    run('with', custom_hooks=EMA).train()
    run('without').train()
    assert_equal(trained(load(tmp_path / 'with/iter_6.pth')), load(tmp_path / 'without/iter_6.pth')['state_dict'])


@pytest.mark.parametrize('average', [
    dict(momentum=0.3), dict(momentum=0.01, ema_type='MomentumAnnealingEMA', gamma=3),
    dict(ema_type='StochasticWeightAverage'), dict(momentum=0.3, update_buffers=True),
    dict(momentum=0.3, interval=2), dict(momentum=0.3, begin_iter=4)], ids=str)
def test_resumed_average_is_the_uninterrupted_one(run, tmp_path, average):
    hooks = [dict(type='EMAHook', **average)]
    run('whole', custom_hooks=hooks).train()
    run('parts', custom_hooks=hooks, train_cfg__max_iters=6).train()
    (tmp_path / 'parts/iter_6.pth').unlink()
    (tmp_path / 'parts/iter_6.pth.sha256').unlink(missing_ok=True)
    (tmp_path / 'parts/last_checkpoint').unlink()
    run('parts', custom_hooks=hooks, resume=True).train()
    whole, parts = load(tmp_path / 'whole/iter_6.pth'), load(tmp_path / 'parts/iter_6.pth')
    assert_equal(whole['state_dict'], parts['state_dict'])
    assert_equal(whole['ema_state_dict'], parts['ema_state_dict'])


def test_it_begins_when_it_is_told_to(snapshots, tmp_path):
    runner, seen = snapshots(custom_hooks=[dict(type='EMAHook', momentum=0.3, begin_iter=4)],
                             default_hooks__checkpoint__max_keep_ckpts=-1)
    runner.train()
    before, after = load(tmp_path / 'run/iter_2.pth'), load(tmp_path / 'run/iter_6.pth')
    assert_equal(before['state_dict'], seen[1])
    assert_equal({name: after['state_dict'][name] for name in parameters(runner)},
                 moving_average(seen, parameters(runner), 0.3, first=3))


def test_accumulated_gradients_do_not_count_as_updates(run, tmp_path):
    run(custom_hooks=EMA, optim_wrapper__accumulative_counts=3).train()
    assert int(load(tmp_path / 'run/iter_6.pth')['ema_state_dict']['steps']) == 2


def test_running_statistics_are_averaged_on_request(snapshots, tmp_path):
    runner, seen = snapshots(custom_hooks=[dict(type='EMAHook', momentum=0.3, update_buffers=True)])
    runner.train()
    full = load(tmp_path / 'run/iter_6.pth')
    names = [name for name in seen[0] if name.endswith('running_mean')]
    assert_equal({name: full['state_dict'][name] for name in names}, moving_average(seen, names, 0.3))
    assert_equal({name: trained(full)[name] for name in names}, {name: seen[-1][name] for name in names})


def test_run_without_an_average_goes_on_with_one(run, tmp_path, capsys):
    run(train_cfg__max_iters=2).train()
    start = load(tmp_path / 'run/iter_2.pth')['state_dict']
    runner = run(custom_hooks=EMA, resume=True)
    runner.train()
    assert 'the checkpoint holds no average' in capsys.readouterr().out
    full = load(tmp_path / 'run/iter_6.pth')
    assert int(full['ema_state_dict']['steps']) == 4
    assert not torch.equal(full['state_dict']['decode_head.conv_seg.weight'], start['decode_head.conv_seg.weight'])


def test_run_with_an_average_goes_on_without_one(run, tmp_path, capsys):
    run('plain').train()
    run(custom_hooks=EMA, train_cfg__max_iters=6, default_hooks__checkpoint__save_last=False,
        default_hooks__checkpoint__interval=4).train()
    run(resume=True).train()
    assert 'holds an average of the weights (EMAHook)' in capsys.readouterr().out
    full = load(tmp_path / 'run/iter_6.pth')
    assert 'ema_state_dict' not in full
    assert_equal(full['state_dict'], load(tmp_path / 'plain/iter_6.pth')['state_dict'])


def test_checkpoint_of_mmengine_s_hook_is_resumed(run, tmp_path):
    """Its layout, its class."""
    from mmengine.hooks import EMAHook as Theirs
    theirs = run('theirs', train_cfg__max_iters=4)
    theirs.register_hook(Theirs(momentum=0.3))
    theirs.train()
    run(custom_hooks=EMA).train()
    resumed = run('resumed', custom_hooks=EMA, resume=True, load_from=str(tmp_path / 'theirs/iter_4.pth'),
                  param_scheduler=[dict(type='ConstantLR', factor=1, by_epoch=False)])
    del resumed.param_schedulers[:]  # the schedule was that of four iterations; the average is what is looked at
    resumed.call_hook('before_run')
    resumed.load_or_resume()
    hook = next(hook for hook in resumed.hooks if isinstance(hook, EMAHook))
    hook.before_train(resumed)
    file = load(tmp_path / 'theirs/iter_4.pth')
    average = hook.ema_model.module.state_dict()
    assert_equal({name: average[name] for name in parameters(resumed)},
                 {name: file['state_dict'][name] for name in parameters(resumed)})
    assert_equal(resumed.model.state_dict(), trained(file))
    assert int(hook.ema_model.steps) == 4


def test_validation_that_was_broken_off_leaves_the_checkpoint_right(run, tmp_path):
    runner = run(custom_hooks=EMA)

    def broken(*args, **kwargs):
        runner.save_checkpoint(str(tmp_path), 'inside.pth', by_epoch=False)
        raise KeyboardInterrupt

    runner.val_loop.run_iter = broken
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    hook = next(hook for hook in runner.hooks if isinstance(hook, EMAHook))
    inside = load(tmp_path / 'inside.pth')
    # The model still holds the average, and the average the trained weights.
    held = {name: value.detach() for name, value in runner.model.named_parameters()}
    aside = {name: value for name, value in hook.ema_model.module.named_parameters()}
    assert_equal({name: inside['state_dict'][name] for name in held}, held)
    assert_equal({name: trained(inside)[name] for name in aside}, aside)


def test_test_time_augmentation_scores_the_checkpoint_s_weights(tiny_config, tmp_path, trained_with_average):
    """MMEngine's hook would score a network that was never loaded."""
    from segkit.apis import test as test_tool
    checkpoint = tmp_path / 'run/iter_3.pth'
    scores = []
    for options in (['custom_hooks=[dict(type="EMAHook")]'], ['custom_hooks=[]']):
        test_tool.main([str(tiny_config), str(checkpoint), '--tta', '--work-dir', str(tmp_path / 'run'),
                        '--cfg-options', *options])
        scores.append(json.loads((tmp_path / 'run/test_tta/metrics.json').read_text()))
    assert scores[0] == scores[1]


@pytest.fixture
def trained_with_average(run):
    run(custom_hooks=EMA, train_cfg__max_iters=3).train()


@pytest.mark.parametrize('kwargs, words', [
    (dict(momentun=0.1), "'momentun' is no argument of ExponentialMovingAverage.\nIt takes momentum"),
    (dict(ema_type='ExponentialAverage'), 'Nearest: ExponentialMovingAverage'),
    (dict(begin_iter=-1), 'begin_iter is -1'),
    (dict(interval=0), 'interval is 0'),
    (dict(begin_iter=1, begin_epoch=1), 'Keep one of them'),
])
def test_arguments_are_checked(kwargs, words):
    with pytest.raises(ConfigError, match=words) as caught:
        EMAHook(**kwargs)
    assert len(str(caught.value).splitlines()) <= 4


@pytest.mark.parametrize('kwargs, words', [(dict(momentum=1.5), 'momentum must be in range'),
                                           (dict(begin_iter=7), 'begin_iter is 7, but the training ends at 6')])
def test_values_are_checked_before_the_first_step(run, kwargs, words):
    runner = run(custom_hooks=[dict(type='EMAHook', **kwargs)])
    with pytest.raises(ConfigError, match=words):
        runner.train()
    assert runner.iter == 0


def test_average_that_does_not_fit_is_an_error(run, tmp_path):
    run(custom_hooks=EMA, train_cfg__max_iters=2).train()
    path = tmp_path / 'run/iter_2.pth'
    checkpoint = load(path)
    del checkpoint['state_dict']['decode_head.conv_seg.bias']
    torch.save(checkpoint, tmp_path / 'odd.pth')
    odd = dict(resume=True, load_from=str(tmp_path / 'odd.pth'))
    with pytest.raises(CheckpointError, match='1 missing: decode_head.conv_seg.bias'):
        run(custom_hooks=EMA, **odd).train()
    run('lenient', custom_hooks=[dict(EMA[0], strict_load=False)], **odd).train()
