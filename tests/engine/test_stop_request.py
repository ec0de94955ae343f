"""Signals: where a training ends, what is saved, how it goes on; each resumed run ends as the uninterrupted one."""
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook

from segkit.apis.train import main
from segkit.engine.stop_request import RunStopped, StopRequest, how_to_resume, may_stop

ROOT = Path(__file__).parents[2]
THREADS = str(torch.get_num_threads())  # sums of another number of threads differ in their last bit
BY_EPOCH = dict(train_cfg=dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=2, val_interval=1),
                train_dataloader__sampler__type='DefaultSampler', default_hooks__checkpoint__by_epoch=True,
                param_scheduler=[dict(type='PolyLR', by_epoch=True, power=0.9)], log_processor__by_epoch=True)


def same_weights(a, b):
    first, second = (torch.load(path, weights_only=True) for path in (a, b))
    assert first['meta']['iter'] == second['meta']['iter']
    assert all(torch.equal(value, second['state_dict'][key]) for key, value in first['state_dict'].items())
    momenta = first['optimizer']['state'], second['optimizer']['state']
    assert all(torch.equal(momenta[0][i]['momentum_buffer'], momenta[1][i]['momentum_buffer']) for i in momenta[0])


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """The last checkpoint of an uninterrupted run, made once for all tests with the same options."""
    made = {}

    def of(run, **options):
        key = repr(sorted(options.items()))
        if key not in made:
            runner = run('whole', **options)
            runner.train()
            made[key] = tmp_path_factory.mktemp('whole') / 'last.pth'
            last = Path(runner.work_dir, 'last_checkpoint').read_text()
            made[key].write_bytes(Path(last).read_bytes())
        return made[key]

    return of


class Sends(Hook):
    """Sends this process a signal at a stage of the run, once ``at`` iterations are done."""

    def __init__(self, stage, at, number=signal.SIGTERM):
        self.at = at
        setattr(self, stage, lambda runner, **kwargs: self.send(runner, number))

    def send(self, runner, number):
        if runner.iter == self.at:
            os.kill(os.getpid(), number)


def stopped(runner, *hook):
    runner.register_hook(Sends(*hook))
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with pytest.raises(RunStopped) as end:
        runner.train()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    return end.value.code


@pytest.mark.parametrize('stage, at, saved, validated', [
    ('before_train_iter', 0, 1, False), ('before_train_iter', 2, 3, False), ('after_train_iter', 4, 5, True),
    ('before_save_checkpoint', 1, 2, False), ('before_save_checkpoint', 3, 3, True), ('after_val_iter', 3, 3, False)])
def test_stopped_and_resumed_is_uninterrupted(run, whole, tmp_path, capsys, stage, at, saved, validated):
    # The save at 3 is that of the best weights, in a validation that is through; no other is begun or goes on.
    expected = whole(run)
    capsys.readouterr()
    assert stopped(run('cut'), stage, at) == 143
    out = capsys.readouterr().out
    assert f'stopped by SIGTERM at iteration {saved} of 6, saved in {tmp_path}/cut/iter_{saved}.pth\ngo on with' in out
    assert ('validation at iter' in out) is validated
    runner = run('cut', resume=True)
    runner.train()
    assert ('validation at iter 3' in capsys.readouterr().out) is not validated
    same_weights(expected, tmp_path / 'cut/iter_6.pth')


def test_ctrl_c_leaves_with_its_own_status(run):
    assert stopped(run(), 'before_train_iter', 1, signal.SIGINT) == 130


def test_nothing_is_saved_twice(run, tmp_path):
    runner = run()
    written = []
    save = runner.save_checkpoint
    runner.save_checkpoint = lambda folder, name, **kwargs: (written.append(name), save(folder, name, **kwargs))
    stopped(runner, 'after_train_iter', 3)  # iter_4 is saved by its interval
    assert written == ['iter_2.pth', 'best_mIoU.pth', 'iter_4.pth']


@pytest.mark.parametrize('at, saved', [(2, 3), (3, 4)])  # within an interval, and where weights alone were saved
def test_what_a_stop_saves_can_be_gone_on_from(run, whole, tmp_path, at, saved):
    options = dict(default_hooks__checkpoint=dict(save_optimizer=False, save_param_scheduler=False))
    stopped(run('cut', **options), 'before_train_iter', at)
    state = torch.load(tmp_path / f'cut/iter_{saved}.pth', weights_only=True)
    assert {'optimizer', 'param_schedulers', 'message_hub'} <= set(state)
    run('cut', resume=True).train()
    same_weights(whole(run), tmp_path / 'cut/iter_6.pth')


def test_before_the_first_iteration_nothing_is_saved(run, tmp_path, capsys):
    stopped(run(), 'before_train', 0)
    assert 'at iteration 0 of 6; nothing was saved, since no iteration was done' in capsys.readouterr().out
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_losses_since_the_last_logged_iteration_are_kept(run, tmp_path):
    stopped(run(default_hooks__logger__interval=4), 'before_train_iter', 2)
    state = torch.load(tmp_path / 'run/iter_3.pth', weights_only=True)
    assert len(state['message_hub']['log_scalars']['train/loss']) == 3


