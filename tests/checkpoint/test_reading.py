"""Checkpoints are read without running code."""
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch import nn

from segkit import checkpoint as ckpt
from segkit.errors import CheckpointError, DamagedCheckpointError


class Evil:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def legacy_and_zip(obj, path: Path) -> list[Path]:
    paths = [path.with_suffix('.zip.pth'), path.with_suffix('.old.pth')]
    for file, new in zip(paths, (True, False)):
        torch.save(obj, file, _use_new_zipfile_serialization=new)
    return paths


def test_a_malicious_pickle_does_not_run(tmp_path):
    trace = tmp_path / 'it_ran'
    for evil, name in ((Evil(os.system, f'touch {trace}'), 'system'),
                       (Evil(exec, f'open({str(trace)!r}, "w")'), 'exec'),
                       (Evil(getattr, torch.Tensor, 'numpy'), 'getattr'),
                       (Evil(getattr, HistoryBuffer, '__init__'), 'getattr'),
                       (Evil(getattr, HistoryBuffer, 'update'), 'getattr')):
        for path in legacy_and_zip(dict(state_dict=dict(w=torch.zeros(1)), meta=evil), tmp_path / name):
            with pytest.raises(CheckpointError) as error:
                ckpt.load_file(path)
            assert not trace.exists()
            assert name in str(error.value)
            assert 'unsafe=True' in str(error.value)
            assert str(error.value).count('\n') < 4


def test_unsafe_is_what_the_caller_says(tmp_path):
    path = tmp_path / 'own.pth'
    torch.save(dict(meta=Evil(Path, 'x')), path)
    with pytest.raises(CheckpointError, match='pathlib'):
        ckpt.load_file(path)
    assert ckpt.load_file(path, unsafe=True)['meta'] == Path('x')


def test_the_allowance_ends_with_the_reading(tmp_path):
    path = tmp_path / 'hub.pth'
    torch.save(dict(history=HistoryBuffer([1.0], [1])), path)
    ckpt.load_file(path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


def test_what_mmengine_writes_is_read(tmp_path):
    hub = MessageHub.get_instance('test-checkpoint')
    for i in range(3):
        hub.update_scalar('train/loss', 1.0 / (i + 1))
        hub.update_scalar('train/acc', np.float32(i))
    hub.update_info('iter', 3)
    hub.update_info('best', np.float64(71.5))
    weights = nn.Linear(2, 3).state_dict()
    saved = dict(meta=dict(dataset_meta=dict(classes=('a', 'b'), palette=[[0, 0, 0], [1, 2, 3]]), iter=3),
                 state_dict=weights, message_hub=hub.state_dict())
    for path in legacy_and_zip(saved, tmp_path / 'iter_3.pth'):
        loaded = ckpt.load_file(path)
        assert loaded['meta']['dataset_meta']['palette'][1] == [1, 2, 3]
        assert torch.equal(ckpt.state_dict_of(loaded)['weight'], weights['weight'])
        loss = loaded['message_hub']['log_scalars']['train/loss']
        assert loss.mean(3) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
        assert loaded['message_hub']['runtime_info']['best'] == 71.5


def test_numpy_of_either_age_is_read(tmp_path):
    text = pickle.dumps(dict(a=np.arange(3.0), b=np.int64(4)), protocol=2)
    other = text.replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
    for name, raw in (('new', text), ('old', other)):
        path = tmp_path / f'{name}.pth'
        torch.save(dict(x=1), path, _use_new_zipfile_serialization=False)
        # the legacy format is a row of pickles, the third one being the object
        head = path.read_bytes()
        body = pickle.dumps(dict(x=1), protocol=2)
        assert body in head
        path.write_bytes(head.replace(body, raw, 1))
        assert ckpt.load_file(path)['a'].tolist() == [0, 1, 2], name


@pytest.mark.parametrize('content', [b'', b'<html>404</html>', b'PK\x03\x04 cut short'])
def test_damaged_files_are_named(tmp_path, content):
    path = tmp_path / 'cut.pth'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match='cut.pth') as error:
        ckpt.load_file(path)
    assert 'weights_only' not in str(error.value)
    assert str(error.value).count('\n') < 4


def test_a_truncated_checkpoint_is_named(tmp_path):
    path = tmp_path / 'half.pth'
    torch.save(dict(w=torch.zeros(5000)), path)
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(CheckpointError, match='half.pth'):
        ckpt.load_file(path)


def test_no_dict_is_an_error(tmp_path):
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(CheckpointError, match='holds a list'):
        ckpt.load_file(tmp_path / 'list.pth')


def test_a_missing_file_names_the_nearest(tmp_path):
    torch.save(dict(), tmp_path / 'iter_2000.pth')
    with pytest.raises(CheckpointError, match='iter_2000.pth'):
        ckpt.load_file(tmp_path / 'iter_200.pth')
    with pytest.raises(CheckpointError, match='folder'):
        ckpt.load_file(tmp_path / 'nowhere' / 'x.pth')


def test_weights_are_found_and_unwrapped():
    w = torch.ones(2)
    for saved in (dict(w=w), dict(state_dict=dict(w=w)), dict(model=dict(w=w), epoch=3),
                  dict(state_dict={'module.w': w})):
        assert list(ckpt.state_dict_of(saved)) == ['w']
    with pytest.raises(CheckpointError, match='epoch'):
        ckpt.state_dict_of(dict(epoch=3))


def test_real_weights_are_read(data_pack):
    loaded = ckpt.load_file(data_pack / 'weights' / 'deeplabv3_mnv2_pascal_trainval.pth')
    assert len(ckpt.state_dict_of(loaded)) == 326


def test_names_that_lost_bytes_are_damage_not_code(tmp_path):
    """A file cut in the middle of a name asks for something that torch never had."""
    path = tmp_path / 'old.pth'
    torch.save(dict(w=torch.ones(2)), path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    path.write_bytes(data.replace(b'_rebuild_tensor_v2', b'_rebuild_tensos_v2'))
    with pytest.raises(DamagedCheckpointError, match='is not a checkpoint that PyTorch can read'):
        ckpt.load_file(path)
    with pytest.raises(DamagedCheckpointError):
        ckpt.verify(path)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    import builtins
    path = tmp_path / 'x.pth'
    ckpt.write_atomic(dict(w=1), path)
    real = builtins.open

    def refuses(name, *args, **kwargs):
        if str(name) == str(path):
            raise PermissionError(13, 'Permission denied', str(name))
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, 'open', refuses)
    for read in (ckpt.load_file, ckpt.verify):
        with pytest.raises(CheckpointError, match='cannot be read: Permission denied') as error:
            read(path)
        assert not isinstance(error.value, DamagedCheckpointError)
