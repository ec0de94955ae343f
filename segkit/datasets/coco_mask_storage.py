"""Masks of an index of COCO's instances, for whoever reads files; no class of a config lives here."""
import os
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from mmengine.fileio import BaseStorageBackend, register_backend

from segkit.datasets.coco_index import CocoIndex, open_index
from segkit.errors import DataError

SCHEME = 'coco-masks'


def address(index_path: str, file_name: str) -> str:
    """Where :class:`CocoMaskBackend` finds the mask of a photo."""
    return f'{SCHEME}://{index_path}#{file_name}'


def place_of(path: str) -> tuple[str, str]:
    """Index and file name of an address."""
    index_path, _, file_name = path.removeprefix(f'{SCHEME}://').partition('.masks#')
    return f'{index_path}.masks', file_name


@register_backend(SCHEME, prefixes=SCHEME, force=True)
class CocoMaskBackend(BaseStorageBackend):
    """Reads a mask from its place in an index, as MMEngine's other file backends read files.

    A process opens each index once; what it holds of it are the rows of the photos, no masks.
    """

    def get(self, filepath: str) -> bytes:
        """The mask's bytes, as :func:`~segkit.datasets.transforms.label_runs.encode_runs` gave them.

        Raises:
            DataError: If there is no such mask.
        """
        index_path, file_name = place_of(str(filepath))
        try:
            opened = opened_index(index_path)
            row = opened.index.row_of(file_name)
            return os.pread(opened.file.fileno(), int(row['size']), int(row['begin']))
        except (KeyError, OSError) as error:
            raise DataError(f"Cannot read '{filepath}': {getattr(error, 'strerror', 'no such photo')}.\n"
                            'A new run makes its file anew if it was deleted.') from error

    def get_text(self, filepath: str, encoding: str = 'utf-8') -> str:
        """Masks are no text."""
        raise DataError(f'{filepath} is a mask, no text.')


class OpenedIndex(NamedTuple):
    """An index and its file, which stays readable for this process if it is deleted."""

    index: CocoIndex
    file: BinaryIO


@lru_cache(maxsize=16)
def opened_index(index_path: str) -> OpenedIndex:
    """Check and open an index, once in a process and those it forks."""
    return OpenedIndex(open_index(index_path), open(index_path, 'rb'))
