"""Schedules that follow a score, in trainings of either kind (exact resume: test_exact_resume.py)."""
import pytest
import torch
from mmengine.hooks import Hook

from segkit.engine.hooks import ParamSchedulerHook
from segkit.errors import ConfigError

PLATEAU = dict(type='ReduceOnPlateauLR', monitor='mIoU', patience=1, factor=0.5, threshold=0.0, threshold_rule='abs')
SCORES = [10., 30., 20., 25., 40., 40., 40., 50.]


class Rates(Hook):
    """The learning rate at each iteration."""

    def __init__(self):
        self.seen = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.seen.append(runner.optim_wrapper.get_lr()['lr'][-1])


def expected(rule='max', patience=1, scores=SCORES, begin=0):
    """torch's own scheduler on the same scores; one rate for each iteration, with a validation after each."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode=rule, factor=0.5, patience=patience, threshold=0.0, threshold_mode='abs')
    rates = []
    for number, score in enumerate(scores, 1):
        rates.append(optimizer.param_groups[0]['lr'])
        if number >= begin:
            schedule.step(score)
    return rates


@pytest.fixture
def rates(run):
    """Train with given scores, and give the rates."""

    def of(**overrides):
        runner = run(**{'train_cfg__max_iters': len(SCORES), 'train_cfg__val_interval': 1,
                        'default_hooks__checkpoint__interval': 50, 'optim_wrapper__paramwise_cfg': None, **overrides})
        runner.val_loop.evaluator.evaluate = lambda size: dict(mIoU=SCORES[(runner.epoch or runner.iter) - 1])
        runner.val_loop.run_iter = lambda index, batch: None
        hook = Rates()
        runner.register_hook(hook)
        runner.train()
        return hook.seen

    return of


def test_iterations(rates, capsys):
    # The rule is that of the name; MMEngine's default, 'less', would lower the rate while the mIoU gets better.
    assert rates(param_scheduler=[PLATEAU]) == pytest.approx(expected())
    assert 'mIoU has stopped getting better: lr 0.01 -> 0.005' in capsys.readouterr().out
    assert len(set(expected())) == 3


@pytest.mark.parametrize('by_epoch', [True, False])
def test_by_epoch_says_nothing_about_when_it_looks(rates, by_epoch):
    assert rates(param_scheduler=[dict(PLATEAU, by_epoch=by_epoch, rule='less')]) == pytest.approx(expected('min'))


def test_begin_counts_iterations(rates):
    assert rates(param_scheduler=[dict(PLATEAU, by_epoch=False, begin=4)]) == pytest.approx(expected(begin=4))


def test_epochs(rates):
    loop = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=len(SCORES), val_interval=1)
    seen = rates(train_cfg=loop, train_cfg__max_iters=None, train_cfg__val_interval=1, param_scheduler=[PLATEAU],
                 train_dataloader__sampler__type='DefaultSampler', train_dataloader__batch_size=7)
    assert seen == pytest.approx(expected())


def test_a_score_that_there_is_not_is_found_before_the_first_step(run):
    with pytest.raises(ConfigError, match=r"param_scheduler.0.monitor='mIOU' is not a score.*\n.*\nNearest: mIoU"):
        run(param_scheduler=[dict(PLATEAU, monitor='mIOU', rule='greater')])


def test_a_score_that_a_metric_of_the_user_s_leaves_out(run):
    runner = run(param_scheduler=[PLATEAU], train_cfg__max_iters=1, default_hooks__checkpoint__save_best=None)
    runner.val_loop.evaluator.evaluate = lambda size: dict(other=1.0)
    with pytest.raises(ConfigError, match="monitor='mIoU' of ReduceOnPlateauLR is not a score of the validation.\n"
                                          'Its scores: other'):
        runner.train()


def test_a_validation_is_looked_at_once(run):
    """One that a stopped run has seen, and one that is done again after a kill in the middle of it."""
    runner = run(param_scheduler=[PLATEAU], train_cfg__max_iters=1)
    runner.train()
    hook = next(one for one in runner.hooks if isinstance(one, ParamSchedulerHook))
    before = runner.param_schedulers[0].state_dict()
    hook.after_val_epoch(runner, dict(mIoU=0.0))
    runner.validated_at, runner.validated_scores = runner.iter, dict(mIoU=0.0)
    hook.before_train(runner)
    assert runner.param_schedulers[0].state_dict() == before
    assert before['best'] is not None