def test_in_the_last_validation_it_is_missing_and_done_later(run, tmp_path, capsys):
    assert stopped(run(), 'after_val_iter', 6) == 143
    capsys.readouterr()
    run(resume=True).train()
    out = capsys.readouterr().out
    assert 'the validation at iteration 6 was broken off; it is done now.' in out and 'validation at iter 6: ' in out


def test_when_all_is_done_a_signal_changes_nothing(run):
    runner = run()
    runner.register_hook(Sends('after_val_epoch', 6))
    runner.train()
    assert runner.iter == 6


def test_gathered_gradients_are_not_lost(run, whole, tmp_path):
    options = {'optim_wrapper__accumulative_counts': 4, 'train_cfg__max_iters': 10, 'train_cfg__val_interval': 5}
    stopped(run('cut', **options), 'before_train_iter', 4)
    assert (tmp_path / 'cut/last_checkpoint').read_text().endswith('iter_8.pth')  # the fifth is in the second update
    run('cut', resume=True, **options).train()
    same_weights(whole(run, **options), tmp_path / 'cut/iter_10.pth')


def test_a_validation_between_two_updates_is_done_before_the_stop(run, whole, tmp_path):
    average = dict(type='EMAHook', momentum=0.1)  # it stands in the model while that is validated
    options = {'optim_wrapper__accumulative_counts': 2, 'train_cfg__max_iters': 8, 'train_cfg__val_interval': 3,
               'custom_hooks': [average]}
    stopped(run('cut', **options), 'after_val_iter', 3)
    assert (tmp_path / 'cut/last_checkpoint').read_text().endswith('iter_4.pth')
    run('cut', resume=True, **options).train()
    same_weights(whole(run, **options), tmp_path / 'cut/iter_8.pth')
    rows = map(json.loads, (tmp_path / 'cut/vis_data/scalars.json').read_text().splitlines())
    assert [row['step'] for row in rows if 'mIoU' in row] == [3, 6, 8]


def test_a_reader_that_has_gone_does_not_keep_a_run_from_saving(monkeypatch):
    read, write = os.pipe()
    os.close(read)
    kept = os.dup(2)
    try:
        os.dup2(write, 2)  # `train.py ... 2>&1 | tee log`: tee dies of the same Ctrl-C
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.signal == signal.SIGTERM
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(write)


@pytest.mark.parametrize('stage, at, name', [
    ('before_train_iter', 1, 'iter_2'), ('before_train_iter', 2, 'epoch_1'), ('after_val_iter', 3, 'epoch_1'),
    ('before_train_iter', 4, 'iter_5')])
def test_epochs_are_stopped_in_the_middle(run, whole, tmp_path, stage, at, name):
    options = dict(BY_EPOCH, default_hooks__checkpoint__interval=1)
    stopped(run('cut', **options), stage, at)
    assert (tmp_path / 'cut/last_checkpoint').read_text().endswith(f'{name}.pth')
    runner = run('cut', resume=True, **options)
    runner.train()
    assert (runner.iter, runner.epoch) == (6, 2)
    same_weights(whole(run, **options), tmp_path / 'cut/epoch_2.pth')


def test_second_ctrl_c_ends_at_once():
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.signal == signal.SIGINT and stop.agreed()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(5)


def test_signals_that_a_launcher_repeats_do_not():
    with StopRequest(launched=True) as stop:
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
        assert stop.signal == signal.SIGINT


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.signal is None and signal.getsignal(signal.SIGTERM) == stop._note
    finally:
        signal.signal(signal.SIGINT, before)


def test_nothing_is_installed_outside_the_main_thread():
    seen = []

    def enter():
        with StopRequest():
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]


def test_wrapper_of_several_optimizers_may_always_stop():
    assert may_stop(SimpleNamespace())


@pytest.mark.parametrize('argv, environment, expected', [
    ('tools/train.py x.py --work-dir w', {}, 'python tools/train.py x.py --work-dir w --resume'),
    ('tools/train.py x.py --resume', {}, 'python tools/train.py x.py --resume'),
    ("tools/train.py x --cfg-options 'a=[1, 2]'", {}, "python tools/train.py x --cfg-options 'a=[1, 2]' --resume"),
    ('/a/tools/train.py x.py --launcher pytorch --amp', dict(TORCHELASTIC_RUN_ID='none', LOCAL_WORLD_SIZE='4'),
     '/a/tools/dist_train.sh x.py 4 --amp --resume'),
    ('tools/train.py x.py', dict(SEGKIT_COMMAND='tools/dist_train.sh x.py 2'), 'tools/dist_train.sh x.py 2 --resume')])
def test_command_that_goes_on(monkeypatch, argv, environment, expected):
    monkeypatch.delenv('SEGKIT_COMMAND', raising=False)
    monkeypatch.setattr(sys, 'argv', shlex.split(argv))
    monkeypatch.setattr(sys, 'orig_argv', ['python', *shlex.split(argv)])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    runner = SimpleNamespace(cfg={})
    assert how_to_resume(runner, 'w/iter_1.pth') == f'go on with: {expected}'
    runner.cfg['load_from'] = 'pretrained.pth'  # which --resume alone would start from
    assert how_to_resume(runner, 'w/iter_1.pth') == f'go on with: {expected} --cfg-options load_from=w/iter_1.pth'


