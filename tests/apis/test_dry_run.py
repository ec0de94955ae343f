"""train.py --dry-run: everything a training does, once, and nothing left behind."""
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from segkit.apis import train
from segkit.apis.cli import run
from segkit.registry import HOOKS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dry(tiny_config, tmp_path, monkeypatch, capsys):
    """Call the tool; gives what it printed, or the message it ended with."""
    (tmp_path / 'temporary').mkdir()
    (tmp_path / 'here').mkdir()
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path / 'temporary'))
    monkeypatch.chdir(tmp_path / 'here')

    def call(*args, config=tiny_config, fails=False):
        capsys.readouterr()
        argv = [str(config), '--dry-run', *map(str, args)]
        if not fails:
            train.main(argv)
            return capsys.readouterr().out
        with pytest.raises(SystemExit) as left:
            run(train.main, argv)
        assert left.value.code == 2
        err = capsys.readouterr().err
        assert 'Traceback' not in err and len(err.strip().splitlines()) <= 4
        return err

    yield call
    assert not list((tmp_path / 'temporary').glob('segkit*'))  # torch may leave a cache of its own
    assert not list((tmp_path / 'here').iterdir())


def states(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob('*')}


def row(out, start):
    return next(line for line in out.splitlines() if line.strip().startswith(start))


def test_what_is_printed(dry, tmp_path):
    before = states(tmp_path / 'data')
    out = dry('--work-dir', tmp_path / 'run')
    assert states(tmp_path / 'data') == before and not (tmp_path / 'run').exists()
    assert len(out.splitlines()) <= 60
    assert 'total batch       2 = 1 process x 2 images' in out
    assert '6 iterations, 1.7 times through 7 images' in out
    assert '2, every 3 iterations, 5 images each' in out
    assert 'every 2 iterations, 2 kept, and the best mIoU' in out
    assert re.search(r'lr 0\.01 +weight decay 0 +66 tensors', out) and re.search(r'lr 0\.1 ', out)
    assert 'PolyLR  0.01 at iteration 1, ' in out and ' 0.0001 at iteration 6' in out
    assert '0 ground, 1 green, 2 red' in out
    assert out.splitlines()[-2].startswith('dry run ok in ') and '--dry-run' not in out.splitlines()[-1]


def test_stairs_have_the_shapes_of_the_data(dry, tmp_path):
    import cv2
    out = dry()
    sizes = {cv2.imread(str(path)).shape[:2] for path in (tmp_path / 'data/JPEGImages').glob('im0[0-6].jpg')}
    read = re.search(r'(\d+)x(\d+)x3', row(out, 'LoadImageFromFile')).groups()
    assert tuple(map(int, read)) in sizes
    assert 'img 32x32x3 uint8, gt_seg_map 32x32 uint8' in row(out, 'RandomCrop')
    assert 'RandomFlip' not in out  # changes no shape
    assert 'inputs 2x3x32x32 uint8, labels 2x32x32 uint8' in row(out, 'batch')
    assert '2x64x2x2 float32' in row(out, 'backbone.layer4') and 'stride 16, map 3' in row(out, 'backbone.layer4')
    assert '2x3x2x2 float32' in row(out, 'decode_head ASPPHead')
    assert re.search(r'loss \d\.\d+  decode.loss_ce \d\.\d+', row(out, 'losses'))
    validation = out[out.index('validation, from'):]
    image = re.search(r'img (\d+x\d+)x3', row(validation, 'LoadImageFromFile'))[1]
    assert f'1x{image} uint8' in row(validation, 'pred_sem_seg')


def test_a_larger_image_is_thinned_and_both_sizes_are_shown(dry):
    out = dry('--cfg-options', 'crop_size=(256,256)', 'model.data_preprocessor.size=(256,256)',
              'train_dataloader.batch_size=3')
    assert 'inputs 3x3x256x256 float32' in row(out, 'data_preprocessor') and 'here 2x3x129x129' in out
    assert '3x64x16x16' in row(out, 'backbone.layer4') and 'here 2x64x9x9' in row(out, 'backbone.layer4')
    out = dry('--dry-run-size', 'full', '--cfg-options', 'crop_size=(256,256)',
              'model.data_preprocessor.size=(256,256)')
    assert 'at the real size' in out and 'here' not in out[out.index('training, from'):out.index('cost')]


