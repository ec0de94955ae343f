"""A resumed run whose config says other rates or schedules: they are those of a run with that config from its start."""
import copy

import pytest
import torch
from mmengine.hooks import Hook

from segkit.engine.resumed_rates import rate
from segkit.errors import CheckpointError

POLY = dict(type='PolyLR', eta_min=0, power=0.9, begin=0, by_epoch=False)
SGD = dict(type='SGD', lr=0.01, momentum=0.9)


class Groups(Hook):
    """The parameter groups that each iteration trains with."""

    priority = 'VERY_HIGH'

    def __init__(self):
        self.seen = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.seen[runner.iter] = [{k: v for k, v in group.items() if k != 'params'}
                                  for group in runner.optim_wrapper.param_groups]


def trained(run, folder, resume=False, **overrides):
    runner, groups = run(folder, resume=resume, **overrides), Groups()
    runner.register_hook(groups)
    runner.train()
    return groups.seen


def changed(run, capsys, before, after):
    """Four iterations with one config and on with another; what was said, behind the comparison with a fresh run."""
    whole = trained(run, 'whole', **after)
    runner = run('parts', **before)
    runner.register_hook(Stop(4))
    with pytest.raises(Stopped):
        runner.train()
    capsys.readouterr()
    seen = trained(run, 'parts', resume=True, **after)
    assert min(seen) == 4 and max(seen) == max(whole)
    assert all(seen[i] == whole[i] for i in seen)  # to the last bit
    out = capsys.readouterr().out
    assert all(len(line) < 200 for line in out.splitlines() if 'in the checkpoint' in line)
    return [line for line in out.splitlines() if 'in the checkpoint' in line]


def schedule(*several):
    return dict(param_scheduler=list(several))


POLY6 = schedule(dict(POLY, end=6))
MILESTONES = dict(type='MultiStepLR', milestones=[2, 5], gamma=0.1, by_epoch=False)
WARMUP = dict(type='LinearLR', start_factor=0.1, begin=0, end=3, by_epoch=False)


@pytest.mark.parametrize('before, after, said', [
    (POLY6, dict(POLY6, optim_wrapper__optimizer__lr=0.0001),
     'optim_wrapper.optimizer.lr: 0.01 in the checkpoint, 0.0001 now; the learning rate goes on at 0.0000235'),
    (dict(POLY6), dict(POLY6, optim_wrapper__optimizer__momentum=0.5),
     'optim_wrapper.optimizer.momentum: 0.9 in the checkpoint, 0.5 now'),
    (POLY6, dict(POLY6, **{'+optim_wrapper__optimizer__weight_decay': 0.0005}),
     'optim_wrapper.optimizer.weight_decay: 0 in the checkpoint, 0.0005 now'),
    (POLY6, dict(POLY6, optim_wrapper__paramwise_cfg__custom_keys__decode_head__lr_mult=5.),
     'optim_wrapper.paramwise_cfg, lr of 20 of'),
    (schedule(dict(POLY, end=4)), dict(schedule(dict(POLY, end=8)), train_cfg__max_iters=8),
     'param_scheduler.0.end: 4 in the checkpoint, 8 now; the learning rate goes on at 0.00466'),
    (schedule(POLY), dict(schedule(POLY), train_cfg__max_iters=8), 'param_scheduler.0.end: 6 in the checkpoint, 8 now'),
    (schedule(MILESTONES), schedule(dict(MILESTONES, milestones=[1, 5])),
     'param_scheduler.0.milestones: [2, 5] in the checkpoint, [1, 5] now; the learning rate goes on at 0.001'),
    (schedule(WARMUP, dict(POLY, begin=3, end=6)), schedule(WARMUP, dict(POLY, begin=3, end=9)),
     'param_scheduler.1.end: 6 in the checkpoint, 9 now'),
    (POLY6, schedule(WARMUP, dict(POLY, begin=3, end=9)), 'param_scheduler: 1 schedule in the checkpoint, 2 schedules'),
    (POLY6, schedule(MILESTONES), 'param_scheduler.0: of another kind in the checkpoint, MultiStepLR now'),
    (POLY6, schedule(), 'param_scheduler: 1 schedule in the checkpoint, 0 schedules now'),
    (schedule(), POLY6, 'param_scheduler: 0 schedules in the checkpoint, 1 schedule now'),
], ids=str)
def test_the_config_s_take_effect(run, capsys, before, after, said):
    lines = changed(run, capsys, before, after)
    assert len(lines) == 1 and said in lines[0], lines


