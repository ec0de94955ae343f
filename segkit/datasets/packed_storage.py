"""Packed records for whoever reads files; no class of a config lives here."""
from typing import NamedTuple, Optional

from mmengine.fileio import BaseStorageBackend, register_backend

from segkit.datasets.image_header import ImageHeader
from segkit.datasets.packed_file import AGAIN, Pack, pack_in_use
from segkit.datasets.packed_pages import DamagedPackError
from segkit.datasets.packed_records import IMAGE, MASK, SUFFIX, image_header
from segkit.errors import DataError

SCHEME = 'packed'


class Place(NamedTuple):
    """Where a record lies: the pack, the sample's number in it, and IMAGE or MASK."""

    pack: str
    number: int
    kind: str


def address(pack: str, number: int, kind: str, name: str) -> str:
    """Where :class:`PackBackend` finds a record; it ends with what the file was called, as results are named by it.

    >>> address('train.lmdb', 12, 'image', 'JPEGImages/a.jpg')
    'packed://train.lmdb#12/image/JPEGImages/a.jpg'
    """
    return f'{SCHEME}://{pack}#{number}/{kind}/{name}'


def is_packed(path: str) -> bool:
    """Whether a path is an address of a packed record."""
    return path.startswith(f'{SCHEME}://')


def place_of(path: str) -> Place:
    """The place that an address tells.

    Raises:
        DataError: If it is none.
    """
    stem, _, rest = path.removeprefix(f'{SCHEME}://').partition(f'{SUFFIX}#')
    number, kind, *_ = [*rest.split('/', 2), '']
    if not is_packed(path) or not number.isdigit() or kind not in (IMAGE, MASK):
        raise DataError(f"'{path}' is no address of a packed record.\n"
                        f'Expected {address("PACK" + SUFFIX, 12, IMAGE, "JPEGImages/a.jpg")}, for example.')
    return Place(stem + SUFFIX, int(number), kind)


def stored_header(path: str) -> Optional[ImageHeader]:
    """What the header of a packed file said when it was packed; None for formats whose header is not read.

    Raises:
        DataError: If it could not be used then, so that it is not in the pack.
    """
    place = place_of(path)
    return image_header(_there(place, path).rows[place.kind][place.number])


def content_key(path: str) -> list:
    """What changes when the content of a packed file does."""
    place = place_of(path)
    facts = pack_in_use(place.pack).rows[place.kind][place.number]
    return [int(facts['size']), int(facts['crc32'])]


def _there(place: Place, path: str) -> Pack:
    """The pack of a record, which has it."""
    pack = pack_in_use(place.pack)
    if place.number >= len(pack):
        raise DataError(f"'{path}': {place.pack} has only {len(pack)} samples.\nWhich there are, its dataset says.")
    if place.number in pack.left_out:
        raise DataError(f"'{path}' could not be used when it was packed: {pack.left_out[place.number]}\n"
                        'Mend it and pack again, or take it out of the split list.')
    return pack


@register_backend(SCHEME, prefixes=SCHEME, force=True)
class PackBackend(BaseStorageBackend):
    """Reads a record, as MMEngine's other file backends read files, and refuses one whose checksum is wrong."""

    def get(self, filepath: str) -> bytes:
        """The bytes of the file that was packed.

        Raises:
            DataError: If they are not those that were packed, or there is no such record.
        """
        place = place_of(str(filepath))
        try:
            return _there(place, str(filepath)).read(place.number, place.kind)
        except DamagedPackError as error:
            raise DamagedPackError(f"'{filepath}' is damaged: {error}.\n{AGAIN}") from None

    def get_text(self, filepath: str, encoding: str = 'utf-8') -> str:
        """Packed files are no text."""
        raise DataError(f'{filepath} is an image, no text.')
