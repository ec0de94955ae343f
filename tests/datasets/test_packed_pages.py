"""Where LMDB's values lie, against LMDB itself; and that no damage to a file's structure leads outside of it."""
import os

import lmdb
import numpy as np
import pytest

from segkit.datasets.packed_pages import DamagedPackError, read_pages


def write(path, records, at_once=100):
    with lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 28) as env:
        for start in range(0, len(records), at_once):
            with env.begin(write=True) as txn:
                for key, data in records[start:start + at_once]:
                    txn.put(key, data)


def places(path):
    with open(path, 'rb') as file:
        return read_pages(file, str(path))


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    """Bytes of a page: LMDB takes the system's for a new file."""
    with lmdb.open(str(tmp_path_factory.mktemp('lmdb') / 'page.lmdb'), subdir=False, lock=False) as env:
        return env.stat()['psize']


@pytest.fixture(scope='module')
def sizes(page):
    """Sizes on both sides of what LMDB keeps in a page of the tree, and of its pages."""
    rng, half = np.random.RandomState(0), page // 2
    return [0, 1, 500, half - 48, half + 52, page - 17, page - 16, page - 15, 2 * page + 808, 17 * page + 368,
            *rng.randint(0, 3 * page, 1200).tolist()]


@pytest.fixture(scope='module')
def file(tmp_path_factory, sizes):
    path, rng = tmp_path_factory.mktemp('lmdb') / 'some.lmdb', np.random.RandomState(1)
    order = rng.permutation(len(sizes))
    write(path, [(b'%09d/%s' % (i, b'x' * rng.randint(1, 300)), rng.bytes(sizes[i])) for i in order])
    with lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 28) as env, env.begin(write=True) as txn:
        for key in [key for key, _ in txn.cursor()][::7]:  # leaves free pages
            txn.delete(key)
    return path


def test_every_value_lies_where_lmdb_reads_it(file):
    found, content = places(file), file.read_bytes()
    with lmdb.open(str(file), subdir=False, lock=False, readonly=True) as env, env.begin() as txn:
        assert env.stat()['depth'] >= 3 and env.stat()['entries'] == len(found) > 1000
        assert list(found) == [key for key, _ in txn.cursor()]
        for key, data in txn.cursor():
            begin, size = found[key]
            assert content[begin:begin + size] == data


def test_an_empty_table(tmp_path):
    write(tmp_path / 'empty.lmdb', [(b'a', b'b')])
    with lmdb.open(str(tmp_path / 'empty.lmdb'), subdir=False, lock=False) as env, env.begin(write=True) as txn:
        txn.delete(b'a')
    assert places(tmp_path / 'empty.lmdb') == {}


def test_a_file_that_is_cut_short_is_told(file, tmp_path, page):
    content, cut = file.read_bytes(), tmp_path / 'cut.lmdb'
    last = max(begin + size for begin, size in places(file).values())
    for size in (0, 100, page, page + 104, 2 * page, len(content) // 2, last - 1, len(content) - page):
        cut.write_bytes(content[:size])
        with pytest.raises(DamagedPackError, match='is cut short'):
            places(cut)


def test_no_damage_to_the_tree_leads_outside(file, tmp_path, page):
    """Bytes of pages of the tree, and of the two first pages, are replaced at random: told, or still inside."""
    content, damaged, rng = file.read_bytes(), tmp_path / 'damaged.lmdb', np.random.RandomState(2)
    pages = [n for n in range(2, len(content) // page)
             if content[page * n:page * n + 8] == n.to_bytes(8, 'little') and content[page * n + 10] in (1, 2)]
    damaged.write_bytes(content)
    told = 0
    with open(damaged, 'r+b', buffering=0) as own:
        for turn in range(300):
            number = pages[rng.randint(len(pages))] if turn % 2 else turn // 2 % 2
            places_ = page * number + rng.randint(160, size=rng.randint(1, 4))
            for place in places_:
                os.pwrite(own.fileno(), bytes([rng.choice([0, 1, 2, 255, rng.randint(256)])]), place)
            try:
                found = places(damaged)
            except DamagedPackError as error:
                told += 1
                assert str(damaged) in str(error) and len(str(error).splitlines()) == 1
            else:
                assert all(0 <= begin and begin + size <= len(content) for begin, size in found.values())
            for place in places_:
                os.pwrite(own.fileno(), content[place:place + 1], place)
    assert told > 50 and damaged.read_bytes() == content


def test_a_tree_that_leads_back_into_itself_ends(file, tmp_path, page):
    """A branch whose first child is the page above it."""
    content = bytearray(file.read_bytes())
    meta = max((0, page), key=lambda at: int.from_bytes(content[at + 144:at + 152], 'little'))
    root = int.from_bytes(content[meta + 128:meta + 136], 'little')
    at = page * root
    assert content[at + 10] == 1
    node = at + int.from_bytes(content[at + 16:at + 18], 'little')
    content[node:node + 6] = root.to_bytes(6, 'little')
    (tmp_path / 'circle.lmdb').write_bytes(content)
    with pytest.raises(DamagedPackError, match='tree of keys at byte'):
        places(tmp_path / 'circle.lmdb')


def test_no_lmdb_file(tmp_path):
    path = tmp_path / 'text.lmdb'
    path.write_bytes(os.urandom(20000))
    with pytest.raises(DamagedPackError, match='is no LMDB file'):
        places(path)
