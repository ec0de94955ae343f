"""CheckpointHook: what is kept, what is best."""
import pytest

from segkit.engine import CheckpointHook
from segkit.errors import ConfigError


def walk(hook, runner, scores=(), start=0):
    """Iterate to the end; validate every fifth iteration."""
    scores = iter(scores)
    runner.iter = start
    hook.before_train(runner)
    for i in range(start, runner.max_iters):
        runner.iter = i
        hook.after_train_iter(runner, i)
        runner.iter = i + 1
        if (i + 1) % 5 == 0:
            score = next(scores, None)
            if score is not None:
                hook.after_val_epoch(runner, dict(aAcc=50.0, mIoU=score))


def files(tmp_path):
    return {p.name for p in tmp_path.glob('*.pth')}


def test_two_full_checkpoints_and_the_best(runner, tmp_path):
    walk(CheckpointHook(interval=3, by_epoch=False), runner, [40.0, 30.0])
    assert [name for name, _ in runner.saved] == ['iter_3.pth', 'best_mIoU.pth', 'iter_6.pth', 'iter_9.pth',
                                                  'iter_10.pth']
    assert files(tmp_path) == {'iter_9.pth', 'iter_10.pth', 'best_mIoU.pth'}
    best = dict(runner.saved)['best_mIoU.pth']
    assert best['save_optimizer'] is best['save_param_scheduler'] is False
    assert best['meta']['best_score'] == 40.0 and best['meta']['iter'] == 5
    assert runner.message_hub.get_info('best_score') == 40.0
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'iter_10.pth')


def test_better_score_replaces_the_best(runner):
    walk(CheckpointHook(by_epoch=False), runner, [40.0, 41.0])
    assert [kw['meta']['best_score'] for name, kw in runner.saved if name.startswith('best')] == [40.0, 41.0]


def test_less_is_better_where_it_is_said(runner):
    walk(CheckpointHook(by_epoch=False, rule='less'), runner, [40.0, 41.0])
    assert [kw['meta']['best_score'] for name, kw in runner.saved if name.startswith('best')] == [40.0]


def test_undefined_score_is_never_the_best(runner):
    walk(CheckpointHook(by_epoch=False), runner, [float('nan'), 1.0])
    assert [kw['meta']['best_score'] for name, kw in runner.saved if name.startswith('best')] == [1.0]


def test_several_scores_and_auto(runner, tmp_path):
    walk(CheckpointHook(by_epoch=False, save_best=['mIoU', 'aAcc']), runner, [1.0])
    assert {'best_mIoU.pth', 'best_aAcc.pth'} <= files(tmp_path)
    assert runner.message_hub.get_info('best_name') == 'mIoU'


def test_auto_takes_the_first_score(runner, tmp_path):
    walk(CheckpointHook(by_epoch=False, save_best='auto'), runner, [1.0])
    assert 'best_aAcc.pth' in files(tmp_path)


@pytest.mark.parametrize('keep, left', [(-1, {2, 4, 6, 8, 10}), (1, {10}), (3, {6, 8, 10})])
def test_how_many_are_kept(runner, tmp_path, keep, left):
    walk(CheckpointHook(interval=2, by_epoch=False, max_keep_ckpts=keep), runner)
    assert files(tmp_path) == {f'iter_{n}.pth' for n in left}


def test_when_saving_begins_and_ends(runner, tmp_path):
    walk(CheckpointHook(interval=2, by_epoch=False, save_begin=5, save_last=False, max_keep_ckpts=-1,
                        filename_tmpl='w{}.pth'), runner)
    assert files(tmp_path) == {'w5.pth', 'w7.pth', 'w9.pth'}  # MMEngine counts the interval from save_begin


def test_resumed_run_knows_the_best_and_what_to_remove(runner, tmp_path):
    walk(CheckpointHook(interval=2, by_epoch=False), runner, [40.0])
    hub = runner.message_hub
    assert files(tmp_path) == {'iter_8.pth', 'iter_10.pth', 'best_mIoU.pth'}
    runner.saved.clear()
    hub.update_info('keep_ckpt_ids', [8, 10])
    runner.max_iters = 15
    walk(CheckpointHook(interval=2, by_epoch=False), runner, [39.0], start=10)
    assert files(tmp_path) == {'iter_14.pth', 'iter_15.pth', 'best_mIoU.pth'}
    assert not any(name.startswith('best') for name, _ in runner.saved)


def test_fresh_run_in_an_old_folder_has_no_best_yet(runner, tmp_path):
    walk(CheckpointHook(by_epoch=False), runner, [90.0])
    runner.message_hub.pop_info('best_score')
    walk(CheckpointHook(by_epoch=False), runner, [10.0])
    assert dict(runner.saved)['best_mIoU.pth']['meta']['best_score'] == 10.0


def test_damaged_best_is_said_and_written_anew(runner, tmp_path):
    (tmp_path / 'best_mIoU.pth').write_bytes(b'half')
    walk(CheckpointHook(by_epoch=False), runner, [5.0], start=4)
    assert 'The next validation writes it anew.' in runner.lines[0]
    assert dict(runner.saved)['best_mIoU.pth']['meta']['best_score'] == 5.0


def test_own_folder_elsewhere(runner, tmp_path):
    (tmp_path / 'out' / tmp_path.name).mkdir(parents=True)
    walk(CheckpointHook(by_epoch=False, out_dir=str(tmp_path / 'out')), runner)
    assert (tmp_path / 'out' / tmp_path.name / 'iter_10.pth').exists()
    assert (tmp_path / 'last_checkpoint').read_text().endswith(f'out/{tmp_path.name}/iter_10.pth')


