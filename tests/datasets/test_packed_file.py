"""Packs that are damaged, cut short, of another version or no packs: each is told by the file's name."""
import json

import lmdb
import numpy as np
import pytest

from segkit.datasets.packed_file import Pack, open_pack
from segkit.datasets.packed_pages import DamagedPackError
from segkit.datasets.packed_records import IMAGE, MASK, checksum
from segkit.errors import DataError


@pytest.fixture
def packed(pack, voc_config):
    return pack(voc_config)


def change(path, change):
    """Let LMDB itself change a file's records: the structure stays sound."""
    with lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 26) as env, env.begin(write=True) as txn:
        change(txn)


def change_header(path, **values):
    """Change a header and put its checksum right."""

    def write(txn):
        header = json.dumps({**json.loads(txn.get(b'header')), **values}).encode()
        txn.put(b'header', header)
        txn.put(b'header_sha256', checksum(header))

    change(path, write)


def error_of(path):
    with pytest.raises(DataError) as caught:
        Pack(str(path))
    assert str(path) in str(caught.value) and len(str(caught.value).splitlines()) <= 4
    return str(caught.value)


def test_lmdb_reads_the_bytes_of_the_files_and_so_does_a_pack(packed, voc_tree):
    opened = Pack(str(packed))
    with lmdb.open(str(packed), subdir=False, lock=False, readonly=True) as env, env.begin() as txn:
        for number, name in enumerate('abc'):
            for kind, file in ((IMAGE, f'JPEGImages/{name}.jpg'), (MASK, f'SegmentationClass/{name}.png')):
                content = (voc_tree / file).read_bytes()
                assert txn.get(b'%09d/%s' % (number, kind.encode())) == opened.read(number, kind) == content
                assert opened.rows[kind]['size'][number] == len(content)
                assert opened.rows[kind]['mtime_ns'][number] == (voc_tree / file).stat().st_mtime_ns
                assert (opened.rows[kind]['height'][number], opened.rows[kind]['width'][number]) == (12, 16)
            assert tuple(opened.names(number)) == (f'JPEGImages/{name}.jpg', f'SegmentationClass/{name}.png')
        header = json.loads(txn.get(b'header'))
    assert len(opened) == 3 and header['dataset'] == 'PascalVOCDataset'
    assert header['classes'][15] == 'person' and header['palette'][15] == [192, 128, 128]


def test_an_altered_record_is_told_when_it_is_read(packed, voc_tree):
    content = (voc_tree / 'JPEGImages/b.jpg').read_bytes()
    altered = bytearray(content)
    altered[len(content) // 2] ^= 1
    packed.write_bytes(packed.read_bytes().replace(content, altered))  # small records have older copies in the file
    opened = Pack(str(packed))
    assert opened.read(0, IMAGE) == (voc_tree / 'JPEGImages/a.jpg').read_bytes()
    with pytest.raises(DamagedPackError, match='its checksum is [0-9a-f]{8} instead of [0-9a-f]{8}'):
        opened.read(1, IMAGE)


def test_a_file_that_is_cut_short(packed):
    content = packed.read_bytes()
    opened = Pack(str(packed))
    with lmdb.open(str(packed), subdir=False, lock=False, readonly=True) as env:
        page = env.stat()['psize']
    packed.write_bytes(content[:len(content) - page])
    assert 'is cut short' in error_of(packed) and 'make it anew' in error_of(packed)
    packed.write_bytes(content[:2 * page])  # while it is in use
    with pytest.raises(DamagedPackError, match='cut short'):
        for number in range(3):
            opened.read(number, IMAGE)


def test_header_and_index_have_checksums(packed):
    change(packed, lambda txn: txn.put(b'header', txn.get(b'header').replace(b'"cat"', b'"dog"')))
    assert 'checksum of its header' in error_of(packed)
    change(packed, lambda txn: txn.delete(b'header_sha256'))
    assert 'checksum of its header' in error_of(packed)


def test_an_altered_or_missing_index(packed):
    key = b'index/000000'
    change(packed, lambda txn: txn.put(key, txn.get(key).replace(b'JPEGImages/a', b'JPEGImages/d')))
    assert 'checksum of its index' in error_of(packed)
    change(packed, lambda txn: txn.delete(key))
    assert 'checksum of its index' in error_of(packed)


def test_missing_and_swapped_records(packed):
    first, second = b'000000000/image', b'000000001/image'

    def swap(txn):
        one, two = txn.get(first), txn.get(second)
        txn.put(first, two)
        txn.put(second, one)

    change(packed, swap)
    with pytest.raises(DamagedPackError):  # by their sizes or by their checksums
        Pack(str(packed)).read(0, IMAGE)
    change(packed, lambda txn: txn.delete(second))
    assert '.jpg is missing in it, or of another size' in error_of(packed)


def test_another_version_and_what_is_no_finished_pack(packed, tmp_path):
    change_header(packed, version=7)
    assert 'is a pack of version 7; this segkit reads version 1' in error_of(packed)
    change(packed, lambda txn: txn.delete(b'header'))
    assert 'is not finished' in error_of(packed)
    change(packed, lambda txn: txn.delete(b'claim'))
    assert 'no pack of segkit' in error_of(packed)
    assert 'No such file' in error_of(tmp_path / 'none.lmdb')
    (tmp_path / 'folder.lmdb').mkdir()
    assert 'cannot be read: Is a directory' in error_of(tmp_path / 'folder.lmdb')


def test_it_is_opened_once_and_again_when_it_has_changed(pack, voc_config):
    path = pack(voc_config)
    first = open_pack(str(path))
    assert open_pack(str(path)) is first
    pack({**voc_config, 'indices': 2}, overwrite=True)
    assert len(open_pack(str(path))) == 2 and len(first) == 3


def test_any_byte_that_is_changed_is_told_or_changes_nothing(packed, voc_tree):
    """A 41st of all bytes, one at a time."""
    whole = packed.read_bytes()
    files = [(voc_tree / file).read_bytes() for name in 'abc'
             for file in (f'JPEGImages/{name}.jpg', f'SegmentationClass/{name}.png')]
    told = 0
    for place in np.random.RandomState(0).permutation(len(whole))[:len(whole) // 41]:
        packed.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1:])
        try:
            opened = Pack(str(packed))
            read = [opened.read(number, kind) for number in range(3) for kind in (IMAGE, MASK)]
        except DataError as error:
            told += 1
            assert isinstance(error, DamagedPackError) or str(packed) in str(error)
        else:
            assert read == files and opened.facts.classes[15] == 'person' and opened.names(2).image.endswith('c.jpg')
    assert told > 50
