"""Official archives: fetched, checked against what was published, and unpacked where a data set's files belong."""
import gzip
import os
import os.path as osp
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, Optional

from segkit.apis.converters.placing import KEPT, UNFINISHED, replacing, telling
from segkit.datasets.progress import show_progress
from segkit.downloading import CHUNK, MB, DownloadError, digest_of, download
from segkit.errors import DataError


class Archive(NamedTuple):
    """Where an archive is to be had, how it is known, and where its folders go.

    Attributes:
        url: Its address.
        digest: What was published of it, such as 'md5:6cd6...'; '' where nothing is known to have been. Then the
            length that the server announces and the archive's own checksums (zip, gzip) are all there is.
        places: Folder (or file) inside the archive -> where it goes below the data's folder; '' is its root. What lies
            elsewhere is not unpacked.
        holds: Folder below the data's -> how many files it has when this archive is unpacked.
        lists: Files below the data's folder that must be there too, for it to count as unpacked.
        kept_as: The name of its file, where its address ends with one that tells nothing.
    """

    url: str
    digest: str
    places: dict[str, str]
    holds: dict[str, int]
    lists: Sequence[str] = ()
    kept_as: str = ''

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.kept_as or self.url.rsplit('/', 1)[-1]


def provide(archives: Sequence[Archive], target: str, downloads: Optional[str] = None) -> None:
    """Fetch and unpack what is not unpacked yet.

    Args:
        archives: The archives.
        target: The data's folder.
        downloads: Where archives are kept; one that lies there is not fetched. ``target``/downloads if None.

    Raises:
        DataError: If an archive cannot be fetched, is not the published one, or is damaged.
    """
    for archive in archives:
        if _is_unpacked(archive, target):
            print(f'{archive.name}: its files are in {target} already', flush=True)
        else:
            path = fetch(archive, downloads or osp.join(target, 'downloads'))
            if not archive.digest:
                _require_whole(path)
            unpack(path, target, archive.places)


def fetch(archive: Archive, folder: str) -> Path:
    """The file of an archive in ``folder``, fetched if need be, and checked if its digest is known.

    Raises:
        DataError: If it cannot be fetched, or is another file.
    """
    path, (url, digest) = Path(folder, archive.name), archive[:2]
    if path.is_file():
        algorithm, _, promised = digest.partition(':')
        found = digest_of(path, algorithm) if promised else ''
        if found != promised:
            raise DataError(f'{path} is not the file that was published: its {algorithm} is {found}, not {promised}.\n'
                            'Delete it, and run the command again.')
        return path
    try:
        sha256 = download(url, path, digest, resume=True, bar=show_progress)
    except DownloadError as error:
        raise DataError(f'{path.name} could not be downloaded: {error}\nThe same command tries again. Or fetch {url}\n'
                        f'in another way, put it at {path}, and run the command again.') from error
    known = f'{digest.partition(":")[0]} as published' if digest else 'nothing was published to check it against'
    print(f'{path.name}: sha256 {sha256}; {known}', flush=True)
    return path