def test_score_that_is_not_there(runner):
    with pytest.raises(ConfigError, match="save_best='mDice' is not a score.*\nIts scores: aAcc, mIoU"):
        walk(CheckpointHook(by_epoch=False, save_best='mDice'), runner, [1.0])


@pytest.mark.parametrize('kwargs', [dict(save_best='zeal'), dict(rule='bigger'), dict(rule=['less', 'less'])])
def test_unclear_rules(kwargs):
    with pytest.raises(ConfigError, match='default_hooks.checkpoint'):
        CheckpointHook(**kwargs)


def test_run_killed_before_it_removed_a_checkpoint_removes_it_later(runner, tmp_path, monkeypatch):
    """Kept are two; at the third save the process dies before the first one is removed."""
    from segkit import checkpoint
    monkeypatch.setattr(checkpoint, 'remove', lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        walk(CheckpointHook(interval=2, by_epoch=False), runner)
    monkeypatch.undo()
    assert files(tmp_path) == {'iter_2.pth', 'iter_4.pth', 'iter_6.pth'}
    walk(CheckpointHook(interval=2, by_epoch=False), runner, start=6)
    assert files(tmp_path) == {'iter_8.pth', 'iter_10.pth'}


def test_hashes_go_with_their_files(runner, tmp_path):
    from segkit.checkpoint import write_atomic
    runner.save_checkpoint = lambda folder, name, **kwargs: write_atomic(dict(meta=kwargs['meta']), f'{folder}/{name}')
    walk(CheckpointHook(interval=2, by_epoch=False), runner, [40.0])
    left = {'best_mIoU.pth', 'iter_8.pth', 'iter_10.pth'}
    assert {p.name for p in tmp_path.glob('*.pth*')} == left | {f'{name}.sha256' for name in left}
    walk(CheckpointHook(interval=2, by_epoch=False, save_begin=99), runner)
    assert {p.name for p in (tmp_path / 'earlier').iterdir()} == {
        *left, *(f'{name}.sha256' for name in left), 'last_checkpoint'}


def accumulate(runner, count):
    """Updates of the optimizer at every ``count``-th iteration and the last one."""
    runner.optim_wrapper.should_update = lambda: (runner.iter + 1) % count == 0 or runner.iter + 1 == runner.max_iters


@pytest.mark.parametrize('count, left', [(1, {3, 6, 9, 10}), (4, {4, 8, 10}), (2, {4, 6, 10}), (20, {10})])
def test_only_complete_updates_are_saved(runner, tmp_path, count, left):
    accumulate(runner, count)
    walk(CheckpointHook(interval=3, by_epoch=False, max_keep_ckpts=-1), runner)
    assert files(tmp_path) == {f'iter_{n}.pth' for n in left}
    assert [kw['meta']['iter'] for _, kw in runner.saved] == sorted(left)


def test_epoch_that_ends_between_two_updates_is_saved_at_the_next(runner, tmp_path):
    hook = CheckpointHook(interval=1, by_epoch=True, max_keep_ckpts=1)
    runner.max_epochs = 2
    accumulate(runner, 4)
    hook.before_train(runner)
    for i in range(10):
        runner.iter = i
        hook.after_train_iter(runner, i)
        if i % 5 == 4:
            complete = i == 9
            runner.optim_wrapper.should_update = lambda complete=complete: complete
            runner.iter = i + 1
            hook.after_train_epoch(runner)
            runner.epoch += 1
            accumulate(runner, 4)
    assert [(name, kw['meta']['epoch'], kw['meta']['iter']) for name, kw in runner.saved] == [
        ('iter_8.pth', 1, 8), ('epoch_2.pth', 2, 10)]
    assert files(tmp_path) == {'epoch_2.pth'}  # the other one is counted among those that are kept


@pytest.mark.parametrize('save_last, expected', [(True, ['iter_3.pth', 'iter_5.pth']), (False, ['iter_3.pth'])])
def test_training_that_was_ended_early_is_saved(runner, save_last, expected):
    hook = CheckpointHook(interval=3, by_epoch=False, save_last=save_last)
    hook.before_train(runner)
    for i in range(5):
        runner.iter = i
        hook.after_train_iter(runner, i)
    runner.iter = 5
    hook.after_train(runner)
    hook.after_train(runner)
    assert [name for name, _ in runner.saved] == expected


@pytest.mark.parametrize('name', ['val/loss', 'val/decode.loss_dice', 'error'])
def test_less_of_a_loss_is_better(name):
    assert CheckpointHook(save_best=name).rules == {name: 'less'}


def test_spoilt_weights_are_not_saved(run, tmp_path):
    import torch

    from segkit.errors import SegkitError
    runner = run(train_cfg__val_interval=100)
    step = runner.train_loop.run_iter

    def spoil(batch):
        step(batch)
        if runner.iter == 3:
            next(runner.model.parameters()).data[0] = torch.inf  # as an update does whose loss was finite

    runner.train_loop.run_iter = spoil
    with pytest.raises(SegkitError, match='is nan at iteration 4') as caught:
        runner.train()
    assert (tmp_path / 'run/iter_2.pth').exists() and not (tmp_path / 'run/iter_4.pth').exists()
    assert f'The last good checkpoint is kept: {tmp_path}/run/iter_2.pth' in str(caught.value)


def test_a_third_start_leaves_the_first_ones_checkpoints(runner, tmp_path):
    for content in ('first', 'second'):
        (tmp_path / 'best_mIoU.pth').write_text(content)
        walk(CheckpointHook(by_epoch=False, save_last=False), runner)
    assert (tmp_path / 'earlier/best_mIoU.pth').read_text() == 'first'
    assert (tmp_path / 'earlier_2/best_mIoU.pth').read_text() == 'second'
