"""Writing a file whole or not at all, with its hash beside it."""
import contextlib
import errno
import hashlib
import os
import re
import shutil
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Optional, Union

import torch

from segkit.checkpoint import safetensors_file
from segkit.checkpoint.integrity import hash_file, hashes_beside, line_of
from segkit.errors import CheckpointError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what a machine answers where a file finds no room


def write_atomic(obj: Any, path: Union[str, Path]) -> None:
    """Save ``obj`` so that ``path`` holds the whole of it, or what it held before; ``path.sha256`` goes with it.

    A kill at any moment leaves a file and hashes of which one is the file's: where a file is replaced, the file of
    hashes names the old one and the new one until the new one is in its place. File and folder are flushed to the
    disk, so that the same holds where the power fails.

    Args:
        obj: What ``torch.save`` takes; for a file with the suffix .safetensors, ``meta`` and ``state_dict`` alone.
        path: The file. Its folder is made, and cleared of what killed processes left half-written.

    Raises:
        CheckpointError: If it cannot be written (no space, no permission).
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        temporary = temporary_name(path)
        try:
            with open(temporary, 'wb') as file:
                digest = _save(obj, file, path.suffix == safetensors_file.SUFFIX)
            _put_in_place(temporary, path, digest)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(_not_written(path, error, obj)) from error


def write_text(path: Union[str, Path], text: str) -> None:
    """Write a small text file so that it holds all of ``text``, or what it held before, also after a power failure.

    Raises:
        OSError: If it cannot be written; the file is named.
    """
    path = Path(path)
    temporary = temporary_name(path)
    try:
        with open(temporary, 'w', encoding='utf-8') as file:
            file.write(text)
            _flush(file)
        _rename(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


class _Hashing:
    """A file that only goes forward and hashes what passes. torch writes its archives so (no seek in 300 MB)."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.sha256 = hashlib.sha256()
        self.error: Optional[OSError] = None

    def write(self, data: Any) -> int:
        try:
            count = self.file.write(data)
        except OSError as error:  # torch's writer answers with an error of its own that does not say why
            self.error = error
            raise
        self.sha256.update(data)
        return count

    def flush(self) -> None:
        self.file.flush()


def _save(obj: Any, file: BinaryIO, as_safetensors: bool) -> str:
    """Write ``obj`` through to the disk; returns its sha256."""
    hashing = _Hashing(file)
    try:
        if as_safetensors:
            hashing.write(safetensors_file.to_bytes(obj))
        else:
            torch.save(obj, hashing)
    except RuntimeError as error:
        if hashing.error is not None:
            raise hashing.error from error
        raise
    _flush(file)
    return hashing.sha256.hexdigest()


def _put_in_place(temporary: Path, path: Path, digest: str) -> None:
    beside = hash_file(path)
    before = hashes_beside(path) if path.exists() else ()
    if not path.exists() or before:
        write_text(beside, ''.join(line_of(one, path) for one in dict.fromkeys((*before, digest))))
    _rename(temporary, path)
    if hashes_beside(path) != (digest,):  # a file without a hash gets none before the new one is in its place
        with contextlib.suppress(OSError):  # the file is whole, and what lies beside it does not say otherwise
            write_text(beside, line_of(digest, path))


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _rename(temporary: Path, path: Path) -> None:
    """Rename, and make that last: a name lives in the folder, which a flush of the file does not write."""
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot flush a folder
            raise
    finally:
        os.close(folder)


def temporary_name(path: Path) -> Path:
    """What a file is called while it is written: hidden, with the machine and the process that writes it."""
    return path.with_name(f'.{path.name}.{socket.gethostname()}-{os.getpid()}.tmp')


def remove_leftovers(folder: Path) -> None:
    """Remove what processes of this machine, killed while they wrote, left half-written in a folder."""
    form = re.compile(rf'\..+\.{re.escape(socket.gethostname())}-(\d+)\.tmp')
    for path in folder.glob('.*.tmp'):
        owner = form.fullmatch(path.name)
        if owner and not _lives(int(owner[1])):
            path.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    if process == os.getpid():  # numbers come again, in containers at each start; this process writes nothing now
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def _not_written(path: Path, error: Exception, obj: Any) -> str:
    number = getattr(error, 'errno', None)
    reason = getattr(error, 'strerror', None) or str(error).splitlines()[0]
    message = f'{path} could not be written: {reason}. What was there before is unchanged.\n'
    if number not in FULL:
        return message + 'Check the folder and its rights.'
    free = shutil.disk_usage(path.parent).free
    return message + f'It needs {_megabytes(size_of(obj))}; {_megabytes(free)} are free on that disk.'


def _megabytes(count: float) -> str:
    return f'{count / 1e6:,.1f} MB'


def size_of(obj: Any) -> int:
    """Bytes of the tensors in nested dicts and lists, memory that several share counted once."""
    seen: dict[int, int] = {}

    def visit(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            storage = value.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
        elif isinstance(value, Mapping):
            visit_all(value.values())
        elif isinstance(value, (list, tuple)):
            visit_all(value)

    def visit_all(values: Iterable) -> None:
        for value in values:
            visit(value)

    visit(obj)
    return sum(seen.values())