def test_both_betas_of_adam(run, capsys):
    adam = dict(_delete_=True, type='AdamW', lr=0.001)
    before = dict(POLY6, optim_wrapper__optimizer=adam)
    after = dict(POLY6, optim_wrapper__optimizer=dict(adam, betas=(0.8, 0.99), lr=0.002))
    lines = changed(run, capsys, before, after)
    assert len(lines) == 2
    assert 'optim_wrapper.optimizer.betas: (0.9, 0.999) in the checkpoint, (0.8, 0.99) now' in lines[1]


def test_a_moved_momentum_is_no_change(run, capsys):
    momentum = dict(type='PolyMomentum', eta_min=0.5, power=1.0, begin=0, end=6, by_epoch=False)
    for optimizer in (SGD, dict(type='AdamW', lr=0.001)):
        settings = dict(schedule(dict(POLY, end=6), momentum), optim_wrapper__optimizer=dict(optimizer, _delete_=True))
        assert changed(run, capsys, settings, settings) == []


def test_what_the_optimizer_has_gathered_is_kept(run, tmp_path):
    trained(run, 'parts', **POLY6, train_cfg__max_iters=4)
    saved = torch.load(tmp_path / 'parts/iter_4.pth', weights_only=True)['optimizer']['state']
    runner = run('parts', resume=True, **POLY6, optim_wrapper__optimizer__lr=0.0001)
    found = {}

    class Look(Hook):
        def before_train(self, runner):
            found.update(copy.deepcopy(runner.optim_wrapper.state_dict()['state']))

    buffers = {k: v['momentum_buffer'].clone() for k, v in saved.items()}
    runner.register_hook(Look())
    runner.register_hook(Stop())
    with pytest.raises(Stopped):
        runner.train()
    assert found and all(torch.equal(found[k]['momentum_buffer'], buffers[k]) for k in buffers)


class Stopped(Exception):
    """Ends a run in front of its first iteration."""


class Stop(Hook):
    def __init__(self, behind=0):
        self.behind = behind

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter >= self.behind:
            raise Stopped


def test_a_schedule_that_follows_scores_cannot_be_repeated(run):
    plateau = schedule(dict(type='ReduceOnPlateauLR', monitor='mIoU', rule='greater', by_epoch=True))
    loop = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=2, val_interval=1)
    settings = dict(plateau, train_cfg=loop, train_dataloader__sampler__type='DefaultSampler')
    trained(run, 'parts', **settings)
    longer = dict(settings, train_cfg=dict(loop, max_epochs=3))
    with pytest.raises(CheckpointError, match='follows the scores of earlier validations'):
        trained(run, 'parts', resume=True, **longer, optim_wrapper__optimizer__lr=0.0001)
    assert trained(run, 'parts', resume=True, **longer)


def test_epochs_are_counted(run, capsys):
    loop = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=2, val_interval=1)
    settings = dict(train_cfg=loop, train_dataloader__sampler__type='DefaultSampler',
                    param_scheduler=[dict(type='PolyLR', eta_min=0, power=0.9, by_epoch=True)])
    longer = dict(settings, train_cfg=dict(loop, max_epochs=4))
    whole = trained(run, 'whole', **longer)
    trained(run, 'parts', **settings)
    capsys.readouterr()
    seen = trained(run, 'parts', resume=True, **longer)
    assert seen and all(seen[i] == whole[i] for i in seen)
    assert 'param_scheduler.0.end: 2 in the checkpoint, 4 now' in capsys.readouterr().out


def test_what_the_gathered_does_not_fit_is_refused(run):
    adam = dict(_delete_=True, type='AdamW', lr=0.001)
    trained(run, 'parts', optim_wrapper__optimizer=adam, train_cfg__max_iters=2)
    with pytest.raises(CheckpointError, match='optimizer.amsgrad: False in the checkpoint, True now'):
        trained(run, 'parts', resume=True, optim_wrapper__optimizer=dict(adam, amsgrad=True))


@pytest.mark.parametrize('value, text', [(0.0000311234, '0.0000311'), (0.01, '0.01'), (0., '0'), (1e30, '1e+30'),
                                         (1e-12, '1e-12'), (float('inf'), 'inf')])
def test_rates_are_readable(value, text):
    assert rate(value) == text
