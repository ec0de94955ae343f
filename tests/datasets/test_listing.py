import pytest

from segkit.datasets.listing import (
    Source,
    first_with_mask,
    is_local,
    list_files,
    missing_files,
    read_split,
    require_folder,
)
from segkit.errors import DataError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_list_files(tmp_path):
    touch(tmp_path, 'b.jpg', 'a.jpg', 'a-1.jpg', 'c.png', 'sub/deep/d.jpg', '.hidden/e.jpg', '.f.jpg')
    assert list_files(str(tmp_path), ['.jpg']) == ['a-1.jpg', 'a.jpg', 'b.jpg', 'sub/deep/d.jpg']
    assert list_files(str(tmp_path), ['.jpg', '.png'], dict(backend='local')) == [
        'a-1.jpg', 'a.jpg', 'b.jpg', 'c.png', 'sub/deep/d.jpg']


def test_missing_files_in_several_folders(tmp_path):
    touch(tmp_path, 'a.jpg', 'sub/b.jpg')
    names = ['a', 'sub/b', 'b', 'sub/a', 'no/where']
    assert missing_files(str(tmp_path), names, '.jpg') == ['b', 'sub/a', 'no/where']


def test_first_with_mask(tmp_path):
    touch(tmp_path, 'one/a.png', 'two/a.png', 'two/b.png')
    sources = [Source('', '.jpg', str(tmp_path / folder), '.png') for folder in ('one', 'two')]
    assert first_with_mask(['b', 'a', 'c', 'b'], sources).tolist() == [1, 0, 0, 1]
    assert first_with_mask(['b'], sources[:1]).tolist() == [0]


def test_read_split(tmp_path):
    for mark in ('', '\ufeff'):
        (tmp_path / 'x.txt').write_text(mark + 'a\r\n\r\n b \n', encoding='utf-8')
        assert read_split(str(tmp_path / 'x.txt')) == ['a', 'b']
    with pytest.raises(DataError, match='x.txt') as caught:
        read_split(str(tmp_path / 'y.txt'), hint='Do this.')
    assert str(caught.value).endswith('Do this.')


def test_is_local():
    assert is_local('a/b', None) and is_local('a', dict(backend='local'))
    assert not is_local('s3://a', None) and not is_local('a', dict(backend='petrel'))


def test_relative_folder_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        require_folder('data/voc/JPEGImages', 'data_prefix.img_path')
    assert f'a relative path, looked for from the current folder {tmp_path}.' in str(caught.value)
    with pytest.raises(DataError) as caught:
        require_folder(str(tmp_path / 'data'), 'data_prefix.img_path')
    assert 'current folder' not in str(caught.value)


def test_hidden_files_are_not_listed(tmp_path):
    (tmp_path / 'home').mkdir()
    for name in ('.bashrc', '.cache', 'photos'):
        (tmp_path / 'home' / name).touch()
    with pytest.raises(DataError, match='home, which holds: photos.\n'):
        require_folder(f'{tmp_path}/home/nodata', 'data_root')
    (tmp_path / 'home/photos').unlink()
    with pytest.raises(DataError, match='home, which holds: nothing.\n'):
        require_folder(f'{tmp_path}/home/nodata', 'data_root')
