"""EarlyStoppingHook: when a run ends, what it says, and that a resumed run counts on."""
import json

import pytest
import torch

from segkit.engine.hooks import EarlyStoppingHook
from segkit.errors import ConfigError

STOP = [dict(type='EarlyStoppingHook', monitor='mIoU', patience=2, min_delta=1.0)]
LONG = dict(train_cfg__max_iters=20, train_cfg__val_interval=2)


@pytest.fixture
def scored(run):
    """Build a runner whose validation at iteration i scores ``scores[i]``."""

    def build(scores, work_dir='run', **overrides):
        runner = run(work_dir, **{**LONG, 'custom_hooks': STOP, **overrides})
        evaluator = runner.val_evaluator
        evaluate = evaluator.evaluate

        def given(size):
            return {**evaluate(size), 'mIoU': scores[runner.iter]}

        evaluator.evaluate = given
        return runner

    return build


SCORES = {2: 10.0, 4: 20.0, 6: 20.9, 8: 20.5, 10: 30.0, 12: 40.0, 14: 50.0, 16: 60.0, 18: 70.0, 20: 80.0}


def test_run_ends_and_says_why(scored, tmp_path, capsys):
    runner = scored(SCORES)
    runner.train()
    out = capsys.readouterr().out
    assert runner.iter == 8
    assert 'stopping early, at iteration 8: mIoU was not better than 20.00 by 1.0 in 2 validations' in out
    assert 'done: 8 iterations' in out
    assert (tmp_path / 'run/iter_8.pth').is_file()
    state = torch.load(tmp_path / 'run/best_mIoU.pth', weights_only=True)['meta']
    assert (state['iter'], state['best_score']) == (6, 20.9)  # better is better; min_delta is about stopping


def test_last_checkpoint_is_saved_where_no_interval_falls(scored, tmp_path):
    scored(SCORES, default_hooks__checkpoint__interval=5).train()
    assert (tmp_path / 'run/last_checkpoint').read_text() == str(tmp_path / 'run/iter_8.pth')


@pytest.mark.parametrize('killed_at', [4, 5, 6, 7, 8])
def test_resumed_run_counts_on(scored, tmp_path, killed_at):
    first = scored(SCORES, default_hooks__checkpoint__interval=1)
    step = first.train_loop.run_iter

    def until(*batch):
        if first.iter == killed_at:
            raise KeyboardInterrupt
        step(*batch)

    first.train_loop.run_iter = until
    if killed_at < 8:
        with pytest.raises(KeyboardInterrupt):
            first.train()
        assert first.iter == killed_at
    else:
        first.train()
    second = scored(SCORES, resume=True)
    second.train()
    assert second.iter == 8
    state = second.message_hub.get_info('early_stopping')['mIoU']
    assert state == dict(best=20.0, waited=2, last=20.5, counted_at=8)


def test_stopped_run_says_so_when_it_is_resumed(scored, tmp_path, capsys):
    scored(SCORES).train()
    before = (tmp_path / 'run/vis_data/scalars.json').read_text()
    capsys.readouterr()
    again = scored(SCORES, resume=True)
    again.train()
    out = capsys.readouterr().out
    assert again.iter == 8
    assert 'this run has stopped early, at iteration 8: mIoU was not better' in out
    assert 'set a greater patience' in out
    assert (tmp_path / 'run/vis_data/scalars.json').read_text() == before

    more = scored(SCORES, resume=True, custom_hooks=[dict(STOP[0], patience=3)])
    more.train()
    assert more.iter == 20  # 30 at iteration 10 is better than 20, and so on


def test_without_the_hook_a_stopped_run_goes_on(scored):
    scored(SCORES).train()
    more = scored(SCORES, resume=True, custom_hooks=[])
    more.train()
    assert more.iter == 20


def test_threshold(scored, capsys):
    runner = scored(SCORES, custom_hooks=[dict(STOP[0], stopping_threshold=19.0)])
    runner.train()
    assert runner.iter == 4
    assert 'mIoU has reached 20.00, past stopping_threshold=19.0' in capsys.readouterr().out


@pytest.mark.parametrize('check_finite, ends_at', [(True, 4), (False, 6)])
def test_nan_is_no_improvement(scored, check_finite, ends_at):
    runner = scored({**SCORES, 4: float('nan'), 6: 5.0, 8: 100.0},
                    custom_hooks=[dict(STOP[0], check_finite=check_finite)])
    runner.train()
    assert runner.iter == ends_at


def test_less_can_be_better(scored):
    runner = scored({n: 1 / n for n in range(1, 21)}, custom_hooks=[dict(STOP[0], rule='less', min_delta=0.1)])
    runner.train()
    # 0.5, 0.25, 0.167, 0.125, 0.1 and 0.083: better by 0.1 than the best before are the second and the fourth.
    assert runner.iter == 12


def test_score_that_does_not_exist_names_those_that_do(run):
    runner = run()
    runner.register_hook(EarlyStoppingHook(monitor='mIoW', rule='greater'))  # not by config, which is checked before
    with pytest.raises(ConfigError, match="'mIoW' is not a score.*\nIts scores: .*mIoU"):
        runner.train()


def test_it_may_be_passed_over(run, capsys):
    runner = run(custom_hooks=[dict(type='EarlyStoppingHook', monitor='x_acc', strict=False)])
    runner.train()
    assert runner.iter == 6 and 'It is passed over' in capsys.readouterr().out


def test_validation_losses_are_better_when_they_are_less():
    assert EarlyStoppingHook('val/decode.loss_dice').sign == -1 and EarlyStoppingHook('mDice').sign == 1


def test_run_without_validation_is_refused(run):
    runner = run(custom_hooks=STOP, val_dataloader=None, val_cfg=None, val_evaluator=None)
    with pytest.raises(ConfigError, match='no val_dataloader'):
        runner.train()
    assert runner.iter == 0


@pytest.mark.parametrize('kwargs, words', [
    (dict(monitor='speed'), "cannot be told.\nSet rule='greater'"), (dict(monitor='mIoU', rule='more'), 'Set rule='),
    (dict(monitor='mIoU', patience=0), 'patience is 0'), (dict(monitor='mIoU', min_delta=-1), 'min_delta is -1')])
def test_arguments_are_checked(kwargs, words):
    with pytest.raises(ConfigError, match=words):
        EarlyStoppingHook(**kwargs)


def test_all_processes_follow_the_first(scored, monkeypatch):
    """Where a score differs between processes, what the first one decides is what all do."""

    def from_another(values):
        values[0] = 'the first process says so'

    monkeypatch.setattr('segkit.engine.hooks.early_stopping_hook.broadcast_object_list', from_another)
    runner = scored(SCORES)
    runner.train()
    assert runner.iter == 2


def test_scores_are_on_record_only_when_the_best_weights_are(scored, tmp_path):
    """A run killed while it saves its best weights must validate again."""
    runner = scored(SCORES)
    save = runner.save_checkpoint

    def killed(folder, name, **kwargs):
        if name.startswith('best'):
            raise KeyboardInterrupt
        save(folder, name, **kwargs)

    runner.save_checkpoint = killed
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    scored(SCORES, resume=True).train()
    rows = [json.loads(line) for line in (tmp_path / 'run/vis_data/scalars.json').read_text().splitlines()]
    assert [row['step'] for row in rows if 'mIoU' in row] == [2, 4, 6, 8]
    assert torch.load(tmp_path / 'run/best_mIoU.pth', weights_only=True)['meta']['iter'] == 6
