"""Loader processes: whose signals they heed, and what is said when one dies."""
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from torch.utils.data import DataLoader

from segkit.engine.data_loading import init_worker
from segkit.engine.loader_processes import LoaderDiedError, death_explained, one_pass

ROOT = Path(__file__).parents[2]


THERE = set()  # loader processes that other tests left to the garbage collector


@pytest.fixture(autouse=True)
def others():
    THERE.clear()
    THERE.update(multiprocessing.active_children())


def children():
    """The processes that the test at hand has started."""
    return [process for process in multiprocessing.active_children() if process not in THERE]



class Texts(torch.utils.data.Dataset):
    """Samples of very different size: a pipe takes some of them in one piece and some not."""

    def __len__(self):
        return 100000

    def __getitem__(self, i):
        return dict(image=torch.zeros(50, 50), text='a' * (10, 3000, 300000)[i % 3])


class Dies(Texts):
    """The sample number 5 ends its process."""

    def __init__(self, how):
        self.how = how

    def __getitem__(self, i):
        if i == 5:
            self.how()
        return i


def loader_of(dataset, **options):
    loader = DataLoader(dataset, 2, collate_fn=list, worker_init_fn=partial(init_worker, seed=0),
                        **{'num_workers': 2, **options})
    loader.heeds_parent_only = True
    return loader


@pytest.mark.parametrize('persistent', [False, True])
def test_signals_of_others_are_ignored_and_the_parent_s_is_heeded(persistent):
    loader = loader_of(Texts(), persistent_workers=persistent)
    with closing(one_pass(loader)) as batches:
        next(batches)
        workers = children()
        assert len(workers) == 2
        kill = 'import os, sys; [os.kill(int(pid), n) for pid in sys.argv[1:] for n in (15, 2)]'
        subprocess.run([sys.executable, '-c', kill, *(str(w.pid) for w in workers)], check=True)
        for _ in range(10):
            next(batches)
        assert all(w.is_alive() for w in workers)
        start = time.perf_counter()
    assert time.perf_counter() - start < 4  # a process that has to be killed takes five seconds
    assert not any(w.is_alive() for w in workers)


def test_a_process_that_does_not_listen_can_be_ended():
    loader = loader_of(Dies(partial(time.sleep, 1000)), num_workers=1)
    batches = iter(loader)
    next(batches)
    worker, = children()
    time.sleep(0.5)  # it sleeps in its third batch by now
    worker.terminate()
    worker.join(5)
    assert worker.exitcode == 0


def test_main_process_keeps_its_signals():
    with closing(one_pass(loader_of(Texts()))) as batches:
        next(batches)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGTERM, signal.SIGINT} == set()


@pytest.mark.parametrize('how, text', [
    (lambda: os.kill(os.getpid(), signal.SIGKILL), 'Killed.\nUsually memory ran out'),
    (lambda: os.kill(os.getpid(), signal.SIGBUS), 'Bus error.\n/dev/shm is full'),
    (lambda: os.kill(os.getpid(), signal.SIGSEGV), 'Segmentation fault.\nA library crashed in it'),
    (lambda: os._exit(3), 'exited with status 3|exit code 3')])
def test_what_is_said_when_one_dies(how, text):
    with pytest.raises(LoaderDiedError, match=text) as caught, death_explained():
        for _ in zip(one_pass(loader_of(Dies(how))), range(20)):
            pass
    assert str(caught.value).startswith('a loader process (pid')
    assert len(str(caught.value).splitlines()) <= 2
    assert not children()


def test_what_runs_between_two_reads_is_not_interrupted():
    # A checkpoint's writing, for one: torch raises from a signal handler, wherever the main process is.
    with pytest.raises(LoaderDiedError, match='Killed'), death_explained():
        with closing(one_pass(loader_of(Texts()))) as batches:
            next(batches)
            worker = children()[0]
            arrived, before = [], signal.getsignal(signal.SIGCHLD)
            signal.signal(signal.SIGCHLD, lambda *told: (arrived.append(told), before(*told)))
            try:
                os.kill(worker.pid, signal.SIGKILL)
                for _ in range(6000):  # a minute: without a bound a signal that is lost would hang here
                    if arrived:
                        break
                    time.sleep(0.01)
                assert arrived
            finally:
                signal.signal(signal.SIGCHLD, before)
            written = True
            for _ in range(10):
                next(batches)
    assert written


def test_errors_of_the_data_come_through():
    def refuse():
        raise FileNotFoundError('photo.jpg')
    with pytest.raises(FileNotFoundError, match='photo.jpg'), death_explained():
        for _ in zip(one_pass(loader_of(Dies(refuse))), range(20)):
            pass


