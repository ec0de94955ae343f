"""Training that counts epochs; stops within one are in test_stop_request.py."""
import pytest

from segkit.errors import ConfigError


@pytest.fixture
def by_epoch(run):

    def build(**overrides):
        loop = dict(_delete_=True, type='EpochBasedTrainLoop', **{'max_epochs': 5, **overrides.pop('loop', {})})
        return run(**{'train_cfg': loop, 'train_dataloader__sampler__type': 'DefaultSampler',
                      'param_scheduler': [dict(type='PolyLR', by_epoch=True, power=0.9)],
                      'default_hooks__checkpoint__by_epoch': True, **overrides})

    return build


def walk(runner):
    """Iterate and validate without a network; what hooks see, in order."""
    seen = []
    loop = runner.build_train_loop(runner._train_loop)
    runner._train_loop = loop
    runner.val_loop.run = lambda: seen.append(f'val {runner.epoch}')
    loop.run_iter = lambda batch: (seen.append([s.img_path[-6:-4] for s in batch['data_samples']]),
                                   setattr(loop, '_iter', loop._iter + 1))
    runner.train()
    return seen


def test_validation_intervals_count_epochs(by_epoch):
    seen = walk(by_epoch(loop=dict(val_interval=2, val_begin=2, dynamic_intervals=[[4, 3]], max_epochs=7)))
    assert [one for one in seen if isinstance(one, str)] == ['val 2', 'val 3', 'val 6', 'val 7']


def test_each_epoch_shuffles_anew_and_leaves_out_the_odd_image(by_epoch):
    seen = walk(by_epoch(loop=dict(max_epochs=2, val_interval=9)))
    first, second = seen[:3], seen[3:6]
    assert first != second and all(len(set(sum(epoch, []))) == 6 for epoch in (first, second))


def test_sampler_without_end_has_epochs_too(by_epoch):
    runner = by_epoch(train_dataloader__sampler__type='InfiniteSampler', loop=dict(max_epochs=2, val_interval=9))
    assert len(walk(runner)) == 2 * (7 // 2) + 1


def test_batch_numbers_begin_anew_with_each_epoch(by_epoch):
    runner = by_epoch(loop=dict(max_epochs=2, val_interval=9))
    numbers = []
    call = runner.call_hook
    runner.call_hook = lambda name, **kwargs: (name == 'before_train_iter' and numbers.append(kwargs['batch_idx']),
                                               call(name, **kwargs))
    runner.train()
    assert numbers == [0, 1, 2, 0, 1, 2] and runner.iter == 6 and runner.epoch == 2


@pytest.mark.parametrize('stop, saved, epochs_left', [(3, 'epoch_1', 3), (4, 'iter_4', 3)], ids=['between', 'within'])
def test_goes_on_with_data_of_another_length(by_epoch, tmp_path, capsys, stop, saved, epochs_left):
    """Epochs of 3 iterations, then of 2: those that are left have the samples of a run with 2 from its start."""
    loop, fewer = dict(max_epochs=4, val_interval=9), {'+train_dataloader__dataset__indices': 5}
    expected = walk(by_epoch(work_dir='fewer', loop=loop, **fewer))[2:8]
    runner = by_epoch(loop=loop, default_hooks__checkpoint__interval=1)
    call = runner.call_hook

    def stops(name, **kwargs):
        call(name, **kwargs)
        if name == 'after_train_iter' and runner.iter + 1 == stop:
            runner.stop_request.signal = 15

    runner.call_hook = stops
    with pytest.raises(SystemExit):
        runner.train()
    assert (tmp_path / 'run/last_checkpoint').read_text().endswith(f'{saved}.pth')
    capsys.readouterr()
    runner = by_epoch(loop=loop, resume=True, **fewer)
    seen = walk(runner)
    said = capsys.readouterr().out
    assert 'the training data have 5 samples, and had 7' in said and 'an epoch has 2 iterations now, and had 3' in said
    assert ('; epoch 2 begins anew' in said) is (saved == 'iter_4')
    assert seen[:2 * epochs_left] == expected and len(seen) == 2 * epochs_left + 1
    assert runner.iter == runner.max_iters == stop + 2 * epochs_left
    # What it saves says where it is, although its iterations are no multiple of the epochs' length.
    runner.train_loop.go_on(dict(epoch=3, iter=stop + 5, **runner.train_loop.position(3, stop + 5)))
    assert runner.train_loop._first == 1 and 'anew' not in capsys.readouterr().out


@pytest.mark.parametrize('key', ['max_epochs', 'val_interval'])
def test_numbers_that_are_none(by_epoch, key):
    with pytest.raises(ConfigError, match=f'train_cfg.{key}: expected a number of epochs above 0, got 0'):
        by_epoch(loop={key: 0}, param_scheduler=None).train_loop


def test_by_epoch_without_a_type(run):
    from segkit.engine import EpochBasedTrainLoop
    runner = run(train_cfg=dict(_delete_=True, by_epoch=True, max_epochs=1),
                 train_dataloader__sampler__type='DefaultSampler',
                 param_scheduler=[dict(type='PolyLR', by_epoch=True, power=0.9)])
    assert type(runner.train_loop) is EpochBasedTrainLoop
