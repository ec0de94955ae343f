"""Counts of iterations, rescaled."""
import copy
from fractions import Fraction

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import PARAM_SCHEDULERS

from segkit.engine.iteration_counts import rescale
from segkit.engine.schedule import fill_ends

N = 24  # updates of the recipe


def rates(schedules, factor, lr=0.01):
    """The learning rate of each update, where one takes ``factor`` iterations."""
    cfg = Config(dict(train_cfg=dict(max_iters=N), param_scheduler=copy.deepcopy(schedules)))
    rescale(cfg, Fraction(factor))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    built = [PARAM_SCHEDULERS.build(s, default_args=dict(optimizer=optimizer))
             for s in fill_ends(list(cfg.param_scheduler), cfg.train_cfg)]
    found = []
    for iteration in range(cfg.train_cfg.max_iters):
        if (iteration + 1) % factor == 0:
            found.append(optimizer.param_groups[0]['lr'])
            optimizer.step()
        for one in built:
            one.step()
    assert len(found) == N
    return found


def schedule(kind, **kw):
    return ConfigDict(type=kind, by_epoch=False, **kw)


@pytest.mark.filterwarnings('ignore:Detected call of `scheduler.step')  # an update may come after several of them
@pytest.mark.parametrize('factor', [2, 4, 5])
@pytest.mark.parametrize('schedules', [
    [schedule('PolyLR', eta_min=1e-4, power=0.9, begin=0)],
    [schedule('PolyLR', eta_min=0, power=0.9, end=N + 1)],
    [schedule('LinearLR', start_factor=0.01, begin=0, end=6), schedule('PolyLR', eta_min=0, power=1., begin=6, end=N)],
    [schedule('ConstantLR', factor=0.1, end=5)],
    [schedule('StepLR', step_size=7, gamma=0.3)],
    [schedule('MultiStepLR', milestones=[3, 11, 20], gamma=0.5)],
    [schedule('ExponentialLR', gamma=0.9)],
    [schedule('CosineAnnealingLR', T_max=N, eta_min=1e-5)],
    [schedule('CosineAnnealingLR', begin=4, end=N, eta_min_ratio=0.1)],
    [schedule('CosineRestartLR', periods=[8, 16], restart_weights=[1, 0.5], eta_min=1e-5)],
], ids=lambda s: '+'.join(one['type'] for one in s) + str(len(s[0])))
def test_each_update_has_the_learning_rate_of_the_recipe(schedules, factor):
    expected, found = rates(schedules, 1), rates(schedules, factor)
    assert len(set(expected)) > 1
    # The same but for the rounding of a chain of ``factor`` times as many products.
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.filterwarnings('ignore:Detected call of `scheduler.step')
def test_one_cycle_comes_within_a_step(factor=4):
    cycle = [schedule('OneCycleLR', eta_max=0.01, total_steps=N)]
    assert max(abs(a - b) for a, b in zip(rates(cycle, 1), rates(cycle, factor))) < 0.01 * 3 / N


def rescaled(factor=4, **parts):
    cfg = Config(dict(train_cfg=dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000), **parts))
    changes, left = rescale(cfg, Fraction(factor))
    return cfg, changes, left


def test_training_and_hooks():
    cfg, changes, left = rescaled(default_hooks=dict(
        checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2000, save_begin=10),
        logger=dict(type='ProgressHook', interval=50), visualization=dict(type='SegVisualizationHook', interval=50),
        timer=None), custom_hooks=[dict(type='EMAHook', begin_iter=100, interval=3), dict(type='MyHook', interval=7)])
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval) == (80000, 8000)
    checkpoint = cfg.default_hooks.checkpoint
    assert (checkpoint.interval, checkpoint.save_begin) == (8000, 40)
    assert cfg.default_hooks.logger.interval == cfg.default_hooks.visualization.interval == 50
    assert (cfg.custom_hooks[0].begin_iter, cfg.custom_hooks[0].interval) == (400, 3)
    assert cfg.custom_hooks[1].interval == 7 and left == ['custom_hooks.1.interval']
    assert 'train_cfg.max_iters 20000 -> 80000' in changes and len(changes) == 5


def test_no_checkpoint_by_interval_stays_none():
    cfg, _, _ = rescaled(default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=-1)))
    assert cfg.default_hooks.checkpoint.interval == -1


def test_validations_come_after_the_same_updates():
    def validated(train_cfg):
        intervals = [(0, train_cfg['val_interval']), *train_cfg['dynamic_intervals']]
        for done in range(1, train_cfg['max_iters'] + 1):
            interval = [i for start, i in intervals if start <= done + 1][-1]
            if done >= train_cfg['val_begin'] and done % interval == 0:
                yield done

    own = dict(type='IterBasedTrainLoop', max_iters=40, val_interval=10, val_begin=20, dynamic_intervals=[(31, 3)])
    cfg = Config(dict(train_cfg=own))
    expected = list(validated(own))
    rescale(cfg, Fraction(4))
    assert [done / 4 for done in validated(cfg.train_cfg)] == expected == [20, 30, 33, 36, 39]


def test_what_counts_epochs_stays():
    cfg = Config(dict(train_cfg=dict(by_epoch=True, max_epochs=30, val_interval=1),
                      param_scheduler=[dict(type='PolyLR', by_epoch=True, end=30),
                                       dict(type='LinearLR', by_epoch=False, begin=0, end=500, start_factor=0.1)],
                      default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1))))
    rescale(cfg, Fraction(2))
    assert cfg.train_cfg == dict(by_epoch=True, max_epochs=30, val_interval=1)
    assert cfg.param_scheduler[0].end == 30 and cfg.param_scheduler[1].end == 1000
    assert cfg.default_hooks.checkpoint.interval == 1


def test_there_and_back_again():
    parts = dict(param_scheduler=[dict(type='PolyLR', by_epoch=False, begin=100, end=20000)])
    cfg, _, _ = rescaled(4, **parts)
    assert cfg.param_scheduler[0].begin == 403
    rescale(cfg, Fraction(1, 4))
    assert cfg.param_scheduler[0].begin == 100 and cfg.train_cfg.max_iters == 20000


def test_a_count_that_does_not_come_out_whole_is_rounded_up():
    cfg, _, _ = rescaled(Fraction(1, 3))
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval) == (6667, 667)
