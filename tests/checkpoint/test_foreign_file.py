"""What is no checkpoint is called by its name."""
import pickle
import zipfile

import pytest
import torch

from segkit.checkpoint import load_file
from segkit.checkpoint.foreign_file import describe
from segkit.errors import CheckpointError, DamagedCheckpointError


def make(path, kind):
    """A real file of that kind."""
    if kind == 'TorchScript':
        torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), str(path))
    elif kind == 'zip':
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('iter_4.pth', b'x')
    elif kind == 'pickle':
        path.write_bytes(pickle.dumps(dict(w=list(range(100))), protocol=4))
    elif kind == 'empty':
        path.touch()
    elif kind == 'html':
        path.write_text('<!DOCTYPE html><html><body>404</body></html>')
    elif kind == 'lfs':
        path.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n')
    elif kind == 'gzip':
        import gzip
        path.write_bytes(gzip.compress(b'x' * 99))


@pytest.mark.parametrize('unsafe', [False, True])
@pytest.mark.parametrize('kind, words', [
    ('TorchScript', 'is a TorchScript archive: a program, not weights.\nWrite its weights: .*torch.jit.load'),
    ('zip', 'is a zip archive of 1 files, iter_4.pth, ..., not one that torch.save wrote'),
    ('pickle', 'is a plain pickle .pickle.dump., which may run code'),
    ('empty', 'is an empty file .0 bytes.'), ('html', 'is a web page'), ('lfs', 'is a pointer of git-lfs'),
    ('gzip', 'is compressed with gzip')])
@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_each_kind_is_named_and_never_run(tmp_path, kind, words, unsafe):
    make(tmp_path / 'x.pth', kind)
    with pytest.raises(DamagedCheckpointError, match=f'x.pth {words}') as error:
        load_file(tmp_path / 'x.pth', unsafe=unsafe)
    assert str(error.value).count('\n') < 4 and '{path}' not in str(error.value)


@pytest.mark.parametrize('name, start', [('x.onnx', b'\x08\x0a\x12'), ('x.pt2', b'PK\x03\x04')])
def test_an_exported_file_is_named(tmp_path, name, start):
    (tmp_path / name).write_bytes(start + bytes(99))
    with pytest.raises(DamagedCheckpointError, match=f'{name} is an exported network .*\nGive the checkpoint that it'):
        load_file(tmp_path / name)


def test_a_folder_is_named(tmp_path):
    (tmp_path / 'run.pth').mkdir()
    with pytest.raises(CheckpointError, match='run.pth is a folder'):
        load_file(tmp_path / 'run.pth')


def test_what_torch_writes_is_none_of_them(tmp_path):
    for new in (True, False):
        torch.save(dict(w=torch.ones(3)), tmp_path / 'x.pth', _use_new_zipfile_serialization=new)
        assert describe(tmp_path / 'x.pth') is None
    torch.save(dict(w=torch.ones(3000)), tmp_path / 'x.pth')
    (tmp_path / 'x.pth').write_bytes((tmp_path / 'x.pth').read_bytes()[:2000])
    assert describe(tmp_path / 'x.pth') is None  # cut short: torch says what it misses
