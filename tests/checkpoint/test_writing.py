"""Checkpoints are written whole."""

import pytest
import torch

from segkit import checkpoint as ckpt
from segkit.errors import CheckpointError


def test_written_whole(tmp_path):
    path = tmp_path / 'new' / 'a.pth'
    ckpt.write_atomic(dict(w=torch.arange(3)), path)
    assert ckpt.load_file(path)['w'].tolist() == [0, 1, 2]
    assert [p.name for p in path.parent.iterdir()] == ['a.pth']


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / 'a.pth'
    ckpt.write_atomic(dict(w=1), path)

    def full(obj, file):
        file.write(b'half of it')
        raise OSError('No space left on device')

    monkeypatch.setattr(torch, 'save', full)
    with pytest.raises(CheckpointError, match='No space left'):
        ckpt.write_atomic(dict(w=2), path)
    assert ckpt.load_file(path)['w'] == 1
    assert [p.name for p in tmp_path.iterdir()] == ['a.pth']
