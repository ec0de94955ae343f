"""Checkpoints are written whole, with their hash beside them."""
import os
import re
import resource
import shutil
import socket
import subprocess
import sys

import pytest
import torch

from segkit import checkpoint as ckpt
from segkit.checkpoint.writing import size_of, temporary_name
from segkit.errors import CheckpointError


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_written_whole(tmp_path):
    path = tmp_path / 'new' / 'a.pth'
    ckpt.write_atomic(dict(w=torch.arange(3)), path)
    assert ckpt.load_file(path)['w'].tolist() == [0, 1, 2]
    assert names(path.parent) == ['a.pth', 'a.pth.sha256']


@pytest.mark.skipif(shutil.which('sha256sum') is None, reason='sha256sum is not there')
def test_sha256sum_agrees(tmp_path):
    for value in (1, 2):
        ckpt.write_atomic(dict(w=torch.full((70_000,), value)), tmp_path / 'a.pth')
        done = subprocess.run(['sha256sum', '-c', 'a.pth.sha256'], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, 'a.pth: OK\n')
    (tmp_path / 'a.pth').write_bytes(b'x')
    assert subprocess.run(['sha256sum', '-c', 'a.pth.sha256'], cwd=tmp_path, capture_output=True).returncode == 1


class Killed(BaseException):
    """Ends a process at a system call, as far as a test can."""


def dying_after(calls, function):
    """``function``, until it was called that often."""
    left = iter(range(calls))

    def dies(*args):
        if next(left, None) is None:
            raise Killed
        return function(*args)

    return dies


@pytest.mark.parametrize('before', ['nothing', 'a file and its hash', 'a file without a hash', 'a hash without a file'])
@pytest.mark.parametrize('call', ['replace', 'fsync'])
def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path, monkeypatch, before, call):
    """The n-th rename or flush is not done, for each n; after it, the file is the old one or the new one and fits."""
    real, states = getattr(os, call), []
    for n in range(12):
        folder = tmp_path / str(n)
        path = folder / 'a.pth'
        if before != 'nothing':
            ckpt.write_atomic(dict(w=1), path)
        if before == 'a file without a hash':
            ckpt.hash_file(path).unlink()
        if before == 'a hash without a file':
            path.unlink()
        with monkeypatch.context() as patch:
            patch.setattr(os, call, dying_after(n, real))
            try:
                ckpt.write_atomic(dict(w=2), path)
                states.append('done')
            except Killed:
                states.append('killed')
        if path.exists():
            ckpt.verify(path)
            states[-1] += f" {ckpt.load_file(path)['w']}"
        else:
            assert before in ('nothing', 'a hash without a file')
            states[-1] += ' none'
        ckpt.write_atomic(dict(w=3), path)  # and the next save goes on from there
        assert ckpt.load_file(path)['w'] == 3
        assert names(folder) == ['a.pth', 'a.pth.sha256'], states
        assert len(ckpt.hash_file(path).read_text().splitlines()) == 1
    assert states[0] == ('killed 1' if 'a file ' in before else 'killed none') and states[-1] == 'done 2'
    assert 'killed 2' in states or 'a file ' not in before


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / 'a.pth'
    ckpt.write_atomic(dict(w=1), path)
    hashes = ckpt.hash_file(path).read_text()

    def full(obj, file):
        file.write(b'half of it')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(torch, 'save', full)
    with pytest.raises(CheckpointError, match='No space left'):
        ckpt.write_atomic(dict(w=2), path)
    assert ckpt.load_file(path)['w'] == 1
    assert names(tmp_path) == ['a.pth', 'a.pth.sha256'] and ckpt.hash_file(path).read_text() == hashes


LIMITED = """
import resource, sys, torch
from segkit import checkpoint as ckpt
from segkit.errors import CheckpointError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    ckpt.write_atomic(dict(w=torch.zeros(200_000)), sys.argv[1])
except CheckpointError as error:
    print(error)
"""


def test_a_write_that_really_fails_says_what_was_needed(tmp_path):
    """A limit on the size of files, which the system enforces in the middle of torch's writing."""
    path = tmp_path / 'a.pth'
    ckpt.write_atomic(dict(w=1), path)
    done = subprocess.run([sys.executable, '-c', LIMITED, str(path)], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines[0] == f'{path} could not be written: File too large. What was there before is unchanged.', done
    assert re.fullmatch(r'It needs 0\.8 MB; [\d,.]+ MB are free on that disk\.', lines[1]) and len(lines) == 2
    ckpt.verify(path)
    assert ckpt.load_file(path)['w'] == 1 and names(tmp_path) == ['a.pth', 'a.pth.sha256']


def test_a_folder_that_may_not_be_written(tmp_path):
    (tmp_path / 'a').write_text('a file')
    with pytest.raises(CheckpointError, match='a.pth could not be written: .*\nCheck the folder and its rights'):
        ckpt.write_atomic(dict(w=1), tmp_path / 'a' / 'a.pth')


def test_what_killed_processes_left_is_removed(tmp_path):
    gone = subprocess.Popen([sys.executable, '-c', ''])
    gone.wait()
    host = socket.gethostname()
    mine = temporary_name(tmp_path / 'iter_4.pth').name
    assert mine == f'.iter_4.pth.{host}-{os.getpid()}.tmp'
    kept = [f'.iter_4.pth.{host}-{os.getppid()}.tmp', f'.iter_4.pth.other{host}-{gone.pid}.tmp', '.notes.tmp']
    for name in (*kept, mine, f'.iter_4.pth.{host}-{gone.pid}.tmp', f'.iter_4.pth.sha256.{host}-{gone.pid}.tmp'):
        (tmp_path / name).write_bytes(b'half')
    ckpt.write_atomic(dict(w=1), tmp_path / 'iter_6.pth')
    assert names(tmp_path) == sorted([*kept, 'iter_6.pth', 'iter_6.pth.sha256'])


def test_bytes_needed_count_shared_memory_once():
    w = torch.zeros(1000)
    assert size_of(dict(a=w, b=[w[:10], dict(c=torch.zeros(5, dtype=torch.int64))])) == 4000 + 40


def test_small_text_is_whole_or_names_the_file(tmp_path):
    ckpt.write_text(tmp_path / 'pointer', 'a')
    ckpt.write_text(tmp_path / 'pointer', 'b')
    assert (tmp_path / 'pointer').read_text() == 'b' and names(tmp_path) == ['pointer']
    with pytest.raises(OSError) as caught:
        ckpt.write_text(tmp_path / 'gone' / 'pointer', 'a')
    assert caught.value.filename == str(tmp_path / 'gone' / 'pointer')
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY  # the limit above was another's
