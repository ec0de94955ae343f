"""ADE20K: fetched, unpacked, checked; nothing of it is changed."""
import hashlib
import zipfile

import numpy as np
import pytest

from segkit.apis.converters import ade20k
from segkit.apis.converters.ade20k import ADE, convert
from segkit.errors import DataError


@pytest.fixture
def tree(tmp_path, photo, grey):
    root = tmp_path / 'ADEChallengeData2016'
    for n, name in enumerate(('training/ADE_train_00000001', 'training/ADE_train_00000002',
                              'validation/ADE_val_00000001')):
        photo(root / f'images/{name}.jpg', (24, 32), n)
        grey(root / f'annotations/{name}.png', np.random.RandomState(n).randint(0, 151, (24, 32)))
    return root


def content(root):
    return {path: path.read_bytes() for path in root.rglob('*') if path.is_file()}


def test_checked_and_read_by_the_config(tree, through_config):
    before = content(tree)
    assert convert(str(tree), partial=True, processes=2) == dict(training=2, validation=1)
    train, val = through_config('ade20k.py', tree)
    assert (len(train), len(val)) == (2, 1) and {0, 149, 255} <= set(np.unique(train[0]['gt_seg_map'])) | set(
        np.unique(train[1]['gt_seg_map']))
    assert content(tree) == before


def test_what_is_missing_or_damaged_is_named(tree, grey):
    def refused(**own):
        with pytest.raises(DataError) as error:
            convert(str(tree), **{**dict(partial=True, processes=1), **own})
        assert len(str(error.value).splitlines()) <= 4
        return str(error.value)

    assert 'training has 2 instead of 20,210, validation has 1 instead of 2,000' in refused(partial=False)
    mask = tree / 'annotations/training/ADE_train_00000002.png'
    whole = mask.read_bytes()
    damaged = bytearray(whole)
    damaged[60] ^= 1
    for data, reason in ((whole[:-9], 'is cut short'), (bytes(damaged), 'is damaged: the checksum')):
        mask.write_bytes(data)
        assert str(mask) in (text := refused()) and reason in text
    grey(mask, np.full((24, 32), 151))
    assert f"{mask} has the label 151 in 768 pixels; ADE20K's labels are 0 to 150" in refused()
    grey(mask, np.zeros((24, 31)))
    assert f'{mask} has 31x24 pixels, its photo' in refused()
    mask.unlink()
    assert f'{mask} is missing.\n1 of 2 masks of training' in refused()
    (tree / 'images').rename(tree / 'photos')
    assert f'There is no folder {tree}/images/training' in (text := refused()) and 'annotations, photos' in text


def test_downloaded_and_mended_from_the_archive(tree, tmp_path, web_server, monkeypatch, capsys):
    with zipfile.ZipFile(web_server.folder / ADE.name, 'w') as archive:
        for path, data in content(tree).items():
            archive.writestr(str(path.relative_to(tmp_path)), data)
    sha1 = hashlib.sha1((web_server.folder / ADE.name).read_bytes()).hexdigest()
    monkeypatch.setattr(ade20k, 'ADE', ADE._replace(
        url=f'{web_server.address}/{ADE.name}', digest=f'sha1:{sha1}',
        holds={key: 2 if 'training' in key else 1 for key in ADE.holds}))
    out = tmp_path / 'fetched'
    assert convert(str(out), partial=True, download=True) == dict(training=2, validation=1)
    assert {path.relative_to(tree): data for path, data in content(tree).items()} == {
        path.relative_to(out): data for path, data in content(out).items() if 'downloads' not in path.parts}
    (out / 'images/validation/ADE_val_00000001.jpg').unlink()
    assert convert(str(out), partial=True, download=True) == dict(training=2, validation=1)
    assert '1 files unpacked into' in capsys.readouterr().out and len(web_server.seen) == 1
