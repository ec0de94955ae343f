"""A checkpoint is compared with the hash beside it."""
import os
import re

import pytest
import torch

from segkit import checkpoint as ckpt
from segkit.checkpoint.integrity import hashes_beside
from segkit.errors import CheckpointError, DamagedCheckpointError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'iter_4.pth'
    ckpt.write_atomic(dict(state_dict=dict(w=torch.zeros(5000))), path)
    return path


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_one_bit_is_found_where_torch_does_not_look(path):
    at = path.read_bytes().index(b'\0' * 16_000) + 9000  # in the middle of the weights
    flip(path, at)
    assert torch.load(path, weights_only=True)['state_dict']['w'].count_nonzero() == 1  # torch reads it all the same
    for reads in (ckpt.verify, ckpt.load_file):
        with pytest.raises(DamagedCheckpointError) as error:
            reads(path)
        assert re.search(r'iter_4.pth \([\d,]+ bytes\) is damaged: its sha256', str(error.value))
        assert str(error.value).count('\n') < 4 and 'remove iter_4.pth.sha256' in str(error.value)
    flip(path, at)
    ckpt.verify(path)


def test_a_file_that_changed_since_it_was_compared_is_compared_again(path):
    ckpt.verify(path)
    flip(path, 2000)
    with pytest.raises(DamagedCheckpointError):
        ckpt.verify(path)


def test_without_a_hash_the_file_is_read(path):
    ckpt.hash_file(path).unlink()
    ckpt.verify(path)
    path.write_bytes(path.read_bytes()[:15_000])
    with pytest.raises(DamagedCheckpointError, match='is not a checkpoint that PyTorch can read'):
        ckpt.verify(path)
    with pytest.raises(CheckpointError, match='does not exist'):
        ckpt.verify(path.with_name('none.pth'))


@pytest.mark.parametrize('text', ['', 'no hash in here\n'])
def test_a_file_of_hashes_that_holds_none_is_as_none(path, text):
    ckpt.hash_file(path).write_text(text)
    assert hashes_beside(path) == ()
    ckpt.verify(path)


def test_either_of_two_hashes_may_be_the_file_s(path):
    beside = ckpt.hash_file(path)
    beside.write_text('0' * 64 + f'  {path.name}\n' + beside.read_text())
    ckpt.verify(path)
    assert len(hashes_beside(path)) == 2


def test_file_and_hash_go_and_move_together(path, tmp_path):
    ckpt.write_atomic(dict(w=1), tmp_path / 'earlier/iter_4.pth')  # of an earlier run; it is replaced
    there = ckpt.move(path, tmp_path / 'earlier')
    assert there == tmp_path / 'earlier/iter_4.pth'
    assert [p.name for p in tmp_path.iterdir()] == ['earlier']
    ckpt.verify(there)
    ckpt.hash_file(there).unlink()
    back = ckpt.move(there, tmp_path)
    ckpt.verify(back)
    ckpt.write_atomic(dict(w=1), back)
    ckpt.remove(back)
    ckpt.remove(back)
    assert list(tmp_path.rglob('*.pth*')) == []


def test_moved_file_never_meets_another_s_hash(path, tmp_path, monkeypatch):
    """A kill between the two renames of a move leaves a file without a hash, not one that looks damaged."""
    ckpt.write_atomic(dict(w=1), tmp_path / 'earlier/iter_4.pth')
    real, done = os.replace, []

    def dies(*args):
        if done:
            raise KeyboardInterrupt
        done.append(real(*args))

    monkeypatch.setattr(os, 'replace', dies)
    with pytest.raises(KeyboardInterrupt):
        ckpt.move(path, tmp_path / 'earlier')
    ckpt.verify(tmp_path / 'earlier/iter_4.pth')
