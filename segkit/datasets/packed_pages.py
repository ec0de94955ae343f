"""Where an LMDB file has its values, and whether its structure is sound; no registered class lives here.

LMDB believes what its file says: a process that reads one that was cut short, or whose tree of keys was damaged, is
ended by the system (SIGBUS), without a word. Here every page of the tree is looked at, by plain reads, and no number in
it is believed that leads outside of the file. What the values hold is not looked at; checksums of their own are for
that.

Reference: ``mdb.c`` of LMDB 0.9, data version 1, 64 bit (MDB_meta, MDB_db, MDB_page, MDB_node).
"""
import os
import struct
from typing import BinaryIO, NamedTuple

from segkit.errors import DataError

_PAGE = struct.Struct('<QHHHH')  # its number, padding, flags, end of the list of nodes, begin of the nodes
_META = struct.Struct('<IIQQ')  # magic, version, address, size of the map
_TREE = struct.Struct('<IHHQQQQQ')  # page size, flags, depth, pages of three kinds, entries, root
_LAST = struct.Struct('<QQ')  # last page, transaction
_NODE = struct.Struct('<HHHH')  # low and high half of a size or page, flags, length of the key
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF, _META_PAGE = 1, 2, 8
_INLINE, _OWN_PAGES = 0, 1  # where a leaf's node has its value
_NO_ROOT = 2**64 - 1


class DamagedPackError(DataError):
    """A file of packed records whose bytes are not those that were written."""


class Value(NamedTuple):
    """The place of a key's value in the file, in bytes."""

    begin: int
    size: int


class _Tree(NamedTuple):
    page_size: int
    depth: int
    entries: int
    root: int
    last_page: int
    transaction: int


def read_pages(file: BinaryIO, path: str) -> dict[bytes, Value]:
    """Check the structure of an LMDB file with one table of plain keys, and tell where each value lies.

    Args:
        file: The file, opened for reading bytes.
        path: For error messages.

    Returns:
        The keys in their order.

    Raises:
        DamagedPackError: If the file is cut short, is none of LMDB's, or a page does not hold what its place in the
            tree says.
    """
    size = os.fstat(file.fileno()).st_size
    tree = _newest(file, path)
    whole = (tree.last_page + 1) * tree.page_size
    if whole > size:
        raise DamagedPackError(f'{path} is cut short: it has {size:,} of at least {whole:,} bytes.')
    walk = _Walk(file, path, tree)
    if tree.root != _NO_ROOT:
        walk.visit(tree.root, 1)
    if len(walk.values) != tree.entries:
        raise DamagedPackError(f'{path} is damaged: it has {len(walk.values)} keys instead of {tree.entries}.')
    return walk.values


def _newest(file: BinaryIO, path: str) -> _Tree:
    """The tree of the last transaction; LMDB writes its two first pages in turn."""
    first = _meta(file, path, 0)
    second = _meta(file, path, first.page_size)
    if second.page_size != first.page_size:
        raise DamagedPackError(f'{path} is damaged: its two first pages differ in the size of a page.')
    return first if first.transaction >= second.transaction else second


def _meta(file: BinaryIO, path: str, position: int) -> _Tree:
    file.seek(position)
    page = file.read(256)
    if len(page) < 256:
        raise DamagedPackError(f'{path} is cut short: it has not even the two pages that an LMDB file begins with.')
    flags = _PAGE.unpack_from(page)[2]
    magic, version, _, _ = _META.unpack_from(page, _PAGE.size)
    at = _PAGE.size + _META.size
    page_size = _TREE.unpack_from(page, at)[0]
    _, tree_flags, depth, _, _, _, entries, root = _TREE.unpack_from(page, at + _TREE.size)
    last_page, transaction = _LAST.unpack_from(page, at + 2 * _TREE.size)
    if magic != _MAGIC or not flags & _META_PAGE:
        raise DamagedPackError(f'{path} is no LMDB file, or its beginning is damaged.')
    if version != _VERSION or page_size not in (4096, 8192, 16384, 32768, 65536) or tree_flags:
        raise DamagedPackError(f'{path} is damaged, or written by another version of LMDB: version {version}, '
                               f'pages of {page_size} bytes, flags {tree_flags}.')
    return _Tree(page_size, depth, entries, root, last_page, transaction)


class _Walk:
    """Goes through the pages of a tree in the order of the keys."""

    def __init__(self, file: BinaryIO, path: str, tree: _Tree) -> None:
        self.file, self.path, self.tree = file, path, tree
        self.values: dict[bytes, Value] = {}
        self.seen: set[int] = set()
        self.before = b''

    def visit(self, number: int, depth: int) -> None:
        tree = self.tree
        if not 2 <= number <= tree.last_page or number in self.seen or depth > tree.depth:
            raise self._damage(number)
        self.seen.add(number)
        self.file.seek(number * tree.page_size)
        page = self.file.read(tree.page_size)
        if len(page) < tree.page_size:
            raise self._damage(number)
        own, _, flags, lower, upper = _PAGE.unpack_from(page)
        leaf = depth == tree.depth
        fits = _PAGE.size < lower <= upper <= tree.page_size and lower % 2 == 0
        if own != number or flags != (_LEAF if leaf else _BRANCH) or not fits:
            raise self._damage(number)
        places = struct.unpack_from(f'<{(lower - _PAGE.size) // 2}H', page, _PAGE.size)
        if not leaf and len(places) < 2:
            raise self._damage(number)
        for at in places:
            if not upper <= at <= tree.page_size - _NODE.size:
                raise self._damage(number)
            low, high, kind, length = _NODE.unpack_from(page, at)
            end = at + _NODE.size + length
            if end > tree.page_size:
                raise self._damage(number)
            if leaf:
                self._add(page, number, at, end, kind, low | high << 16)
            else:
                self.visit(low | high << 16 | kind << 32, depth + 1)

    def _add(self, page: bytes, number: int, at: int, end: int, kind: int, size: int) -> None:
        """Take in a key and the place of its value."""
        key, page_size = page[at + _NODE.size:end], self.tree.page_size
        begin = number * page_size + end
        if kind == _OWN_PAGES and end + 8 <= page_size:
            first = int.from_bytes(page[end:end + 8], 'little')
            begin = first * page_size + _PAGE.size
            sound = first >= 2 and begin + size <= (self.tree.last_page + 1) * page_size
        else:
            sound = kind == _INLINE and end + size <= page_size
        if not sound or key <= self.before:
            raise self._damage(number)
        self.values[key] = Value(begin, size)
        self.before = key

    def _damage(self, number: int) -> DamagedPackError:
        return DamagedPackError(f'{self.path} is damaged: the page of its tree of keys at byte '
                                f'{number * self.tree.page_size:,} does not hold what it must.')
