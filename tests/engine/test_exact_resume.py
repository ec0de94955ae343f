"""A run that was stopped and goes on ends as the uninterrupted one: to the last bit on a CPU, whatever is switched on.

Each case trains ten iterations of two images (seven images: the data are gone through three times), with dropout and
a validation after every third. The other run is broken off after k iterations and goes on from its last checkpoint.
"""
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from segkit.apis.train import main
from segkit.errors import CheckpointError

ITERATIONS = 10
LENGTH = dict(train_cfg__max_iters=ITERATIONS, train_cfg__val_interval=3)
EMA = dict(type='EMAHook', momentum=0.1)
STOP = dict(type='EarlyStoppingHook', monitor='mIoU', patience=50)
# No later score is better than the first, so that the rate falls at each validation from the second on.
PLATEAU = dict(type='ReduceOnPlateauLR', monitor='mIoU', patience=0, factor=0.5, threshold=1e9, threshold_rule='abs')
AMP = dict(optim_wrapper__type='AmpOptimWrapper')
CASES = {
    'plain': {},
    'seeds by process': {'+randomness': dict(seed=3, diff_rank_seed=True)},
    'ema': dict(custom_hooks=[EMA]),
    'amp': AMP,
    'gathered gradients': {'+optim_wrapper__accumulative_counts': 2},
    'computed again': {'+model__backbone__with_cp': True},
    'compiled': {'+compile': dict(backend='eager')},
    'clipped': {'+optim_wrapper__clip_grad': dict(max_norm=0.5)},
    'adam': dict(optim_wrapper__optimizer=dict(_delete_=True, type='AdamW', lr=0.001)),
    'early stopping': dict(custom_hooks=[STOP]),
    'tables': dict(default_hooks__report=dict(type='RunReportHook', num_train_samples=2, num_val_samples=1)),
    'plateau': dict(param_scheduler=[
        dict(type='LinearLR', start_factor=0.1, begin=0, end=5, by_epoch=False), PLATEAU]),
    'warm-up': dict(param_scheduler=[
        dict(type='LinearLR', start_factor=0.1, begin=0, end=5, by_epoch=False),
        dict(type='PolyLR', eta_min=1e-4, power=0.9, begin=5, by_epoch=False)]),
    'two workers': dict(train_dataloader__num_workers=2, val_dataloader__num_workers=1),
    'all together': {
        **AMP, 'custom_hooks': [EMA, STOP], '+optim_wrapper__accumulative_counts': 2,
        '+optim_wrapper__clip_grad': dict(max_norm=0.5), '+model__backbone__with_cp': True,
        '+compile': dict(decode_head=dict(backend='eager')), 'train_dataloader__num_workers': 2},
}


class BrokenOff(Exception):
    """Stands for a kill."""


class BreakOff(Hook):
    """Ends a run behind an iteration and all its hooks."""

    priority = 'LOWEST'

    def __init__(self, behind):
        self.behind = behind

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.behind:
            raise BrokenOff


class Batches(Hook):
    """What was trained on: the pixels of each batch."""

    def __init__(self):
        self.seen = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.seen[runner.iter] = data_batch['inputs'].clone()