def test_other_errors_are_left_alone():
    with pytest.raises(RuntimeError, match='shapes'), death_explained():
        raise RuntimeError('shapes do not fit')


@pytest.mark.slow
def test_killed_at_any_moment_it_is_an_error_within_seconds():
    # While it waits, reads, or has half its result in the pipe: torch alone raises ConnectionResetError at times.
    dice = random.Random(0)
    for number in range(30):
        loader, killed = loader_of(Texts(), persistent_workers=bool(number % 2)), []

        def kill(killed=killed):
            pid = dice.choice(children()).pid
            time.sleep(dice.random() * 0.02)
            killed.append(time.perf_counter())
            os.kill(pid, signal.SIGKILL)

        with pytest.raises(LoaderDiedError), death_explained():
            with closing(one_pass(loader)) as batches:
                for step, _ in enumerate(batches):
                    if step == 3:
                        threading.Thread(target=kill).start()
                    time.sleep(dice.random() * 0.005)
        assert time.perf_counter() - killed[0] < 10
        assert not children()


@pytest.mark.parametrize('breaks_off', [False, True])
def test_none_is_left_behind_a_run(run, breaks_off):
    """Neither of a training, nor of its validations, whose processes wait for the next one, nor of a test."""
    class BreakOff(Hook):
        def after_train_iter(self, runner, **_):
            if runner.iter == 4:
                assert len(children()) == 3
                raise ZeroDivisionError

    runner = run(train_cfg=dict(max_iters=6, val_interval=2), **{
        f'{name}_dataloader': dict(num_workers=count, persistent_workers=True)
        for name, count in dict(train=2, val=1, test=1).items()})
    if breaks_off:
        runner.register_hook(BreakOff())
        with pytest.raises(ZeroDivisionError):
            runner.train()
    else:
        runner.train()
    assert not children()
    for part in (runner.val, runner.test):  # the same loaders work once more
        assert part()['mIoU'] >= 0
        assert not children()


def test_of_those_that_wait_one_was_killed_and_the_other_ends(run):
    class Kill(Hook):
        def after_val(self, runner):
            first, second = children()
            os.kill(first.pid, signal.SIGKILL)
            first.join()
            assert second.is_alive()

    runner = run(val_dataloader=dict(num_workers=2, persistent_workers=True))
    runner.register_hook(Kill())
    assert runner.val()['mIoU'] >= 0
    assert not children()


def test_a_validation_by_hand_leaves_the_training_s_batches_as_they_are(run):
    class Notes(Hook):
        def __init__(self, validates):
            self.validates, self.sums = validates, []

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            self.sums.append([float(image.double().sum()) for image in data_batch['inputs']])
            if self.validates and runner.iter == 2:
                runner.val()
                runner.model.train()

    found = []
    for validates in (False, True):
        notes = Notes(validates)
        runner = run(f'run{validates}', train_dataloader=dict(num_workers=2, persistent_workers=True),
                     val_dataloader=dict(num_workers=1, persistent_workers=True))
        runner.register_hook(notes)
        runner.train()
        assert not children()
        found.append(notes.sums)
    assert len(found[0]) == 6 and found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize('persistent', ['True', 'False'])
def test_a_command_ends_without_delay(tiny_config, tmp_path, persistent):
    options = [f'{name}_dataloader.{key}' for name in ('train', 'val')
               for key in ('num_workers=1', f'persistent_workers={persistent}', 'pin_memory=False')]
    done = subprocess.run([sys.executable, ROOT / 'tools/train.py', tiny_config, '--work-dir', tmp_path / 'run',
                           '--cfg-options', *options], capture_output=True, text=True, timeout=120,
                          env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'})
    assert done.returncode == 0 and done.stderr == ''
    assert done.stdout.splitlines()[-1].startswith('tables and pictures')


@pytest.mark.slow
def test_command_whose_loader_is_killed(tiny_config, tmp_path):
    process = subprocess.Popen(
        [sys.executable, ROOT / 'tools/train.py', tiny_config, '--work-dir', tmp_path / 'run', '--cfg-options',
         'train_cfg.max_iters=100000', 'train_dataloader.num_workers=2', 'train_cfg.val_interval=100000'],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'})
    for line in process.stdout:
        if line.startswith('iter 4/'):
            break
    children = subprocess.run(['ps', '-o', 'pid=', '--ppid', str(process.pid)], capture_output=True, text=True)
    os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    lines = err.splitlines()
    assert len(lines) == 3 and lines[0].startswith('error: a loader process (pid') and 'memory' in lines[1]
    assert lines[2].startswith('go on with: ') and lines[2].endswith('--resume')
