"""A checkpoint that contains code: no way into segkit runs it, and each does where its user says so."""
import ast
import io
import os
import shutil
from pathlib import Path

import pytest
import torch

from segkit.apis import MMSegInferencer, init_model, predict, train
from segkit.apis import test as testing
from segkit.apis.cli import run
from segkit.checkpoint import hash_file, load_file, trusting, trusts
from segkit.errors import CheckpointError

PACKAGE = Path(__file__).parents[2] / 'segkit'


class Evil:
    """Leaves a file where it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return io.open, (self.path, 'w')


@pytest.fixture
def evil(tiny_config, tmp_path):
    """(config, checkpoint of a run in tmp_path/run that runs code when unpickled, the file this code leaves)."""
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'run'), '--cfg-options', 'train_cfg.max_iters=3'])
    path, mark = tmp_path / 'run/iter_3.pth', tmp_path / 'it_ran'
    full, best = (torch.load(file, weights_only=True) for file in (path, tmp_path / 'run/best_mIoU.pth'))
    backbone = dict(meta={}, state_dict={key[len('backbone.'):]: value for key, value in full['state_dict'].items()
                                         if key.startswith('backbone.')})
    for file, content in ((path, full), (tmp_path / 'run/best_mIoU.pth', best), (tmp_path / 'backbone.pth', backbone)):
        content['meta']['extra'] = Evil(mark)
        torch.save(content, file)
        hash_file(file).unlink(missing_ok=True)
    shutil.rmtree(tmp_path / 'run/vis_data')
    return tiny_config, path, mark


WAYS = {
    'train load_from': lambda config, path, out: (train.main, [
        config, '--work-dir', out, '--cfg-options', f'load_from={path}', 'train_cfg.max_iters=1']),
    'train --resume': lambda config, path, out: (train.main, [
        config, '--work-dir', str(path.parent), '--resume', '--cfg-options', 'train_cfg.max_iters=4']),
    'train load_from --resume': lambda config, path, out: (train.main, [
        config, '--work-dir', out, '--resume', '--cfg-options', f'load_from={path}', 'train_cfg.max_iters=4']),
    'train init_cfg': lambda config, path, out: (train.main, [
        config, '--work-dir', out, '--cfg-options', 'train_cfg.max_iters=1',
        f"model.backbone.init_cfg=dict(type='Pretrained', checkpoint='{path.parents[1]}/backbone.pth')"]),
    'test': lambda config, path, out: (testing.main, [config, str(path), '--work-dir', out]),
    'test, own config': lambda config, path, out: (testing.main, [str(path), '--work-dir', out]),
    'test, own config, --tta': lambda config, path, out: (testing.main, [str(path), '--work-dir', out, '--tta']),
    'predict': lambda config, path, out: (predict.main, [
        str(path.parents[1] / 'data/JPEGImages/im00.jpg'), config, str(path), '--out-dir', out]),
    'predict, own config': lambda config, path, out: (predict.main, [
        str(path.parents[1] / 'data/JPEGImages/im00.jpg'), str(path), '--out-dir', out]),
}


@pytest.mark.parametrize('way', WAYS)
def test_tools_refuse_it_and_take_it_where_the_flag_is_typed(evil, tmp_path, capsys, way):
    config, path, mark = evil
    main, argv = WAYS[way](str(config), path, str(tmp_path / 'out'))
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        run(main, argv)
    error = capsys.readouterr().err
    assert left.value.code == 2 and not mark.exists()
    assert error.startswith('error: ') and "asks for 'io.open'" in error and '--unsafe-load' in error
    assert error.count('\n') <= 4
    main([*argv, '--unsafe-load'])
    assert mark.exists()
    out = capsys.readouterr().out
    assert "asks for 'io.open': it is trusted as you said, and its code runs" in out
    assert not trusts()
    for folder in (tmp_path / 'out', path.parent):  # it holds for that process only
        for kept in folder.rglob('*'):
            assert kept.suffix not in ('.py', '.pth') or b'unsafe' not in kept.read_bytes(), kept


@pytest.mark.parametrize('call', [
    lambda config, path, **kw: init_model(config, path, 'cpu', **kw),
    lambda config, path, **kw: init_model(None, path, 'cpu', **kw),
    lambda config, path, **kw: init_model(path, device='cpu', **kw),
    lambda config, path, **kw: MMSegInferencer(config, path, device='cpu', **kw),
    lambda config, path, **kw: MMSegInferencer(weights=path, device='cpu', **kw),
    lambda config, path, **kw: load_file(path, **kw)])
def test_functions_refuse_it_and_take_it_where_they_are_told(evil, call):
    config, path, mark = evil
    with pytest.raises(CheckpointError, match="(?s)asks for 'io.open', which weights do not need.*unsafe=True"):
        call(str(config), str(path))
    assert not mark.exists()
    call(str(config), str(path), unsafe=True)
    assert mark.exists() and not trusts()


def test_best_weights_that_a_resumed_run_looks_at(evil, capsys):
    config, path, mark = evil
    content = torch.load(path, weights_only=False)
    mark.unlink()
    del content['meta']['extra']
    torch.save(content, path)
    train.main([str(config), '--work-dir', str(path.parent), '--resume'])
    assert not mark.exists()
    out = capsys.readouterr().out
    assert "best_mIoU.pth asks for 'io.open'" in out and 'The next validation writes it anew.' in out


def test_trust_ends_with_its_block_and_errors_too():
    assert not trusts()
    with pytest.raises(ZeroDivisionError), trusting():
        with trusting(False):  # what is inside asks for nothing more and takes nothing away
            assert trusts()
        1 / 0
    assert not trusts()


def test_a_safe_file_is_read_safely_whatever_is_said(evil, tmp_path, capsys):
    torch.save(dict(w=torch.ones(1)), tmp_path / 'safe.pth')
    capsys.readouterr()
    assert load_file(tmp_path / 'safe.pth', unsafe=True)['w'].item() == 1
    assert 'trusted' not in capsys.readouterr().out


READERS = {'load_checkpoint', '_load_checkpoint', 'CheckpointLoader', 'unpickle', 'Unpickler', 'loads'}


@pytest.mark.parametrize('path', sorted(PACKAGE.rglob('*.py')), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_one_place_alone_reads_pickles(path):
    """torch.load, pickle and MMEngine's loaders stand in checkpoint/reading.py or nowhere."""
    if path == PACKAGE / 'checkpoint/reading.py':
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name for alias in node.names} & {'pickle', 'joblib', 'dill', 'marshal', 'shelve'}
        if isinstance(node, ast.ImportFrom) and node.module.startswith(('pickle', 'mmengine', 'torch')):
            assert not {alias.name for alias in node.names} & (READERS | {'load'}), node.lineno
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = f'{node.value.id}.{node.attr}'
            assert name not in ('torch.load', 'fileio.load', 'mmengine.load', 'yaml.load') and (
                node.attr not in READERS or node.value.id in ('json', 'self', 'runner')), f'{name}:{node.lineno}'
            if name == 'np.load':
                assert 'allow_pickle' not in ast.unparse(node)
        if isinstance(node, ast.keyword):
            assert node.arg != 'allow_pickle'


def test_mmengine_s_own_names_lead_here():
    """A config of anybody's that names them gets what refuses code."""
    from mmengine.registry import WEIGHT_INITIALIZERS
    from mmengine.runner import Runner

    from segkit.engine import SegRunner
    from segkit.models.pretrained_init import Pretrained
    assert WEIGHT_INITIALIZERS.get('Pretrained') is Pretrained
    for name in ('load_checkpoint', 'load_or_resume', 'resume', 'save_checkpoint'):
        assert getattr(SegRunner, name) is not getattr(Runner, name)
    assert os.path.basename(load_file.__code__.co_filename) == 'reading.py'
