"""MATLAB files that SciPy wrote."""
import struct

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from segkit.apis.converters.mat_file import read_mat
from segkit.errors import DataError


def written(tmp_path, content, **how) -> bytes:
    savemat(tmp_path / 'x.mat', content, **how)
    return (tmp_path / 'x.mat').read_bytes()


@pytest.mark.parametrize('compressed', [False, True])
@pytest.mark.parametrize('kind', ['uint8', 'int8', 'uint16', 'int32', 'uint64', 'float32', 'float64'])
def test_every_type_and_shape(tmp_path, kind, compressed):
    rng = np.random.RandomState(0)
    for shape in ((1, 1), (1, 3), (3, 1), (5, 7), (40, 30), (2, 3, 4)):
        values = rng.randint(0, 120, shape).astype(kind)
        data = written(tmp_path, dict(before='text', S=values, after=np.eye(3)), do_compression=compressed)
        found = read_mat(data, 'x.mat', 'S')
        assert found.shape == shape and np.array_equal(found, loadmat(tmp_path / 'x.mat')['S'])
        assert np.array_equal(found, values) and found.dtype.kind in 'ui'


@pytest.mark.parametrize('compressed', [False, True])
def test_a_field_of_a_struct_among_others(tmp_path, compressed, sbd_mat):
    labels = np.random.RandomState(1).randint(0, 21, (37, 51))
    sbd_mat(tmp_path / 'sbd.mat', labels)
    data = (tmp_path / 'sbd.mat').read_bytes()
    assert np.array_equal(read_mat(data, 'x', 'GTcls', 'Segmentation'), labels)
    peer = loadmat(tmp_path / 'sbd.mat')['GTcls'][0]['Segmentation'][0]  # how others read SBD
    assert np.array_equal(peer, labels)
    nested = dict(a=dict(empty=[], b=dict(x=labels, long_name_of_a_field='text'), c=np.array([['q']], object)))
    data = written(tmp_path, nested, do_compression=compressed)
    assert np.array_equal(read_mat(data, 'x', 'a', 'b', 'x'), labels)
    for names in (('b',), ('a', 'x'), ('a', 'b'), ('a', 'c'), ('a', 'empty', 'x'), ('a', 'b', 'long_name_of_a_field')):
        with pytest.raises(DataError, match=f'x has no array {".".join(names)} of numbers'):
            read_mat(data, 'x', *names)


def test_the_other_byte_order():
    """Written by hand: a file of a big-endian machine, S = [1 3; 2 4] as doubles stored in bytes."""
    def element(kind, body):
        return struct.pack('>II', kind, len(body)) + body + b'\0' * (-len(body) % 8)

    array = (element(6, struct.pack('>II', 6, 0)) + element(5, struct.pack('>ii', 2, 2))
             + struct.pack('>HH4s', 1, 1, b'S') + struct.pack('>HH4B', 4, 2, 1, 2, 3, 4))
    data = b'MATLAB 5.0 MAT-file'.ljust(124) + b'\x01\x00MI' + element(14, array)
    assert read_mat(data, 'x', 'S').tolist() == [[1, 3], [2, 4]]


def test_what_is_wrong_is_said(tmp_path):
    for content, reason in ((b'', 'no MATLAB file of version 5'), (b'MATLAB 7.3 MAT-file' + b' ' * 200, 'MATLAB 7.3'),
                            (b'\x89HDF' + b' ' * 200, 'MATLAB 7.3'), (b'GIF89a' * 40, 'no MATLAB file of version 5')):
        with pytest.raises(DataError, match=f'a.mat is .*{reason}'):
            read_mat(content, 'a.mat', 'S')
    with pytest.raises(DataError, match='S holds fractions'):
        read_mat(written(tmp_path, dict(S=np.array([[0.5, 1]]))), 'a.mat', 'S')


@pytest.mark.parametrize('compressed', [False, True])
def test_no_damage_gives_anything_but_the_array_or_an_error(tmp_path, compressed):
    labels = np.random.RandomState(2).randint(0, 21, (19, 23)).astype(np.uint8)
    whole = written(tmp_path, dict(x=np.arange(3), GTcls=dict(Segmentation=labels)), do_compression=compressed)
    rng, refused = np.random.RandomState(3), 0
    for n in range(300):
        data = bytearray(whole)
        if n % 2:
            data = data[:rng.randint(len(data))]
        else:
            data[rng.randint(len(data))] ^= 1 << rng.randint(8)
        try:
            found = read_mat(bytes(data), 'a.mat', 'GTcls', 'Segmentation')
        except DataError as error:
            assert 'a.mat' in str(error)
            refused += 1
        else:  # a damage outside of the array, or in it where nothing has a checksum
            assert np.array_equal(found, labels) or not compressed
    assert refused > 150
