import numpy as np
import pytest

from segkit.datasets.transforms.image_file import decode_mask
from segkit.datasets.transforms.label_runs import decode_runs, encode_runs, runs_size
from segkit.errors import DataError


@pytest.mark.parametrize('labels', [
    np.zeros((1, 1), np.uint8), np.full((3, 70000), 255, np.uint8), np.arange(256, dtype=np.uint8)[None],
    np.random.RandomState(0).randint(0, 3, (40, 31)).astype(np.uint8), np.eye(5, 9, dtype=np.uint8)[:, ::-1],
    np.asfortranarray(np.tri(6, 4, dtype=np.uint8))], ids=str)
def test_what_is_stored_comes_back(labels):
    data = encode_runs(labels)
    back = decode_runs(data)
    assert back.dtype == np.uint8 and back.flags.writeable and np.array_equal(back, labels)
    assert runs_size(data) == labels.shape
    assert np.array_equal(decode_mask(data, 'm'), labels)


def test_every_changed_or_missing_byte_is_noticed():
    data = encode_runs(np.random.RandomState(1).randint(0, 3, (9, 7)).astype(np.uint8))
    for i in range(len(data)):
        for bad in (data[:i], data[:i] + bytes([data[i] ^ 1]) + data[i + 1:]):
            with pytest.raises(ValueError):
                decode_runs(bad)
    with pytest.raises(DataError, match="'some/mask' is damaged: its checksum is wrong"):
        decode_mask(data[:-1], 'some/mask')
