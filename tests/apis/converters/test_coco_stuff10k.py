"""COCO-Stuff 10k: .mat files as the archive's, written by SciPy."""
import zipfile

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from segkit.apis.converters import coco_stuff10k
from segkit.apis.converters.coco_stuff import USED
from segkit.apis.converters.coco_stuff10k import TEN_K, convert
from segkit.errors import DataError

NAMES = dict(train=['COCO_train2014_000000000077', 'COCO_train2014_000000000349', 'COCO_train2014_000000001108'],
             test=['COCO_train2014_000000003518', 'COCO_train2014_000000003711'])


def write_mat(path, stored):
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, dict(S=stored, captions=np.array([['a photo'], ['of a thing']], object),
                       names=np.array([['person']], object), regionLabelsStuff=np.arange(9)), do_compression=True)


@pytest.fixture
def tree(tmp_path, photo):
    root, rng = tmp_path / 'coco10k', np.random.RandomState(0)
    (root / 'imageLists').mkdir(parents=True)
    for split, names in NAMES.items():
        (root / f'imageLists/{split}.txt').write_text('\n'.join(names) + '\n')
        for n, name in enumerate(names):
            photo(root / f'images/{name}.jpg', (36, 48), n)
            write_mat(root / f'annotations/{name}.mat', rng.choice(np.r_[0, USED], (36, 48)).astype(np.uint16))
    return root


def test_labels_splits_and_the_config(tree, tmp_path, through_config, capsys):
    from scipy.io import loadmat
    assert convert(str(tree), partial=True, processes=2) == dict(train=3, test=2)
    numbers = [n for n in range(1, 183) if n not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)]
    for split, names in NAMES.items():
        for name in names:
            stored = loadmat(tree / f'annotations/{name}.mat')['S']
            made = np.array(Image.open(tree / f'annotations/{split}2014/{name}_labelTrainIds.png'))
            assert np.array_equal(made == 0, stored == 0)
            assert all((made[stored == number] == k).all() for k, number in enumerate(numbers, start=1))
            assert (tree / f'images/{split}2014/{name}.jpg').samefile(tree / f'images/{name}.jpg')
    train, val = through_config('coco-stuff10k.py', tree)
    assert (len(train), len(val)) == (3, 2)
    assert set(np.unique(train[0]['gt_seg_map'])) <= {*range(171), 255}
    capsys.readouterr()
    convert(str(tree), partial=True, processes=1)
    assert 'COCO-Stuff: 0 masks written, 5 were there\n' in capsys.readouterr().out
    assert convert(str(tree), str(tmp_path / 'out'), partial=True) == dict(train=3, test=2)
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['annotations', 'images']


def test_what_is_missing_or_damaged_is_named(tree):
    def refused(**own):
        with pytest.raises(DataError) as error:
            convert(str(tree), **{**dict(partial=True, processes=1), **own})
        assert len(str(error.value).splitlines()) <= 4
        assert not (tree / 'images/train2014').exists() and not (tree / 'annotations/train2014').exists()
        return str(error.value)

    assert 'train has 3 instead of 9,000, test has 2 instead of 1,000' in refused(partial=False)
    mat, photo = (tree / f'{folder}/{NAMES["train"][1]}{suffix}' for folder, suffix in (('annotations', '.mat'),
                                                                                       ('images', '.jpg')))
    before = mat.read_bytes()
    for stored, reason in ((np.full((36, 48), 66), 'has the label 66 in 1,728 pixels'),
                           (np.full((36, 47), 1), f'has 47x36 pixels, its photo {photo} 48x36'),
                           (np.full((36, 48), 0.5), 'S holds fractions')):
        write_mat(mat, stored)
        assert str(mat) in (text := refused()) and reason in text
    savemat(mat, dict(T=np.ones((36, 48))))
    assert f'{mat} has no array S of numbers' in refused()
    mat.write_bytes(before[:300])
    assert f'{mat} is damaged or cut short' in refused()
    mat.unlink()
    assert f'{mat} is missing.\n1 of 3 masks of train' in refused()
    mat.write_bytes(before)
    (tree / 'imageLists/test.txt').unlink()
    assert 'imageLists/test.txt is missing.\ncocostuff-10k-v1.1.zip has it' in refused()


def test_downloaded(tree, tmp_path, web_server, monkeypatch):
    with zipfile.ZipFile(web_server.folder / TEN_K.name, 'w') as file:
        for path in tree.rglob('*.*'):
            file.write(path, path.relative_to(tree))
    monkeypatch.setattr(coco_stuff10k, 'TEN_K', TEN_K._replace(url=f'{web_server.address}/{TEN_K.name}'))
    assert convert(str(tmp_path / 'new'), partial=True, download=True) == dict(train=3, test=2)
