"""The hash that lies beside a checkpoint: what it says, and files that move and go together with it."""
import hashlib
import os
import re
from pathlib import Path
from typing import Union

from segkit.errors import DamagedCheckpointError

SUFFIX = '.sha256'
CHUNK = 1 << 20
_known: set[tuple] = set()  # files whose bytes this process has compared, by name, size and time


def hash_file(path: Union[str, Path]) -> Path:
    """The file that holds the hash of ``path``, in the form that ``sha256sum -c`` reads."""
    path = Path(path)
    return path.with_name(path.name + SUFFIX)


def line_of(digest: str, path: Path) -> str:
    """A hash as ``sha256sum`` writes it."""
    return f'{digest}  {path.name}\n'


def hashes_beside(path: Union[str, Path]) -> tuple[str, ...]:
    """The hashes that may be the file's; none where it has no file of hashes.

    There are two where a process was killed while it replaced the file: the old one's and the new one's.
    """
    try:
        text = hash_file(path).read_text(encoding='utf-8', errors='replace')
    except FileNotFoundError:
        return ()
    return tuple(re.findall(r'^([0-9a-f]{64})\b', text, flags=re.MULTILINE))


def compare_hash(path: Union[str, Path]) -> bool:
    """Compare a file with the hash beside it; returns whether there is one.

    A file that did not change since this process compared it is not read again.

    Raises:
        DamagedCheckpointError: If the hashes differ.
    """
    path = Path(path)
    promised = hashes_beside(path)
    if not promised:
        return False
    facts = path.stat()
    now = (str(path.absolute()), facts.st_ino, facts.st_size, facts.st_mtime_ns, promised)
    if now not in _known:
        try:
            found = _sha256(path)
        except PermissionError:
            raise
        except OSError as error:  # a disk that gives the bytes back no more
            raise DamagedCheckpointError(f'{path} is damaged: {error.strerror}.\n'
                                         'Take another copy of it or an earlier checkpoint.') from error
        if found not in promised:
            raise DamagedCheckpointError(
                f'{path} ({facts.st_size:,} bytes) is damaged: its sha256 is {found[:12]}..., not '
                f'{promised[-1][:12]}... as {hash_file(path).name} says.\nTake another copy of it or an earlier '
                f'checkpoint. If you changed the file yourself, remove {hash_file(path).name}.')
        _known.add(now)
    return True


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def remove(path: Union[str, Path]) -> None:
    """Remove a checkpoint and its hash; one that is not there is no error."""
    Path(path).unlink(missing_ok=True)
    hash_file(path).unlink(missing_ok=True)


def move(path: Union[str, Path], folder: Union[str, Path]) -> Path:
    """Move a checkpoint and its hash into a folder, which is made; what is called so there is replaced.

    Returns:
        The file's new place.
    """
    path, folder = Path(path), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    there = folder / path.name
    hash_file(there).unlink(missing_ok=True)  # else a kill right behind the next line leaves another file's hash
    os.replace(path, there)
    if hash_file(path).exists():
        os.replace(hash_file(path), hash_file(there))
    return there