@pytest.mark.parametrize('options', [
    ['--amp'],
    ['--cfg-options', 'optim_wrapper.accumulative_counts=5'],
    ['--cfg-options', "+custom_hooks=[dict(type='EMAHook')]"],
    ['--cfg-options', "train_cfg=dict(_delete_=True,type='EpochBasedTrainLoop',max_epochs=2,val_interval=1)",
     "param_scheduler=[dict(type='PolyLR',eta_min=1e-4,by_epoch=True,convert_to_iter_based=True)]"],
    ['--cfg-options', 'val_dataloader=None', 'val_evaluator=None', 'val_cfg=None'],
    ['--cfg-options', "model.test_cfg=dict(mode='slide',crop_size=(32,32),stride=(20,20))"],
    ['--cfg-options', "default_hooks.report=dict(type='RunReportHook')", 'default_hooks.checkpoint.out_dir=elsewhere'],
], ids=['amp', 'accumulation', 'average', 'epochs', 'no validation', 'windows', 'report'])
def test_kinds_of_runs(dry, options):
    out = dry(*options)
    assert 'dry run ok in ' in out
    if 'accumulative' in options[-1]:
        assert '10 = 1 process x 2 images x 5 accumulated (here 2)' in out
    if 'EMAHook' in options[-1]:
        assert 'averaged weights' in out


def test_class_weights_are_not_counted(dry, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))  # where matplotlib may write its own
    out = dry('--cfg-options', "+model.decode_head.loss_decode={'type':'CrossEntropyLoss','class_weight':'inverse'}")
    assert out.count('model.decode_head.loss_decode: class_weight is counted from all masks') == 1
    assert 'dry run ok' in out and 'could not be simulated' not in out and not (tmp_path / 'cache' / 'segkit').exists()


def test_faults_are_those_of_a_run(dry):
    assert '/nowhere/JPEGImages' in dry('--cfg-options', 'data_root=/nowhere', fails=True)
    assert 'optim_wrapper.optimizer.lr' in dry('--cfg-options', 'optim_wraper.optimizer.lr=1', fails=True)
    assert 'batch_size>=2' in dry('--cfg-options', 'train_dataloader.batch_size=1', fails=True)
    err = dry('--cfg-options', 'optim_wrapper.optimizer.lr=1e37', fails=True)
    assert 'loss is nan at iteration 2' in err and 'dry-run' not in err  # no advice to go on from what is gone


def test_size_without_dry_run(tiny_config, capsys):
    with pytest.raises(SystemExit):
        run(train.main, [str(tiny_config), '--dry-run-size', 'full'])
    assert '--dry-run' in capsys.readouterr().err


class TestPretrained:
    def test_absent_weights_are_named_and_nothing_is_downloaded(self, dry, tmp_path, monkeypatch):
        monkeypatch.setattr('torch.hub.get_dir', lambda: str(tmp_path / 'hub'))
        monkeypatch.setattr('segkit.checkpoint.fetching._download', lambda *a: pytest.fail('downloaded'))
        out = dry('--cfg-options', "+model.backbone.init_cfg=dict(type='Pretrained',"
                  "checkpoint='open-mmlab://resnet18_v1c')")
        assert f'open-mmlab://resnet18_v1c is not here yet; a run would download it to {tmp_path}/hub/' in out

    def test_a_name_that_no_table_knows(self, dry):
        assert 'resnet18_v1c' in dry('--cfg-options', "+model.backbone.init_cfg=dict(type='Pretrained',"
                                     "checkpoint='open-mmlab://resnet18_v1k')", fails=True)

    def test_a_local_file_is_loaded(self, dry, tmp_path):
        option = f"+model.backbone.init_cfg=dict(type='Pretrained',checkpoint='{tmp_path}/weights.pth')"
        assert 'weights.pth does not exist' in dry('--cfg-options', option, fails=True)
        torch.save({'conv1.weight': torch.zeros(8, 3, 3, 3)}, tmp_path / 'weights.pth')
        assert 'does not fit' in dry('--cfg-options', option, fails=True)


