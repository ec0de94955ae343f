"""Files that MXNet wrote: tests/data/mxnet_tiny.params is by MXNet 1.9.1's nd.save."""
import struct
from pathlib import Path

import pytest
import torch

from segkit.apis.importers import mxnet_file
from segkit.checkpoint import load_file
from segkit.errors import CheckpointError, DamagedCheckpointError

REAL = Path(__file__).parents[2] / 'data/mxnet_tiny.params'


def test_what_mxnet_wrote():
    assert mxnet_file.recognised(REAL)
    found = mxnet_file.load(REAL)
    assert list(found) == ['conv1.0.weight', 'bn1.running_mean', 'step', 'half']
    assert torch.equal(found['conv1.0.weight'], torch.arange(12.).reshape(2, 3, 2) / 4)
    assert found['bn1.running_mean'].tolist() == [1.5, -2] and found['step'].tolist() == [7]
    assert [value.dtype for value in found.values()] == [torch.float32, torch.float32, torch.int32, torch.float16]


@pytest.mark.parametrize('length', [24, 30, 60, 200, 315])
def test_one_that_is_cut_short_is_named(tmp_path, length):
    (tmp_path / 'x.params').write_bytes(REAL.read_bytes()[:length])
    with pytest.raises(DamagedCheckpointError, match='x.params .* of MXNet and is damaged: .* do.\nIt may be'):
        mxnet_file.load(tmp_path / 'x.params')


def test_every_other_byte_may_be_wrong(tmp_path):
    """Whatever is in it, it is refused or gives tensors; it never takes memory that is not there."""
    data, refused = REAL.read_bytes(), 0
    for i in range(16, len(data)):
        changed = bytearray(data)
        changed[i] ^= 0xFF
        (tmp_path / 'x.params').write_bytes(changed)
        try:
            assert all(isinstance(value, torch.Tensor) for value in mxnet_file.load(tmp_path / 'x.params').values())
        except CheckpointError as error:
            assert 'x.params' in str(error)
            refused += 1
    assert refused > 100


def test_sparse_arrays_and_arrays_without_names(tmp_path):
    start = struct.pack('<QQQ', 0x112, 0, 1)
    (tmp_path / 'x').write_bytes(start + struct.pack('<IiI', 0xF993FAC9, 1, 0) + bytes(40))
    with pytest.raises(CheckpointError, match='sparse'):
        mxnet_file.load(tmp_path / 'x')
    array = struct.pack('<IiIqiiif', 0xF993FAC9, 0, 1, 1, 1, 0, 0, 2.5)
    (tmp_path / 'x').write_bytes(start + array + struct.pack('<Q', 0))
    with pytest.raises(CheckpointError, match='names 0 of its 1 arrays'):
        mxnet_file.load(tmp_path / 'x')


def test_load_file_says_what_it_is():
    with pytest.raises(CheckpointError, match='(?s)of MXNet .*import_weights.py gluoncv .*mxnet_tiny.params OUT'):
        load_file(REAL)
