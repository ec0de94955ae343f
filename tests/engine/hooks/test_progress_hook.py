"""ProgressHook: the line, its times, and which iterations compute accuracies."""
import json
import re
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from segkit.engine import ProgressHook
from segkit.engine.hooks import progress_hook
from segkit.engine.run_state import interval_numbers


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_hook.time, 'perf_counter', clock)
    return clock


@pytest.fixture
def runner(runner):
    scalars = []
    runner.model = nn.Module()
    runner.model.log_accuracy = None
    runner.optim_wrapper = SimpleNamespace(param_groups=[dict(lr=0.01), dict(lr=0.1), dict(lr=0.01)])
    runner.log_processor = SimpleNamespace(get_log_after_iter=lambda runner, i, mode: (
        {'loss': torch.tensor(1.25), 'decode.acc_seg': 74.7, 'lr': 0.01}, ''))
    runner.visualizer = SimpleNamespace(add_scalars=lambda tag, step: scalars.append((step, tag)))
    runner.scalars = scalars
    runner.console = SimpleNamespace(terminal=False, live=runner.lines.append)
    runner._train_loop = object()
    runner.val_dataloader = SimpleNamespace(dataset=range(7))
    return runner


def train(hook, runner, clock, iterations, wait=0.25, compute=0.75):
    for i in iterations:
        runner.iter = i
        clock.now += wait
        hook.before_train_iter(runner, i)
        clock.now += compute
        hook.after_train_iter(runner, i)


def test_line(runner, clock):
    hook = ProgressHook(interval=2)
    hook.before_train(runner)
    train(hook, runner, clock, range(2))
    line, = runner.lines
    assert re.fullmatch(r'iter 2/10  left 0:00:08  1\.00 it/s  data 25%  loss 1\.2500  best mIoU -  lr 0\.01/0\.1'
                        r'  acc 74\.7  mem \d+ MB', line)
    assert runner.log_interval == 2


def test_numbers_for_the_backends_are_floats(runner, clock):
    hook = ProgressHook(interval=2)
    hook.before_train(runner)
    train(hook, runner, clock, range(2))
    (step, tag), = runner.scalars
    assert step == 2 and tag['loss'] == 1.25 and tag['data_share'] == pytest.approx(0.25)
    json.dumps(tag)


def test_accuracy_only_where_it_is_logged(runner, clock):
    hook = ProgressHook(interval=4)
    hook.before_train(runner)
    asked = []
    for i in range(10):
        train(hook, runner, clock, [i])
        asked.append(runner.model.log_accuracy)
    assert [i + 1 for i, wanted in enumerate(asked) if wanted] == [4, 8, 10]  # the last one too


def test_time_left_has_the_validations_in_it(runner, clock):
    hook = ProgressHook(interval=2)
    runner.val_loop = object()
    hook.before_train(runner)
    train(hook, runner, clock, range(5))
    runner.iter = 5
    hook.before_val(runner)
    clock.now += 30.0
    hook.after_val_epoch(runner, dict(aAcc=80.0, mIoU=40.0))
    hook.after_val(runner)
    runner.message_hub.update_info_dict(dict(best_name='mIoU', best_score=40.0))
    train(hook, runner, clock, range(5, 6))
    # Four iterations of a second and one validation of 30; what the first one took is not in the speed.
    assert 'iter 6/10  left 0:00:34  1.00 it/s  data 25%' in runner.lines[-1]
    assert 'best mIoU 40.00' in runner.lines[-1]
    assert 'validation at iter 5: mIoU 40.00  aAcc 80.00  (7 images in 0:00:30)' in runner.lines
    assert runner.scalars[-2] == (5, dict(aAcc=80.0, mIoU=40.0))


def test_scores_at_the_epoch(runner, clock):
    hook = ProgressHook(log_metric_by_epoch=True)
    runner.epoch = 3
    hook.before_val(runner)
    hook.after_val_epoch(runner, dict(mIoU=1.0))
    assert runner.scalars == []  # first every hook is to be through with them
    hook.after_val(runner)
    assert runner.scalars == [(3, dict(mIoU=1.0))]


def test_terminal_is_kept_moving_between_logged_iterations(runner, clock):
    hook = ProgressHook(interval=5)
    runner.console.terminal = True
    hook.before_train(runner)
    train(hook, runner, clock, range(2))
    assert [line.split('  ')[0] for line in runner.lines] == ['iter 1/10', 'iter 2/10']
    assert 'left 0:00:09' in runner.lines[0]


def test_validation_progress(runner, clock):
    hook = ProgressHook(interval=2)
    runner.val_dataloader = ['batch'] * 5
    hook.before_val(runner)
    for i in range(5):
        clock.now += 2.0
        hook.after_val_iter(runner, i)
    assert [line.split('  mem')[0] for line in runner.lines] == [
        'validation 2/5 batches  left 0:00:06  0.50 it/s', 'validation 4/5 batches  left 0:00:02  0.50 it/s']


def test_slow_evaluation_says_something_every_ten_seconds(runner, clock):
    hook = ProgressHook(interval=50)
    runner.val_dataloader = ['batch'] * 8
    hook.before_val(runner)
    for i in range(8):
        clock.now += 6.0
        hook.after_val_iter(runner, i)
    assert [line.split(' batches')[0] for line in runner.lines] == [f'validation {i}/8' for i in (2, 4, 6)]


def test_loss_is_the_mean_of_the_interval_for_the_line_and_for_the_table(runner, clock):
    hook = ProgressHook(interval=4)
    hook.before_train(runner)
    for i, loss in enumerate((9., 1., 2., 3., 4., 4., 4., 8.)):
        runner.message_hub.update_scalar('train/loss', loss)
        if i == 4:  # a validation falls inside the interval
            hook.before_val(runner)
            hook.after_val(runner)
        train(hook, runner, clock, [i])
    assert ['loss 3.7500' in runner.lines[0], 'loss 5.0000' in runner.lines[1]] == [True, True]
    assert [tag['loss'] for _, tag in runner.scalars][:2] == [3.75, 5.0]
    assert interval_numbers(runner) == dict(loss=5.0)


def test_test_writes_its_scores(runner, clock, tmp_path):
    hook = ProgressHook()
    runner.test_dataloader = SimpleNamespace(dataset=range(3))
    hook.before_test(runner)
    hook.after_test_epoch(runner, dict(mIoU=torch.tensor(12.5)))
    assert json.loads((tmp_path / 'test/metrics.json').read_text()) == dict(mIoU=12.5)


@pytest.mark.parametrize('iteration, left', [(4, [2, 4]), (0, [])])
def test_rows_behind_the_checkpoint_are_forgotten(runner, clock, tmp_path, iteration, left):
    path = tmp_path / 'vis_data/scalars.json'
    path.parent.mkdir()
    path.write_text(''.join(json.dumps(dict(loss=1.0, step=step)) + '\n' for step in (2, 4, 6))
                    + '\0\0\0\n{"loss": 1.0, "st')  # what a power cut and a kill leave
    runner.iter = iteration
    ProgressHook().before_train(runner)
    assert [json.loads(row)['step'] for row in path.read_text().splitlines()] == left


def test_old_name():
    from segkit.registry import HOOKS
    assert HOOKS.get('LoggerHook') is HOOKS.get('ProgressHook') is ProgressHook
