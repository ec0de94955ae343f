"""COCO-Stuff 164k: real photos of COCO with generated maps of every label."""
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from segkit.apis.converters import coco_stuff164k
from segkit.apis.converters.coco_stuff import USED
from segkit.apis.converters.coco_stuff164k import ARCHIVES, convert
from segkit.errors import ConfigError, DataError

STORED = np.r_[USED - 1, 255]


@pytest.fixture
def tree(tmp_path, data_pack, grey):
    root = tmp_path / 'coco'
    for split, count in (('train2017', 5), ('val2017', 3)):
        (root / 'images' / split).mkdir(parents=True)
        for n, path in enumerate(sorted((data_pack / 'COCO_sample' / split).glob('*.jpg'))[:count]):
            shutil.copy(path, root / 'images' / split)
            size = Image.open(path).size[::-1]
            grey(root / f'annotations/{split}/{path.stem}.png', np.random.RandomState(n).choice(STORED, size))
    return root


def expected(path):
    """Each label's place among those that are used, by brute force."""
    stored = np.array(Image.open(path))
    labels = np.full_like(stored, 255)
    for k, number in enumerate(n for n in range(1, 183) if n not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)):
        labels[stored == number - 1] = k
    return labels


@pytest.mark.parametrize('elsewhere', [False, True])
def test_labels_and_the_config(tree, tmp_path, through_config, capsys, elsewhere):
    out = tree / 'images_new' if elsewhere else tree  # beside images, not in it
    own = dict(out_dir=str(out) if elsewhere else None, partial=True)
    assert convert(str(tree), processes=2, **own) == dict(train2017=5, val2017=3)
    for source in tree.glob('annotations/*/*[0-9].png'):
        made = out / f'annotations/{source.parent.name}/{source.stem}_labelTrainIds.png'
        assert np.array_equal(np.array(Image.open(made)), expected(source))
    train, val = through_config('coco-stuff164k.py', out)
    assert (len(train), len(val)) == (5, 3)
    assert np.unique(train[0]['gt_seg_map']).tolist() == [*range(171), 255]
    capsys.readouterr()
    convert(str(tree), processes=1, **own)
    assert 'COCO-Stuff: 0 masks written, 8 were there\n' in capsys.readouterr().out
    assert len(list(out.glob('images/*/*.jpg'))) == len(list(out.glob('annotations/*/*_labelTrainIds.png'))) == 8


def test_one_split_is_enough_for_a_part(tree):
    shutil.rmtree(tree / 'annotations/train2017')
    assert convert(str(tree), partial=True) == dict(val2017=3)
    with pytest.raises(DataError, match='There is no folder .*annotations/train2017'):
        convert(str(tree))


def test_what_is_missing_or_damaged_is_named(tree):
    def refused(error=DataError, **own):
        with pytest.raises(error) as caught:
            convert(str(tree), **{**dict(partial=True, processes=1), **own})
        assert len(str(caught.value).splitlines()) <= 4
        return str(caught.value)

    assert 'train2017 has 5 instead of 118,287, val2017 has 3 instead of 5,000' in refused(partial=False)
    for inside in ('images', 'annotations/new'):
        assert 'is read from' in refused(ConfigError, out_dir=str(tree / inside))
    mask, photo = sorted(tree.glob('annotations/val2017/*'))[1], sorted(tree.glob('images/val2017/*'))[0]
    for path, reason in ((mask, 'is cut short'), (photo, 'is cut short')):
        before = path.read_bytes()
        path.write_bytes(before[:-20])
        assert str(path) in (text := refused()) and reason in text
        path.write_bytes(before)
    before = mask.read_bytes()
    Image.fromarray(np.zeros((5, 6), np.uint8)).save(mask)
    assert f'{mask} has 6x5 pixels, its photo' in refused()
    assert not list(tree.rglob('*_labelTrainIds.png'))
    mask.write_bytes(before)
    labels = np.array(Image.open(mask))
    labels[0, :4] = 11
    Image.fromarray(labels).save(mask)
    assert f"{mask} has the label 11 in 4 pixels; COCO-Stuff's labels are 171 of 0 to 181" in refused()
    photo.unlink()
    assert f'{photo} is missing.\n1 of 3 photos of val2017' in refused()


def test_downloaded(tree, tmp_path, web_server, monkeypatch):
    archives = []
    for archive in ARCHIVES:
        root = tree / archive.places['']
        with zipfile.ZipFile(web_server.folder / archive.name, 'w') as file:
            for path in root.rglob('*.*'):
                if 'stuff' in archive.name or archive.name.startswith(path.parent.name):
                    file.write(path, path.relative_to(root))
        archives.append(archive._replace(url=f'{web_server.address}/{archive.name}', digest=''))
    monkeypatch.setattr(coco_stuff164k, 'ARCHIVES', archives)
    assert convert(str(tmp_path / 'new'), partial=True, download=True) == dict(train2017=5, val2017=3)
    assert len(web_server.seen) == 3
