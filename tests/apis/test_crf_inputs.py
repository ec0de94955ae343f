"""What crf.py reads beside the files of a test, which test_crf.py goes through."""
import json

import numpy as np
import pytest
from PIL import Image

from segkit.apis.crf_inputs import Reading, pieces_of, read_index, read_probabilities, state_of
from segkit.errors import DataError

WAY = dict(image=dict(color_type='color_ignore_orientation', imdecode_backend='pillow'),
           labels=dict(imdecode_backend='cv2', color_map=[[[9, 0, 0], 5], [[0, 9, 0], 0]], reduce_zero_label=True,
                       label_map=[[4, 1]], ignore_index=255))


@pytest.fixture
def folder(tmp_path):
    """Probabilities and photo of one sample that an index tells of."""
    np.save(tmp_path / 'a.npy', np.full((2, 4, 6), 0.5, np.float32))
    turned = Image.new('RGB', (4, 6), (200, 0, 0))
    exif = turned.getexif()
    exif[0x112] = 6  # a viewer shows it as 6x4
    turned.save(tmp_path / 'a.jpg', exif=exif)
    index = dict(classes=['x', 'y'], threshold=None, ignore_index=7, ways=[WAY], files={
        'a.npy': dict(img_path=str(tmp_path / 'a.jpg'), seg_map_path=None, way=0)})
    (tmp_path / 'index.json').write_text(json.dumps(index))
    return tmp_path


def found(folder, photos=None, masks=None):
    index = read_index(str(folder))
    return list(pieces_of(str(folder), photos, masks, 'out', index, Reading()))


def test_files_are_read_as_the_test_did(folder):
    index = read_index(str(folder))
    assert index.ignore_index == 7 and index.threshold is None
    piece, = found(folder)
    assert piece[:4] == (str(folder / 'a.npy'), str(folder / 'a.jpg'), None, 'out/a.png')
    photo = piece.reading.photo(piece.photo)
    assert photo.shape == (6, 4, 3) and photo[0, 0, 0] > 150  # not turned, and red first
    assert Reading().photo(piece.photo).shape == (4, 6, 3)
    Image.fromarray(np.array([[[9, 0, 0], [0, 9, 0]]], np.uint8)).save(folder / 'a.png')
    assert piece.reading.labels(str(folder / 'a.png')).tolist() == [[1, 255]]  # colour 5, reduced 4, mapped 1
    with pytest.raises(DataError, match="a.png' is an RGB image; a mask with one class index"):
        Reading().labels(str(folder / 'a.png'))
    assert found(folder, masks=str(folder))[0].mask == str(folder / 'a.png')


@pytest.mark.parametrize('harm, message', [
    (lambda root: np.save(root / 'b.npy', np.zeros((2, 4, 6))), '(?s)b.npy is not in .*index.json.*remove index.json'),
    (lambda root: (root / 'index.json').write_text('{"ways": 3}'), '(?s)index.json is no index.*Save them again'),
    (lambda root: (root / 'index.json').unlink(), '(?s)photos belong to .* is not known.*PROBABILITIES PHOTOS OUT'),
    (lambda root: np.savez(root / 'a.npz', np.zeros(3)), 'a.npz is not in'),
])
def test_folders_that_do_not_fit_their_index(folder, harm, message):
    harm(folder)
    with pytest.raises(DataError, match=message):
        found(folder)


def test_the_longest_end_of_a_path_wins(folder):
    index = json.loads((folder / 'index.json').read_text())
    index['files']['a.npy']['img_path'] = '/gone/city/a.jpg'
    (folder / 'index.json').write_text(json.dumps(index))
    (folder / 'city').mkdir()
    assert found(folder, str(folder))[0].photo == str(folder / 'a.jpg')
    (folder / 'city/a.jpg').write_bytes(b'')
    assert found(folder, str(folder))[0].photo == str(folder / 'city/a.jpg')


def test_the_only_file_of_a_name_is_found_in_any_folder(folder, tmp_path):
    for name in ('one', 'two'):
        (tmp_path / f'moved/{name}/deep').mkdir(parents=True)
    (folder / 'a.jpg').rename(tmp_path / 'moved/two/deep/a.jpg')
    moved = str(tmp_path / 'moved')
    assert found(folder, moved)[0].photo == str(tmp_path / 'moved/two/deep/a.jpg')
    (tmp_path / 'moved/one/a.jpg').write_bytes(b'')
    with pytest.raises(DataError, match='may be any of 2 files of that name below .*moved, such as .*one/a.jpg'):
        found(folder, moved)


def test_the_state_of_a_packed_record_is_that_of_its_pack(tmp_path):
    (tmp_path / 'a.lmdb').write_bytes(b'123')
    assert state_of(f'packed://{tmp_path}/a.lmdb#0/image/x.jpg') == state_of(str(tmp_path / 'a.lmdb'))
    assert state_of(str(tmp_path / 'a.lmdb'))[0] == 3 and state_of('s3://bucket/x.jpg') == [0, 0]


def test_an_npz_file_of_one_array(tmp_path):
    found = np.random.rand(3, 4, 5).astype(np.float16)
    np.savez_compressed(tmp_path / 'one.npz', probs=found)
    np.savez(tmp_path / 'two.npz', a=found, b=found)
    assert np.array_equal(read_probabilities(str(tmp_path / 'one.npz')), found.astype(np.float32))
    with pytest.raises(DataError, match='two.npz: expected one array; it holds a, b'):
        read_probabilities(str(tmp_path / 'two.npz'))


@pytest.mark.parametrize('content, message', [
    (np.array([0.5, None]), r'(?s)x.npy holds Python objects.*expected one array of numbers \(K, H, W\)'),
    (np.array([[[0.5, np.nan]], [[0.5, np.inf]]]), 'x.npy holds 2 values of 4 that are NaN or infinite'),
])
def test_arrays_that_are_no_probabilities(tmp_path, content, message):
    np.save(tmp_path / 'x.npy', content)
    with pytest.raises(DataError, match=message) as error:
        read_probabilities(str(tmp_path / 'x.npy'))
    assert 'allow_pickle' not in str(error.value)
