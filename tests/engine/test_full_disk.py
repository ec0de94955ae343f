"""A disk that is full stops a run with a clear error, and the run goes on from its last whole checkpoint later.

The disk is real: a small file system in memory where this process may mount one (root), else a limit on the size of
files, which the system enforces too.
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from segkit import checkpoint as ckpt
from segkit.engine.full_disk import full_disk_explained
from segkit.errors import SegkitError

REPO = Path(__file__).parents[2]


THREADS = str(torch.get_num_threads())  # sums of another number of threads differ in their last bit


def train(config, work_dir, *more, limit=None):
    """The tool in a process of its own; returns what it said."""
    code = 'import resource, sys; from segkit.apis.cli import run; from segkit.apis.train import main\n'
    if limit:
        code += f'resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n'
    return subprocess.run([sys.executable, '-c', code + 'run(main)', str(config), '--work-dir', str(work_dir), *more],
                          capture_output=True, text=True, cwd=REPO, env={**os.environ, 'OMP_NUM_THREADS': THREADS})


def clear(done):
    assert done.returncode == 2, (done.stdout[-2000:], done.stderr)
    assert 'Traceback' not in done.stdout + done.stderr and 'Logging error' not in done.stderr, done.stderr
    error = done.stderr[done.stderr.index('error: '):].splitlines()
    assert len(error) <= 4
    return error


def weights(path):
    return torch.load(path, weights_only=True)['state_dict']


def test_file_too_large_for_the_disk(run, tiny_config, tmp_path):
    """The log and small files fit, the next full checkpoint does not."""
    run('whole').train()
    size = (tmp_path / 'whole/iter_6.pth').stat().st_size
    shutil.copytree(tmp_path / 'whole', tmp_path / 'run')  # as it was at iteration 4
    ckpt.remove(tmp_path / 'run/iter_6.pth')
    (tmp_path / 'run/last_checkpoint').write_text(str(tmp_path / 'run/iter_4.pth'))
    before = {p.name: p.read_bytes() for p in (tmp_path / 'run').glob('*.pth*')}
    first, second, third = clear(train(tiny_config, tmp_path / 'run', '--resume', limit=size - 5000))
    assert first.startswith(f'error: {tmp_path}/run/iter_6.pth could not be written: File too large. What was there')
    assert second.startswith('It needs ') and second.endswith('MB are free on that disk.')
    assert third == f'{tmp_path}/run/iter_4.pth is whole: make room, then go on from it with --resume.'
    assert {p.name: p.read_bytes() for p in (tmp_path / 'run').glob('*.pth*')} == before
    ckpt.verify(tmp_path / 'run/iter_4.pth')
    run('run', resume=True).train()
    one, two = (weights(tmp_path / name / 'iter_6.pth') for name in ('whole', 'run'))
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MB in memory."""
    place = tmp_path / 'disk'
    place.mkdir()
    if shutil.which('mount') is None or os.geteuid() != 0:
        pytest.skip('only root can mount a small disk')
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', str(place)], capture_output=True)
    if done.returncode:
        pytest.skip('this machine lets nobody mount a small disk')
    yield place
    subprocess.run(['umount', '-l', str(place)], check=True)


HELD = """
_fill = dict(type='FillDisk', at=3, place='{place}', leave={leave})
custom_imports = dict(imports=['fill_disk'])
custom_hooks = [_fill]
default_hooks['report'] = dict(type='RunReportHook')
"""
FILL = """
import os
from mmengine.hooks import Hook
from segkit.registry import HOOKS

@HOOKS.register_module()
class FillDisk(Hook):
    priority = 'VERY_HIGH'
    def __init__(self, at, place, leave):
        self.at, self.place, self.leave = at, place, leave
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.at:
            free = os.statvfs(self.place)
            with open(self.place + '/filler', 'wb') as file:
                file.write(b'x' * max(0, free.f_bavail * free.f_bsize - self.leave))
"""


@pytest.mark.parametrize('leave', [0, 300_000])
def test_disk_that_runs_full_while_training(run, tiny_config, tmp_path, small_disk, monkeypatch, leave):
    """At iteration 3 it is full, or all but: whatever is written next (log, metrics.csv, scalars.json, pictures, a
    checkpoint) stops the run with a clear error, and a resumed run ends as an undisturbed one."""
    (tmp_path / 'fill_disk.py').write_text(FILL)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path), prepend=os.pathsep)
    folder = small_disk / 'run'
    plain = tiny_config.read_text() + "default_hooks['report'] = dict(type='RunReportHook')\n"
    tiny_config.write_text(plain)
    run('whole').train()
    tiny_config.write_text(plain + HELD.format(place=small_disk, leave=leave))
    error = clear(train(tiny_config, folder))
    assert 'No space left on device' in error[0] and str(folder) in error[0]
    assert error[-1] == f'{folder}/iter_2.pth is whole: make room, then go on from it with --resume.', error
    ckpt.verify(folder / 'iter_2.pth')
    assert not list(folder.glob('.*.tmp'))
    (small_disk / 'filler').unlink()
    tiny_config.write_text(plain)
    run(folder, resume=True).train()  # the absolute path is taken as it is
    one, two = (weights(place / 'iter_6.pth') for place in (tmp_path / 'whole', folder))
    assert all(torch.equal(one[key], two[key]) for key in one)
    rows = [(place / 'metrics.csv').read_text().splitlines() for place in (tmp_path / 'whole', folder)]
    assert [row.split(',')[0] for row in rows[0]] == [row.split(',')[0] for row in rows[1]]


def test_other_errors_and_a_test_s_folder(tmp_path):
    with pytest.raises(PermissionError), full_disk_explained(str(tmp_path), training=True):
        raise PermissionError(13, 'Permission denied', 'x')
    for training, way in ((False, 'Make room and start again.'),
                          (True, f'There is no checkpoint in {tmp_path} yet: make room and start again.')):
        with pytest.raises(SegkitError) as error, full_disk_explained(str(tmp_path), training):
            raise OSError(28, 'No space left on device')
        first, second = str(error.value).splitlines()
        assert first.startswith(f'{tmp_path} could not be written: No space left on device. ')
        assert second == way


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='this system has no /dev/full')
def test_log_that_cannot_be_written_stops_the_run_too(run):
    runner = run()
    log = runner.logger.handlers[0]
    log.setStream(open('/dev/full', 'w'))  # the handler closes it
    with pytest.raises(SegkitError, match='could not be written: No space left on device'):
        runner.train()
    runner.logger.handlers.remove(log)
