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