def test_outside_the_tool_it_is_said_in_python():
    said = how_to_resume(SimpleNamespace(cfg={}), 'w/iter_1.pth')
    assert said == "go on with resume=True and load_from='w/iter_1.pth'"


# -- real processes ----------------------------------------------------------------------------------------------------

TOOL = """
import os, signal, subprocess
from mmengine.hooks import Hook
from segkit.apis.cli import run
from segkit.apis.train import main
from segkit.registry import HOOKS


@HOOKS.register_module()
class Sends(Hook):
    'To the whole group (single process), or of two processes the second alone, or the launcher.'

    sent = False

    def send(self, runner):
        if runner.iter == 3 and runner.rank == int(os.environ.get('SENDER', 0)) and not self.sent:
            self.sent = True
            number = int(os.environ['SIGNAL'])
            target = os.environ['TARGET']
            if target == 'group':  # by another process, as a terminal or a scheduler does
                subprocess.run(['sh', '-c', f'kill -{number} 0'])
            else:
                os.kill(os.getppid() if target == 'launcher' else os.getpid(), number)


stage = os.environ.get('STAGE')
if stage:
    setattr(Sends, stage, lambda self, runner, **kwargs: self.send(runner))
run(main)
"""


@pytest.fixture
def tool(tiny_config, tmp_path):
    """Start train.py on the tiny config; keyword arguments become environment variables."""
    (tmp_path / 'train.py').write_text(TOOL)

    def start(work_dir, *options, processes=1, **environment):
        if 'Sends' not in tiny_config.read_text():
            tiny_config.write_text(tiny_config.read_text() + "custom_hooks = [dict(type='Sends', priority='LOWEST')]\n")
        launch, last = [], []
        if processes > 1:
            with socket.socket() as s:
                s.bind(('127.0.0.1', 0))
                launch = ['-m', 'torch.distributed.run', f'--nproc_per_node={processes}', '--master_addr=127.0.0.1',
                          f'--master_port={s.getsockname()[1]}']
            last = ['--launcher', 'pytorch']
        return subprocess.run(
            [sys.executable, *launch, tmp_path / 'train.py', tiny_config, *last, '--work-dir', tmp_path / work_dir,
             *options, '--cfg-options', f'train_dataloader.num_workers={3 - processes}',
             'val_dataloader.num_workers=1'],
            capture_output=True, text=True, timeout=300, start_new_session=True,
            env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': THREADS, **environment},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    return start


@pytest.mark.slow
@pytest.mark.parametrize('stage, number, saved', [
    ('after_val_iter', signal.SIGTERM, 3), ('before_save_checkpoint', signal.SIGINT, 3)])
def test_signal_to_the_whole_group(tool, run, whole, tmp_path, stage, number, saved):
    expected = whole(run)
    done = tool('cut', STAGE=stage, SIGNAL=str(int(number)), TARGET='group')
    assert done.returncode == 128 + number, done.stderr
    name = signal.Signals(number).name
    assert done.stderr == f'{name}: saving, then stopping (Ctrl-C ends it at once)\n'
    *_, where, command = done.stdout.splitlines()
    assert where == f'stopped by {name} at iteration {saved} of 6, saved in {tmp_path}/cut/iter_{saved}.pth'
    assert command.startswith('go on with: ') and command.endswith(' --resume')
    again = subprocess.run(command[len('go on with: '):], shell=True, capture_output=True, text=True, timeout=300,
                           env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': THREADS})
    assert again.returncode == 0, again.stderr
    same_weights(expected, tmp_path / 'cut/iter_6.pth')


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason='one GPU cannot serve two processes')
def test_two_processes_stop_at_one_iteration(tool, launched, tiny_config, tmp_path):
    quiet = shutil.copy(tiny_config, tmp_path / 'quiet.py')  # without the hook that sends

    def train(name, *options):
        launched(main, [quiet, '--work-dir', tmp_path / name, *options, '--cfg-options',
                        'train_dataloader.num_workers=1', 'val_dataloader.num_workers=1'])

    train('whole')
    for stage, target, saved in (('before_train_iter', 'self', 4), ('after_val_iter', 'launcher', 3)):
        cut = tmp_path / f'cut_{target}'
        done = tool(cut.name, processes=2, STAGE=stage, SIGNAL=str(int(signal.SIGTERM)), TARGET=target, SENDER='1',
                    OMP_NUM_THREADS='1')
        line = f'stopped by SIGTERM at iteration {saved} of 6, saved in {cut}/iter_{saved}.pth\n'
        assert done.stdout.count(line) == 1, done.stdout + done.stderr
        assert f'{tmp_path}/dist_train.sh' in done.stdout
        train(cut.name, '--resume')
        same_weights(tmp_path / 'whole/iter_6.pth', cut / 'iter_6.pth')