class _Drift(Hook):
    """Changes a weight where a run begins, as a hook that keeps no state in the checkpoint would."""

    def before_train(self, runner):
        if runner.iter:
            with torch.no_grad():
                next(runner.model.parameters()).add_(1)


def test_a_resume_that_does_not_go_on_is_an_error(dry):
    HOOKS.register_module(name='Drift', module=_Drift, force=True)
    err = dry('--cfg-options', "+custom_hooks=[dict(type='Drift')]", fails=True)
    assert 'a resumed run has other weights than were saved' in err


def test_resume_goes_on_from_the_run_folder_and_leaves_it(dry, trained, tmp_path):
    before = states(tmp_path / 'run')
    out = dry('--resume', '--work-dir', tmp_path / 'run')
    assert states(tmp_path / 'run') == before
    assert 'holds a run at iteration 3' in out


def test_checkpoints_that_do_not_fit_on_the_disk(dry, monkeypatch):
    from collections import namedtuple
    monkeypatch.setattr('shutil.disk_usage', lambda path: namedtuple('Usage', 'free')(1000))
    assert 'warning: the checkpoints do not fit' in dry()


@pytest.mark.slow
@pytest.mark.parametrize('wait_for', ['dry run:', 'schedule'])
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_and_leave_nothing(tiny_config, tmp_path, wait_for, number):
    (tmp_path / 'temporary').mkdir()
    environment = dict(os.environ, OMP_NUM_THREADS='1', TMPDIR=str(tmp_path / 'temporary'))
    tool = subprocess.Popen([sys.executable, str(ROOT / 'tools/train.py'), str(tiny_config), '--dry-run'],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    for line in tool.stdout:
        if line.strip().startswith(wait_for):
            break
    tool.send_signal(number)
    rest, _ = tool.communicate(timeout=60)
    assert tool.returncode == 128 + number and 'dry run ok' not in rest
    assert not list((tmp_path / 'temporary').glob('segkit*'))


@pytest.mark.skipif(torch.cuda.is_available(), reason='one GPU cannot serve two processes')
@pytest.mark.slow
def test_two_processes(tiny_config, tmp_path):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    environment = dict(os.environ, PYTHON=sys.executable, PORT=str(port), OMP_NUM_THREADS='1', TMPDIR=str(tmp_path))
    before = set(tmp_path.iterdir())
    done = subprocess.run(['bash', str(ROOT / 'tools/dist_train.sh'), str(tiny_config), '2', '--dry-run', '--work-dir',
                           str(tmp_path / 'run')], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('dry run ok') == 1 and '4 = 2 processes x 2 images' in done.stdout
    assert 'dist_train.sh' in done.stdout.splitlines()[-1]
    assert not [path for path in set(tmp_path.iterdir()) - before if 'dry-run' in path.name or path.name == 'run']


@pytest.mark.slow
def test_large_crops(layout, tmp_path):
    config = 'deeplabv3/deeplabv3_r18-d8_4xb2-40k_cityscapes-769x769.py'
    environment = dict(os.environ, OMP_NUM_THREADS='1', TMPDIR=str(tmp_path))
    done = subprocess.run([sys.executable, str(ROOT / 'tools/train.py'), str(ROOT / 'configs' / config), '--dry-run',
                           '--work-dir', str(tmp_path / 'run'), '--cfg-options', f'data_root={layout("cityscapes")}'],
                          capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert '2x19x97x97' in row(done.stdout, 'decode_head ASPPHead')
    print(done.stdout.splitlines()[-2])  # how long it took; docs/dry_run.md has the times of larger ones
