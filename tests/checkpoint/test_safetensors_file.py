"""Weights in the format of safetensors, written and read by its own package."""
import builtins
import json

import pytest
import torch

from segkit.checkpoint import hash_file, load_file, state_dict_of, verify, weights_equal, write_atomic
from segkit.errors import CheckpointError, DamagedCheckpointError

safetensors = pytest.importorskip('safetensors.torch')
META = dict(config_json='{"model": {"type": "X"}}', iter=7, preprocessing=dict(mean=[1.5], bgr_to_rgb=True),
            dataset_meta=dict(classes=['a', 'ö'], palette=[[0, 0, 0], [1, 2, 3]]), segkit_version='0.1.0')


def content():
    big = torch.arange(12.).reshape(3, 4)
    return dict(meta=META, state_dict={'b.weight': big.T, 'a.count': torch.tensor(5), 'c.half': big.half()[1]})


@pytest.fixture
def file(tmp_path):
    write_atomic(content(), tmp_path / 'x.safetensors')
    return tmp_path / 'x.safetensors'


def test_comes_back_with_what_is_beside_the_weights(file):
    verify(file)
    read = load_file(file)
    assert read['meta'] == META and weights_equal(read['state_dict'], content()['state_dict'])
    assert [value.dtype for value in map(read['state_dict'].get, ('a.count', 'c.half'))] == [torch.int64, torch.float16]
    file.rename(file.with_name('y.pth'))  # known by its first bytes
    hash_file(file).unlink()
    assert load_file(file.with_name('y.pth'))['meta'] == META


def test_other_programs_read_it(file):
    with safetensors.safe_open(file, framework='np') as opened:
        metadata, keys = opened.metadata(), set(opened.keys())
    assert keys == set(content()['state_dict']) and metadata['format'] == 'pt'
    assert metadata['config_json'] == META['config_json']
    assert json.loads(metadata['dataset_meta'])['classes'] == ['a', 'ö']
    assert torch.equal(safetensors.load_file(file)['b.weight'], content()['state_dict']['b.weight'])


@pytest.mark.parametrize('metadata', [None, {'format': 'pt'}, {'json_keys': '["a"]', 'a': '{'}, {'json_keys': '5'}])
def test_files_of_other_programs_are_read(tmp_path, metadata):
    safetensors.save_file(dict(w=torch.ones(2)), tmp_path / 'x.safetensors', metadata=metadata)
    read = load_file(tmp_path / 'x.safetensors')
    assert read['meta'] == {} and state_dict_of(read)['w'].tolist() == [1, 1]


@pytest.mark.parametrize('kept', [4, 9, 200, -1])
def test_one_that_is_cut_short_is_named(file, kept):
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DamagedCheckpointError, match='is damaged: its sha256'):
        load_file(file)
    hash_file(file).unlink()
    with pytest.raises(DamagedCheckpointError, match='x.safetensors .* that cannot be read: .*\nIt may'):
        load_file(file)


def test_a_changed_byte_is_seen_by_the_hash(file):
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(DamagedCheckpointError, match='is damaged: its sha256'):
        load_file(file)


def test_a_file_of_torch_under_this_name_is_named(tmp_path):
    torch.save(dict(w=torch.ones(2)), tmp_path / 'net.safetensors')
    with pytest.raises(DamagedCheckpointError, match='of torch.save under the name .*\nRename it: net.pth'):
        load_file(tmp_path / 'net.safetensors')


def test_weights_that_share_memory_are_written_once_each(tmp_path):
    one = torch.arange(6.).reshape(2, 3)
    path = tmp_path / 'tied.safetensors'
    write_atomic(dict(state_dict=dict(a=one, b=one, c=one[1])), path)
    found = load_file(path)['state_dict']
    assert torch.equal(found['a'], one) and torch.equal(found['b'], one) and torch.equal(found['c'], one[1])


def test_what_it_cannot_hold_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match='not message_hub, optimizer.\n.*publish_model.py'):
        write_atomic(dict(content(), optimizer={}, message_hub={}), tmp_path / 'x.safetensors')
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_pip_is_named(file, monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.split('.')[0] == 'safetensors':
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', missing)
    for call in (lambda: load_file(file), lambda: write_atomic(content(), file.with_name('y.safetensors'))):
        with pytest.raises(CheckpointError, match='needs the package.*not installed:\npip install safetensors'):
            call()
    assert not file.with_name('y.safetensors').exists()


def test_the_device_is_chosen(file):
    assert {value.device.type for value in load_file(file, 'meta')['state_dict'].values()} == {'meta'}