def unpack(path: Path, target: str, places: dict[str, str]) -> None:
    """Unpack an archive; files that are there with the size (of a zip file: the checksum) that they should have stay.

    Others that are there are kept under another name.

    Args:
        path: A tar file, compressed or not, or a zip file.
        target: The folder to unpack into.
        places: As for :class:`Archive`.

    Raises:
        DataError: If it is damaged or encrypted, or would write outside of ``target``.
    """
    size = osp.getsize(path) // MB
    bar, shown, written, there = iter(show_progress(range(size), f'MB of {path.name} unpacked')), 0, 0, 0
    try:
        with telling(path.name) as kept:
            for member in _members(path):
                _require_inside(member.name, path)
                place = _place(member.name, places)
                if place is not None:
                    _require_plain(member.name, path)
                    goal = osp.join(target, place)
                    if _is_there(goal, member):
                        there += 1
                    else:
                        _write(goal, member, kept)
                        written += 1
                while shown < min(member.position // MB, size):
                    next(bar)
                    shown += 1
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(f'{path} is damaged or cut short: {error}.\nDelete it and fetch it again '
                        '(--download).') from error
    except RuntimeError as error:  # what zipfile raises; NotImplementedError is one
        raise DataError(f'{path} is encrypted, or packed in a way that Python cannot unpack: {error}.\nThe official '
                        'archive is neither: delete it and fetch it again (--download).') from error
    for _ in bar:
        pass
    print(f'{path.name}: {written} files unpacked into {target}' + (f', {there} were there' if there else ''),
          flush=True)
    if not written + there:
        raise DataError(f'{path} has none of the folders {", ".join(places)}.\nIt is another archive than the '
                        'official one.')


def _require_whole(path: Path) -> None:
    """Read a file of gzip to its end, where its checksum is: reading a tar file stops before that.

    It is done before anything is unpacked, since a file in place with the right size is taken for the right one later.

    Raises:
        DataError: If the content is not what was packed.
    """
    with open(path, 'rb') as raw:
        if raw.read(2) != b'\x1f\x8b':
            return
        raw.seek(0)
        bar, shown = iter(show_progress(range(osp.getsize(path) // MB), f'MB of {path.name} checked')), 0
        try:
            with gzip.open(raw) as content:
                while content.read(CHUNK):
                    for _ in islice(bar, raw.tell() // MB - shown):
                        shown += 1
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise DataError(f'{path} is damaged or cut short: {error}.\nDelete it and fetch it again '
                            '(--download).') from error
        for _ in bar:
            pass


class _Member(NamedTuple):
    name: str
    size: int
    crc: Optional[int]
    open: Callable[[], BinaryIO]
    position: int  # bytes of the archive up to here


def _members(path: Path) -> Iterator[_Member]:
    """The files of an archive, in its order."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield _Member(info.filename, info.file_size, info.CRC, lambda info=info: archive.open(info),
                                  info.header_offset)
        return
    with open(path, 'rb') as raw, tarfile.open(fileobj=raw, mode='r|*') as archive:
        for info in archive:
            if info.isfile():
                yield _Member(info.name.removeprefix('./'), info.size, None,
                              lambda info=info: archive.extractfile(info), raw.tell())


def _place(name: str, places: dict[str, str]) -> Optional[str]:
    """Where a file goes; None if it is not wanted."""
    for inside, below in places.items():
        if name.startswith(inside):
            rest = name[len(inside):].lstrip('/')
            return osp.join(below, rest) if rest else below
    return None


def _is_there(path: str, member: _Member) -> bool:
    if not osp.isfile(path) or osp.getsize(path) != member.size:
        return False
    if member.crc is None:
        return True
    crc = 0
    with open(path, 'rb') as file:
        while chunk := file.read(CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc == member.crc


def _require_inside(name: str, path: Path) -> None:
    if '..' in name.split('/') or name.startswith('/'):
        raise DataError(f'{path} has a file {name!r}, which lies outside of it.\nFetch it again from its official '
                        'address.')


def _require_plain(name: str, path: Path) -> None:
    """Refuse what Windows takes for folders, drives and streams: '..\\x' and 'C:x' would lie outside there."""
    if '\\' in name or ':' in name:
        raise DataError(f'{path} has a file {name!r}, whose name has a backslash or a colon.\nFetch it again from its '
                        'official address.')


def _write(path: str, member: _Member, kept: list[str]) -> None:
    os.makedirs(osp.dirname(path), exist_ok=True)
    with member.open() as source, replacing(path, kept) as unfinished, open(unfinished, 'wb') as file:
        shutil.copyfileobj(source, file, CHUNK)


def _is_unpacked(archive: Archive, target: str) -> bool:
    for folder, count in archive.holds.items():
        place = osp.join(target, folder)
        if not osp.isdir(place) or sum(not name.endswith((KEPT, UNFINISHED)) for name in os.listdir(place)) < count:
            return False
    return all(osp.isfile(osp.join(target, name)) for name in archive.lists)
