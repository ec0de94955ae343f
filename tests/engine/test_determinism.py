"""Deterministic runs, and that a seed decides all of a run on a CPU."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from segkit.apis.train import main
from segkit.engine import determinism
from segkit.errors import ConfigError, SegkitError


@pytest.fixture
def deterministic_torch():
    """torch's switches are put back behind the test."""
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False


@pytest.fixture(autouse=True)
def workspace(monkeypatch):
    monkeypatch.delenv('CUBLAS_WORKSPACE_CONFIG', raising=False)


def test_nothing_is_done_unless_asked_for():
    given = dict(cudnn_benchmark=True)
    assert determinism.prepare({}, given) == (given, []) == determinism.prepare(dict(deterministic=False), given)
    assert 'CUBLAS_WORKSPACE_CONFIG' not in os.environ


def test_what_is_set_before_cuda_is_used():
    given = dict(cudnn_benchmark=True, mp_cfg=dict(a=1))
    settled, lines = determinism.prepare(dict(deterministic=True), given)
    assert settled == dict(cudnn_benchmark=False, mp_cfg=dict(a=1)) and given['cudnn_benchmark'] is True
    assert len(lines) == 1 and 'env_cfg.cudnn_benchmark=True is overruled' in lines[0]
    assert os.environ['CUBLAS_WORKSPACE_CONFIG'] == ':4096:8'
    assert determinism.prepare(dict(deterministic=True), {}) == ({}, [])


def test_another_workspace(monkeypatch):
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':16:8')
    determinism.prepare(dict(deterministic=True), {})
    assert os.environ['CUBLAS_WORKSPACE_CONFIG'] == ':16:8'
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':0:0')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    determinism.prepare(dict(deterministic=True), {})
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    with pytest.raises(ConfigError, match=':0:0'):
        determinism.prepare(dict(deterministic=True), {})


@pytest.mark.parametrize('value', ['yes', 1, None])
def test_values_that_are_neither_true_nor_false(value):
    with pytest.raises(ConfigError, match='randomness.deterministic'):
        determinism.prepare(dict(deterministic=value), {})


def test_a_refused_operation_is_named(run, deterministic_torch):
    runner = run(randomness=dict(deterministic=True))
    predict = runner.model.forward

    def refused(*args, **kwargs):
        torch.zeros(3).put_(torch.tensor([1]), torch.tensor([1.]))
        return predict(*args, **kwargs)
    runner.model.forward = refused
    with pytest.raises(SegkitError, match='put_.* has no deterministic implementation') as caught:
        runner.train()
    assert len(str(caught.value).splitlines()) <= 4 and 'randomness.deterministic=False' in str(caught.value)


def test_other_errors_of_torch_pass():
    with pytest.raises(RuntimeError, match='shape'), determinism.refusals_explained():
        raise RuntimeError('shape mismatch')
    with pytest.raises(SegkitError, match='cuBLAS'), determinism.refusals_explained():
        raise RuntimeError('not deterministic because it uses CuBLAS ... set CUBLAS_WORKSPACE_CONFIG=:4096:8')


@pytest.mark.slow
def test_two_processes_with_other_numbers_of_workers_give_the_same_bits(launched, tiny_config, tmp_path):
    def train(name, workers, *flags):
        argv = [tiny_config, '--work-dir', tmp_path / name, *flags, '--cfg-options',
                f'train_dataloader.num_workers={workers}']
        if name == 'a':  # started by itself, so that it hashes text otherwise than the forks
            done = subprocess.run([sys.executable, Path(__file__).parents[2] / 'tools/train.py', *argv],
                                  capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS='1'))
            assert done.returncode == 0, done.stderr
        else:
            launched(main, argv, 1)
        return torch.load(tmp_path / name / 'iter_6.pth', weights_only=True)
    ours, theirs = train('a', 0, '--deterministic', '--seed', '3'), train('b', 2, '--deterministic', '--seed', '3')
    other = train('c', 1, '--seed', '4')
    weights = ours['state_dict']
    assert all(torch.equal(weights[name], theirs['state_dict'][name]) for name in weights)
    momentum, same = (list(saved['optimizer']['state'].values()) for saved in (ours, theirs))
    assert all(torch.equal(a['momentum_buffer'], b['momentum_buffer']) for a, b in zip(momentum, same, strict=True))
    assert not all(torch.equal(weights[name], other['state_dict'][name]) for name in weights)