@pytest.fixture
def same(monkeypatch):
    """Assert that two run folders hold the same values, times apart."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / 'tools/benchmarks'))
    from crash_test_compare import compare

    def check(whole, parts, iterations=ITERATIONS):
        rows = compare(whole, parts, iterations)
        assert sum(number for _, number, _ in rows) > 10_000
        assert not [(name, difference) for name, _, difference in rows if difference]

    return check


def broken_off(run, folder, behind, **overrides):
    runner = run(folder, **{**LENGTH, **overrides})
    runner.register_hook(BreakOff(behind))
    with pytest.raises(BrokenOff):
        runner.train()


def last_rate(folder):
    """The learning rate at the end of a run, over the one that is stated."""
    group = torch.load(folder / f'iter_{ITERATIONS}.pth', weights_only=True)['optimizer']['param_groups'][-1]
    return group['lr'] / group['initial_lr']


def go_on(run, folder, **overrides):
    runner = run(folder, resume=True, **{**LENGTH, **overrides})
    batches = Batches()
    runner.register_hook(batches)
    runner.train()
    return batches.seen


@pytest.mark.parametrize('case', CASES)
def test_every_switch(run, tmp_path, same, case):
    """Stopped behind iteration 7: a checkpoint at 6, two validations before, two behind, the second round of data."""
    whole, batches = run('whole', **LENGTH, **CASES[case]), Batches()
    whole.register_hook(batches)
    whole.train()
    broken_off(run, 'parts', 7, **CASES[case])
    seen = go_on(run, 'parts', **CASES[case])
    assert sorted(seen) == [6, 7, 8, 9]
    assert case != 'plateau' or last_rate(tmp_path / 'whole') == pytest.approx(0.25)  # after 6 and 9 of 3, 6, 9 and 10
    assert all(torch.equal(seen[i], batches.seen[i]) for i in seen)
    same(tmp_path / 'whole', tmp_path / 'parts')


@pytest.mark.parametrize('behind', [2, 3, 5, 9])
def test_every_place(run, tmp_path, same, behind):
    """Before the first validation, between a step and its validation, in the middle of a round, before the end."""
    settings = dict(custom_hooks=[EMA, STOP], default_hooks__checkpoint__interval=1, param_scheduler=[PLATEAU])
    run('whole', **LENGTH, **settings).train()
    broken_off(run, 'parts', behind, **settings)
    go_on(run, 'parts', **settings)
    same(tmp_path / 'whole', tmp_path / 'parts')


def test_no_checkpoint_falls_between_two_updates(run, tmp_path, same):
    """Gradients of four iterations, a checkpoint due every third: what is gathered is never lost."""
    settings = {'+optim_wrapper__accumulative_counts': 4, 'default_hooks__checkpoint__interval': 3,
                'custom_hooks': [EMA]}
    run('whole', **LENGTH, **settings).train()
    broken_off(run, 'parts', 7, **settings)
    assert sorted(path.name for path in (tmp_path / 'parts').glob('iter_*.pth')) == ['iter_4.pth']
    assert sorted(go_on(run, 'parts', **settings)) == [4, 5, 6, 7, 8, 9]
    same(tmp_path / 'whole', tmp_path / 'parts')


@pytest.mark.parametrize('before, after', [(0, 2), (2, 0)])
def test_another_number_of_workers(run, tmp_path, same, before, after):
    run('whole', **LENGTH).train()
    broken_off(run, 'parts', 5, train_dataloader__num_workers=before, val_dataloader__num_workers=before)
    go_on(run, 'parts', train_dataloader__num_workers=after, val_dataloader__num_workers=after)
    same(tmp_path / 'whole', tmp_path / 'parts')


@pytest.mark.parametrize('before, after', [
    ({}, {'+compile': dict(backend='eager')}), ({'+compile': dict(backend='eager')}, {}),
    ({}, {'+model__backbone__with_cp': True}), (dict(custom_hooks=[STOP]), {})], ids=str)
def test_switches_that_change_no_number_may_change(run, tmp_path, same, before, after):
    run('whole', **LENGTH).train()
    broken_off(run, 'parts', 5, **before)
    go_on(run, 'parts', **after)
    same(tmp_path / 'whole', tmp_path / 'parts')


def test_broken_off_three_times(run, tmp_path, same):
    settings = CASES['all together']
    run('whole', **LENGTH, **settings).train()
    broken_off(run, 'parts', 3, **settings)
    for behind in (5, 9):
        broken_off(run, 'parts', behind, resume=True, **settings)
    go_on(run, 'parts', **settings)
    same(tmp_path / 'whole', tmp_path / 'parts')


def test_first_samples_are_not_read_again(run):
    broken_off(run, 'parts', 6)
    runner, read = run('parts', resume=True, **LENGTH), []
    runner.train_dataloader.dataset.dataset.pipeline.transforms.insert(0, lambda d: read.append(d['img_path']) or d)
    runner.train()
    assert len(read) == 2 * (ITERATIONS - 6)


@pytest.mark.parametrize('changes, words', [
    (dict(train_dataloader__batch_size=4), 'x 2 images x 1 accumulated, this run has 1 process x 4 images x 1'),
    ({'+optim_wrapper__accumulative_counts': 2}, 'x 2 images x 1 accumulated, this run has 1 process x 2 images x 2')])
def test_another_total_batch_is_refused(run, changes, words):
    broken_off(run, 'parts', 4)
    with pytest.raises(CheckpointError, match=words):
        go_on(run, 'parts', **changes)


def test_what_is_compared_would_be_seen(run, tmp_path, same):
    """Resuming without the optimizer's state is what the comparison has to find."""
    run('whole', **LENGTH).train()
    broken_off(run, 'parts', 7)
    path = tmp_path / 'parts/iter_6.pth'
    file = torch.load(path, weights_only=True)
    file['optimizer']['state'] = {}
    torch.save(file, path)
    Path(f'{path}.sha256').unlink(missing_ok=True)
    go_on(run, 'parts')
    with pytest.raises(AssertionError, match='weights and buffers at iteration 10'):
        same(tmp_path / 'whole', tmp_path / 'parts')


# -- another number of processes ---------------------------------------------------------------------------------


@pytest.fixture
def train(tiny_config, launched):
    """Train to iteration 8 as tools/train.py does, four images an iteration, on one process or two."""
    def of(folder, processes, *options):
        launched(main, [tiny_config, '--work-dir', folder, *options, '--cfg-options', 'train_cfg.max_iters=8',
                        'default_hooks.checkpoint.interval=4', 'model.decode_head.dropout_ratio=0.',
                        f'train_dataloader.batch_size={4 // processes}',
                        'custom_hooks=[dict(type="EMAHook", momentum=0.1)]'], processes)
        return torch.load(folder / 'iter_8.pth', weights_only=True)

    return of


def farthest(a, b):
    """The largest difference of weights, buffers, average and momentum."""
    pairs = [(a[part][key], b[part][key]) for part in ('state_dict', 'ema_state_dict') for key in a[part]]
    pairs += [(state['momentum_buffer'], b['optimizer']['state'][i]['momentum_buffer'])
              for i, state in a['optimizer']['state'].items()]
    return max((x.double() - y.double()).abs().max().item() for x, y in pairs)


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason='one GPU cannot serve two processes')
def test_another_number_of_processes(train, tmp_path):
    """2 x 2 images and 1 x 4: the same samples; sums are taken in another order, so the last bits may differ."""
    whole = {processes: train(tmp_path / f'whole_{processes}', processes) for processes in (1, 2)}
    for before, after in ((1, 2), (2, 1)):
        assert whole[before]['meta']['total_batch'] == 4
        (tmp_path / f'parts_{after}').mkdir()
        for path in (tmp_path / f'whole_{before}').glob('iter_4.pth*'):
            shutil.copy(path, tmp_path / f'parts_{after}')
        resumed = train(tmp_path / f'parts_{after}', after, '--resume')
        far = farthest(whole[before], resumed)
        print(f'{before} to {after} processes: largest difference {far:.1e}')
        assert far < 1e-4
    again = tmp_path / 'again'
    shutil.copytree(tmp_path / 'parts_1', again, ignore=shutil.ignore_patterns('iter_8*', 'last_checkpoint'))
    assert farthest(resumed, train(again, 1, '--resume')) == 0
