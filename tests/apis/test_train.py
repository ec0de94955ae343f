"""train.py, and that a user's mistake is a short message."""
import re

import cv2
import pytest
import torch

from segkit.apis import test as test_tool
from segkit.apis import train
from segkit.apis.cli import run


def error_of(main, argv, capsys):
    """The message of a tool that has to end with status 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        run(main, [str(a) for a in argv])
    err = capsys.readouterr().err
    assert left.value.code == 2
    assert 'Traceback' not in err
    assert 1 <= len(err.strip().splitlines()) <= 4
    return err


def test_resume_and_amp(tiny_config, tmp_path, capsys):
    args = [str(tiny_config), '--work-dir', str(tmp_path / 'run'), '--amp', '--cfg-options']
    train.main([*args, 'train_cfg.max_iters=2'])
    assert capsys.readouterr().out.startswith(f'segkit 0.1.0: {tiny_config}\noverride train_cfg.max_iters: 6 -> 2\n')
    train.main([*args[:-1], '--resume'])
    out = capsys.readouterr().out
    assert 'resumed from' in out and 'iter 4/6' in out and 'iter 2/' not in out
    assert torch.load(tmp_path / 'run/iter_6.pth')['optimizer']['loss_scaler'] is not None


def test_seed_and_deterministic(tiny_config, tmp_path, capsys):
    args = [str(tiny_config), '--work-dir', str(tmp_path / 'run'), '--seed', '7', '--deterministic', '--cfg-options',
            'train_cfg.max_iters=2', '+env_cfg.cudnn_benchmark=True']
    try:
        train.main(args)
        assert torch.are_deterministic_algorithms_enabled() and torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic = False
    out = capsys.readouterr().out
    assert 'seed 7, deterministic' in out and 'env_cfg.cudnn_benchmark=True is overruled' in out
    assert torch.load(tmp_path / 'run/iter_2.pth')['meta']['seed'] == 7
    assert "'deterministic': True" in (tmp_path / 'run/environment.txt').read_text()
    for wrong in ('-1', str(2**32)):
        assert 'randomness.seed' in error_of(train.main, [*args[:4], wrong, '--work-dir', tmp_path / 'x'], capsys)


@pytest.mark.parametrize('option', [['--seed', '8'], ['--cfg-options', '+randomness.seed=8']])
def test_another_seed_than_the_run_s_is_refused(tiny_config, tmp_path, capsys, option):
    args = [tiny_config, '--work-dir', tmp_path / 'run', '--seed', '7']
    train.main([*map(str, args), '--cfg-options', 'train_cfg.max_iters=2'])
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'run').rglob('*') if path.suffix != '.log'}
    err = error_of(train.main, [*args[:-2], '--resume', *option], capsys)
    assert 'iter_2.pth: this run has seed 7, and 8 was asked for.' in err
    now = {path: path.stat().st_mtime_ns for path in (tmp_path / 'run').rglob('*') if path.suffix != '.log'}
    assert now == before  # what says the seed in the folder too
    train.main([*map(str, args), '--resume', '--cfg-options', 'train_cfg.max_iters=4'])


def test_work_dir_is_the_command_line_s_then_the_config_s_then_by_name(tiny_config, tmp_path, monkeypatch):
    from segkit.apis.arguments import load
    monkeypatch.chdir(tmp_path)
    assert load(train.parser().parse_args([str(tiny_config)])).work_dir == 'work_dirs/tiny'
    tiny_config.write_text(tiny_config.read_text() + "work_dir = 'mine'\n")
    assert load(train.parser().parse_args([str(tiny_config)])).work_dir == 'mine'
    assert load(train.parser().parse_args([str(tiny_config), '--work-dir', 'other'])).work_dir == 'other'


def test_missing_config(tiny_config, capsys):
    assert 'tiny.py' in error_of(train.main, [tiny_config.parent / 'tniy.py'], capsys)


def test_missing_data_folder(tiny_config, tmp_path, capsys):
    err = error_of(train.main, [tiny_config, '--work-dir', tmp_path, '--cfg-options', 'data_root=/nowhere'], capsys)
    assert '/nowhere/JPEGImages' in err


@pytest.mark.parametrize('override, said', [
    ('+train_dataloader.dataset.bad_samples=skp', "bad_samples: expected 'error', 'skip'"),
    ('+val_dataloader.dataset.bad_samples=skp', "bad_samples: expected 'error', 'skip'"),
    ('+compile.backbon=True', "the model has no part 'backbon'"),
    ('custom_hooks=[dict(type="EMAHook",begin_iter=99)]', 'begin_iter is 99, but the training ends at 6'),
    ('optim_wrapper.optimizer.lr=-1', 'expected a number of at least 0'),
    ('load_from=/nowhere.pth', '/nowhere.pth')])
def test_a_start_that_is_refused_leaves_the_folder_s_run_as_it_was(trained, tmp_path, capsys, override, said):
    config, _ = trained
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / 'run').rglob('*') if path.name != 'train.log'}
    err = error_of(train.main, [config, '--work-dir', tmp_path / 'run', '--cfg-options', override], capsys)
    assert said in err
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / 'run').rglob('*')
            if path.name != 'train.log'} == files
    assert 'replaces its files' not in (tmp_path / 'run/train.log').read_text()


def test_misspelt_override(tiny_config, capsys):
    err = error_of(train.main, [tiny_config, '--cfg-options', 'optim_wraper.optimizer.lr=1'], capsys)
    assert 'optim_wrapper.optimizer.lr' in err


def test_nothing_to_resume(tiny_config, tmp_path, capsys):
    assert '--resume' in error_of(train.main, [tiny_config, '--resume', '--work-dir', tmp_path / 'new'], capsys)
    assert not (tmp_path / 'new').exists()


@pytest.mark.parametrize('last', [2, 3])
def test_resume_of_a_finished_run_says_so(trained, tmp_path, capsys, last):
    config, checkpoint = trained
    before = checkpoint.stat().st_mtime_ns
    capsys.readouterr()
    train.main([str(config), '--work-dir', str(tmp_path / 'run'), '--resume', '--cfg-options',
                f'train_cfg.max_iters={last}'])
    out = capsys.readouterr().out
    assert (f'warning: nothing is left to train: 3 iterations are done, train_cfg.max_iters is {last}. Raise it to go '
            'on.\n') in out and 'validation' not in out
    assert checkpoint.stat().st_mtime_ns == before


def test_start_in_the_folder_of_another_run_says_so(trained, tmp_path, capsys):
    config, _ = trained
    capsys.readouterr()
    train.main([str(config), '--work-dir', str(tmp_path / 'run'), '--cfg-options', 'train_cfg.max_iters=1'])
    out, folder = capsys.readouterr().out, tmp_path / 'run'
    assert f'warning: {folder} holds a run at iteration 3; --resume goes on from it; this run replaces its files' in out
    assert {p.name for p in folder.glob('*.pth')} == {'iter_1.pth', 'best_mIoU.pth'}
    assert {p.name for p in (folder / 'earlier').iterdir()} >= {'iter_3.pth', 'best_mIoU.pth', 'last_checkpoint'}
    last = out.splitlines()[-2:]
    assert re.fullmatch(r'done: 1 iterations, 0:00:\d\d, best mIoU [\d.]+ at iter 1: .*run/best_mIoU.pth', last[0])
    assert last[1] == f'tables and pictures: {folder}'


@pytest.mark.parametrize('override, said', [
    ('train_cfg.max_iters=0', 'train_cfg.max_iters'),
    ('train_cfg.max_iters=abc', "got 'abc'"),
    ('train_cfg.val_interval=0', 'train_cfg.val_interval'),
    ('train_dataloader.batch_size=0', 'train_dataloader'),
    ('train_dataloader.num_workers=-1', 'num_workers'),
    ('default_hooks.logger.interval=0', 'default_hooks.logger.interval'),
    ('optim_wrapper.optimizer.lr=-1', 'optim_wrapper.optimizer.lr: expected a number of at least 0; got -1'),
    ('optim_wrapper.optimizer.lr=abc', 'optim_wrapper.optimizer.lr'),
    ('param_scheduler.0.begin=9', 'param_scheduler'),
    ('randomness.seed=abc', 'randomness.seed'),
    ('log_level=LOUD', 'log_level'),
    ('model.num_classes=2', 'model.num_classes is 2, but the dataset of train_dataloader has 3 classes'),
    ('model.num_classes=5', 'Set model.num_classes=3 (--cfg-options num_classes=3 sets every head)'),
    ("val_dataloader.dataset.metainfo={'classes':('a','b'),'palette':None}",
     'the dataset of val_dataloader has 2 classes'),
])
def test_value_that_cannot_be_used(tiny_config, tmp_path, capsys, override, said):
    assert said in error_of(train.main, [tiny_config, '--work-dir', tmp_path / 'w', '--cfg-options', override], capsys)


def test_hook_set_to_none_is_left_out(tiny_config, tmp_path, capsys):
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'w'), '--cfg-options', 'train_cfg.max_iters=1',
                'default_hooks.visualization=None', 'default_hooks.logger=None'])
    assert 'iter 1/1' not in capsys.readouterr().out and (tmp_path / 'w/iter_1.pth').exists()


def test_run_folder_that_cannot_be_made(tiny_config, capsys):
    err = error_of(train.main, [tiny_config, '--work-dir', tiny_config], capsys)
    assert f'{tiny_config} is a file; a folder was expected there' in err


def test_misspelt_option(tiny_config, capsys):
    err = error_of(train.main, [tiny_config, '--works-dir', 'x'], capsys)
    assert err.startswith('error: unrecognized arguments: --works-dir x\nNearest: --work-dir\n')


def test_config_without_training(tiny_config, tmp_path, capsys):
    tiny_config.write_text(tiny_config.read_text() + 'train_cfg = None\n')
    assert 'no train_cfg' in error_of(train.main, [tiny_config], capsys)


def test_batch_of_one(tiny_config, tmp_path, capsys):
    err = error_of(train.main, [tiny_config, '--work-dir', tmp_path / 'w', '--cfg-options',
                                'train_dataloader.batch_size=1'], capsys)
    assert 'batch_size>=2' in err


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('checked', [True, False])
def test_label_out_of_range(tiny_config, tmp_path, capsys, monkeypatch, workers, checked):
    if not checked:  # the first pass looks into a few masks only; the loader looks into each
        from mmengine.registry import FUNCTIONS
        monkeypatch.setattr(FUNCTIONS, 'get', lambda name, get=FUNCTIONS.get: None if 'check' in name else get(name))
    path = tmp_path / 'data/SegmentationClass/im03.png'
    mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    mask[:] = 0
    mask[0, :7] = 37
    cv2.imwrite(str(path), mask)
    err = error_of(train.main, [tiny_config, '--work-dir', tmp_path / 'w', '--cfg-options',
                                f'train_dataloader.num_workers={workers}', 'train_cfg.max_iters=20'], capsys)
    assert 'im03.png' in err and '37' in err


def test_loss_that_is_not_finite(tiny_config, tmp_path, capsys):
    err = error_of(train.main, [tiny_config, '--work-dir', tmp_path / 'w', '--cfg-options',
                                'optim_wrapper.optimizer.lr=1e30'], capsys)
    assert 'at iteration' in err
    assert not list((tmp_path / 'w').glob('*.pth'))


def test_test_with_another_number_of_classes(trained, tmp_path, capsys):
    config, checkpoint = trained
    err = error_of(test_tool.main, [config, checkpoint, '--work-dir', tmp_path / 'w', '--cfg-options',
                                    'model.num_classes=4'], capsys)
    assert 'num_classes is 4, but the dataset of test_dataloader has 3 classes' in err


def test_missing_checkpoint(tiny_config, tmp_path, capsys):
    err = error_of(test_tool.main, [tiny_config, tmp_path / 'no.pth', '--work-dir', tmp_path / 'w'], capsys)
    assert 'no.pth does not exist' in err
    assert not (tmp_path / 'w').exists()


def test_checkpoint_that_is_none(tiny_config, tmp_path, capsys):
    (tmp_path / 'text.pth').write_text('hello')
    assert 'text.pth' in error_of(test_tool.main, [tiny_config, tmp_path / 'text.pth', '--work-dir', tmp_path / 'w'],
                                  capsys)


def test_nothing_is_written_beside_the_data(tiny_config, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / 'data').rglob('*')}
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'w')])
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / 'data').rglob('*')} == before


def test_amp_is_there_before_overrides_are_checked(tiny_config, tmp_path, capsys):
    args = [str(tiny_config), '--work-dir', str(tmp_path / 'run'), '--amp', '--cfg-options', 'train_cfg.max_iters=2']
    train.main([*args, 'optim_wrapper.dtype=bfloat16'])
    text = (tmp_path / 'run/config.py').read_text()
    assert 'AmpOptimWrapper' in text and 'bfloat16' in text
    assert 'optim_wrapper.dtype' in error_of(train.main, [*args[:3], *args[4:], 'optim_wrapper.dtype=bfloat16'], capsys)


def test_two_values_for_one_thing_are_refused(tiny_config, tmp_path, capsys):
    args = [str(tiny_config), '--work-dir', str(tmp_path / 'a')]
    err = error_of(train.main, [*args, '--cfg-options', 'work_dir=b'], capsys)
    assert f'--work-dir {tmp_path}/a' in err and 'work_dir=b' in err
    err = error_of(train.main, [*args, '--seed', '1', '--cfg-options', 'randomness.seed=2'], capsys)
    assert '--seed 1' in err and 'randomness.seed=2' in err
