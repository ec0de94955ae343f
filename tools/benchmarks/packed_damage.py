"""Packs that are damaged in many ways, and what the library says of each."""
import json
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from segkit.errors import SegkitError
from segkit.registry import DATASETS

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
SILENT = '**nothing**'


def write_records(change: Callable) -> Callable[[Path], None]:
    """Damage done through LMDB itself: the file's structure stays sound."""

    def damage(path: Path) -> None:
        import lmdb
        with lmdb.open(str(path), subdir=False, lock=False, map_size=2 * path.stat().st_size) as env:
            with env.begin(write=True) as txn:
                change(txn)

    return damage


def cut(share: float) -> Callable[[Path], None]:
    """Damage: only a share of the bytes is left."""
    return lambda path: path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])


def flip(key: bytes, at: float) -> Callable[[Path], None]:
    """Damage: one bit of a record's value."""

    def damage(path: Path) -> None:
        from segkit.datasets.packed_pages import read_pages
        with open(path, 'r+b') as file:
            begin, size = read_pages(file, str(path))[key]
            file.seek(begin + int(at * size))
            byte = file.read(1)[0]
            file.seek(begin + int(at * size))
            file.write(bytes([byte ^ 1]))

    return damage


def flip_tree(path: Path) -> None:
    """Damage: the page that the root of the tree names as its first child."""
    with open(path, 'r+b') as file:
        page = _number(file, 40, '<I')  # its size is the system's where the file was made
        meta = max((0, page), key=lambda at: _number(file, at + 144))
        root = page * _number(file, meta + 128)
        file.seek(root + _number(file, root + 16, '<H'))
        file.write(b'\xff\xff')


def _number(file: Any, at: int, kind: str = '<Q') -> int:
    file.seek(at)
    return struct.unpack(kind, file.read(struct.calcsize(kind)))[0]


def swap(txn: Any) -> None:
    """Damage: two records change places."""
    keys = b'000000003/image', b'000000004/image'
    one, other = map(txn.get, keys)
    txn.put(keys[0], other)
    txn.put(keys[1], one)


def new_version(txn: Any) -> None:
    """A header of a version that is not known, with its right checksum."""
    from segkit.datasets.packed_records import checksum
    header = json.dumps({**json.loads(txn.get(b'header')), 'version': 2}).encode()
    txn.put(b'header', header)
    txn.put(b'header_sha256', checksum(header))


DAMAGE: dict[str, Callable[[Path], None]] = {
    'half of the file is missing': cut(0.5),
    'the last 1 % of the file is missing': cut(0.99),
    'empty file': cut(0),
    'one bit of a photo': flip(b'000000003/image', 0.7),
    'one bit of a mask': flip(b'000000003/mask', 0.5),
    'two photos have changed places': write_records(swap),
    'a photo was removed': write_records(lambda txn: txn.delete(b'000000003/image')),
    'a photo was replaced': write_records(lambda txn: txn.put(b'000000003/image', txn.get(b'000000004/image'))),
    'a class in the header was renamed': write_records(
        lambda txn: txn.put(b'header', txn.get(b'header').replace(b'"cat"', b'"cow"'))),
    'one bit of the index': flip(b'index/000000', 0.5),
    'a page of the tree of keys': flip_tree,
    "another version's header": write_records(new_version),
    'its converter was stopped': write_records(lambda txn: txn.delete(b'header')),
    "another program's LMDB file": write_records(lambda txn: [txn.delete(key) for key in (b'header', b'claim')]),
    'no LMDB file': lambda path: path.write_bytes(b'PK\x03\x04' * 5000),
}
# What is not damage: a pack that is not the one a config means.
UNFIT: dict[str, dict] = {
    'the config names another dataset': dict(packed_from='CityscapesDataset'),
    'the config has a class that is not in it': dict(metainfo=dict(classes=('background', 'road'))),
}


def damage_table(pack: Path, folder: Path) -> list[str]:
    """Lines of a table: what was done to a copy of the pack, when it is told, and in which words."""
    lines = ['| what was done | told | by |', '|---|---|---|']
    copy = folder / 'copy' / 'train.lmdb'
    copy.parent.mkdir()
    for name, damage in DAMAGE.items():
        shutil.copyfile(pack, copy)
        damage(copy)
        lines.append(_line(name, *_said(dict(ann_file=str(copy))), copy))
    shutil.copyfile(pack, copy)
    for name, own in UNFIT.items():
        lines.append(_line(name, *_said(dict(ann_file=str(copy), **own)), copy))
    lines += [_line(name, 'when it is read', said, copy) for name, said in _in_use(pack, copy)]
    return lines


def _said(config: dict) -> tuple[str, str]:
    """When a dataset of that config says that something is wrong, and what."""
    try:
        dataset = DATASETS.build(dict(type='PackedDataset', pipeline=LOAD, **config))
    except SegkitError as error:
        return 'when it is opened', str(error)
    return 'when it is read', _read_some(dataset)


def _read_some(dataset: Any) -> str:
    try:
        for number in (3, 4):
            dataset[number]
    except SegkitError as error:
        return str(error)
    return SILENT


def _in_use(pack: Path, copy: Path) -> Iterator[tuple[str, str]]:
    """Packs that change after they were opened."""
    shutil.copyfile(pack, copy)
    dataset = DATASETS.build(dict(type='PackedDataset', ann_file=str(copy), pipeline=LOAD))
    with open(copy, 'r+b') as file:
        file.truncate(9000)
    yield 'cut short while it is in use', _read_some(dataset)


def _line(name: str, when: str, said: str, copy: Path) -> str:
    first = said.replace(str(copy), 'PACK').splitlines()[0].replace('|', '\\|')
    return f'| {name} | {when} | {first} |'
