"""Fetching a file from an address: offline is told at once, size and digest are checked, no half file is in place."""
import hashlib
import json
import os
import shutil
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, BinaryIO, Optional
from urllib.parse import urlsplit

try:
    import fcntl
except ImportError:  # Windows has none; two downloads of one file at once are not noticed there
    fcntl = None

from segkit.errors import SegkitError

CONNECT_SECONDS = 1.5  # how long a host may take to answer before we call ourselves offline
READ_SECONDS = 30.0  # how long a download may stand still
CHUNK = 1 << 20
MB = 10 ** 6
Bar = Callable[[Sequence[int], str, int], Iterator[int]]


class DownloadError(SegkitError):
    """A file that could not be fetched; the reason alone, in one line."""


def download(url: str, path: Path, digest: str = '', resume: bool = False, say: Callable[[str], Any] = print,
             bar: Optional[Bar] = None) -> str:
    """Fetch a file; ``path`` holds the whole of it, or nothing.

    Args:
        url: An http or https address.
        path: The file. Its folder is made.
        digest: What was published, such as 'md5:6cd6...' or 'sha256:0676ba61' (a beginning is enough); '' where
            nothing was. The length that the server announces is compared in any case.
        resume: Keep what came of a download that broke off, in ``path.part``, and go on behind it if the server allows
            that and still has the same file. Then one process alone can fetch a file. Otherwise each process loads its
            own copy and nothing is kept.
        say: Gets the line that tells what is fetched.
        bar: :func:`~segkit.datasets.progress.show_progress`; it counts megabytes.

    Returns:
        The file's sha256.

    Raises:
        DownloadError: If the host does not answer within two seconds, the server has no such file, what came is not
            what was promised, or the disk has no room.
    """
    reason = _offline(url)
    if reason:
        raise DownloadError(reason)
    unfinished = path.with_name(f'{path.name}.part' if resume else f'.{path.name}.{os.getpid()}.tmp')
    facts = path.with_name(f'{unfinished.name}.json')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(unfinished, 'ab+' if resume else 'wb+') as file:
            if resume:
                _lock(file, unfinished)
            sha256, other = _receive(url, file, path, facts if resume else None, digest, say, bar)
            algorithm, _, promised = digest.partition(':')
            wrong = not other.startswith(promised)
            if fcntl is not None and not wrong:
                os.replace(unfinished, path)  # while the lock is held
        if wrong:
            unfinished.unlink()
        elif fcntl is None:
            os.replace(unfinished, path)
        facts.unlink(missing_ok=True)
        if wrong:
            raise DownloadError(f'{url} gave {algorithm} {other[:16]}..., not the {promised[:16]} that was promised. '
                                'Nothing was kept; try again.')
    except (OSError, HTTPException) as error:
        raise DownloadError(f'{error or type(error).__name__}.') from error
    finally:
        if not resume:
            unfinished.unlink(missing_ok=True)
    return sha256


def digest_of(path: Path, algorithm: str) -> str:
    """The digest of a file, in hex."""
    hashed = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, 'rb') as file:
        while chunk := file.read(CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()


def _receive(url: str, file: BinaryIO, path: Path, facts: Optional[Path], digest: str, say: Callable[[str], Any],
             bar: Optional[Bar]) -> tuple[str, str]:
    """Write what is missing of ``file``; its sha256 and its digest of the promised kind."""
    begin = file.seek(0, os.SEEK_END)
    known = _read_facts(facts, url) if begin else {}
    if not begin or begin != known.get('size'):
        reply = _ask(url, begin, known.get('validator', ''))
        with reply:
            if begin and reply.headers.get('Content-Range', '').split('-')[0] != f'bytes {begin}':
                file.truncate(0)  # the server sends it from the start
                begin = 0
            announced = reply.headers.get('Content-Length')
            size = begin + int(announced) if announced else 0
            if facts is not None:
                facts.write_text(json.dumps(dict(url=url, size=size, validator=_validator(reply))))
            rest = f', {begin / MB:.0f} MB are there' if begin else ''
            length = f'{size / MB:.0f} MB' if size else 'the server does not say how long'
            say(f'Downloading {url} ({length}{rest}) to {path}')
            free = shutil.disk_usage(path.parent).free
            if size - begin > free:
                raise DownloadError(f'{path.name} needs {(size - begin) / MB:,.0f} MB, and {free / MB:,.0f} are free '
                                    f'in {path.parent}.')
            _copy(reply, file, begin, size, path.name, bar)
        received = file.seek(0, os.SEEK_END)
        if size and received != size:
            kept = '; what came is kept, and the same command goes on behind it' if facts is not None else ''
            raise DownloadError(f'{url} ended after {received:,} of {size:,} bytes{kept}.')
    file.seek(0)
    sha256 = hashlib.sha256()
    other = hashlib.new(digest.partition(':')[0] or 'sha256', usedforsecurity=False)
    while chunk := file.read(CHUNK):
        sha256.update(chunk)
        other.update(chunk)
    return sha256.hexdigest(), other.hexdigest()


def _copy(reply: HTTPResponse, file: BinaryIO, begin: int, size: int, name: str, bar: Optional[Bar]) -> None:
    counted = iter(bar(range(size // MB), f'MB of {name}', begin // MB)) if bar and size else iter(())
    shown, received = begin // MB, begin
    while chunk := reply.read(CHUNK):
        file.write(chunk)
        received += len(chunk)
        while shown < received // MB:
            next(counted, None)
            shown += 1
    file.flush()
    next(counted, None)


def _ask(url: str, begin: int, validator: str) -> HTTPResponse:
    """The server's answer; of the rest only, if it has the same file still and can send parts."""
    request = urllib.request.Request(url)
    if begin and validator:
        request.add_header('Range', f'bytes={begin}-')
        request.add_header('If-Range', validator)
    try:
        return urllib.request.urlopen(request, timeout=READ_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # "range not satisfiable": it is shorter now than what is there
            raise
    return urllib.request.urlopen(url, timeout=READ_SECONDS)


def _validator(reply: HTTPResponse) -> str:
    """What names this very state of the file to the server; a weak tag does not (RFC 9110, section 13.1.5)."""
    tag = reply.headers.get('ETag', '')
    return tag if tag and not tag.startswith('W/') else reply.headers.get('Last-Modified', '')


def _read_facts(path: Optional[Path], url: str) -> dict:
    """What was said of the file when its first part came; nothing if that is not known, or of another address."""
    with suppress(OSError, ValueError, AttributeError):
        facts = json.loads(path.read_text())
        if facts.get('url') == url:
            return facts
    return {}


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep other processes away from a part; not from one that was finished and renamed since it was opened."""
    if fcntl is None:
        return
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return
    raise DownloadError(f'Another process is writing {path}, or just did; start again when it is through.')


def _offline(url: str) -> str:
    """Why the host, or the proxy that stands before it, does not answer; empty if it does."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname):
        parts = urlsplit(proxy if '//' in proxy else f'http://{proxy}')
    answer = []

    def connect() -> None:
        try:
            port = parts.port or (443 if parts.scheme == 'https' else 80)
            socket.create_connection((parts.hostname, port), timeout=CONNECT_SECONDS).close()
            answer.append('')
        except OSError as error:
            answer.append(f'{parts.hostname} does not answer ({error}).')

    # Looking up a name has no time limit of its own, so it runs where it can be left behind.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    return answer[0] if answer else f'{parts.hostname} does not answer within {CONNECT_SECONDS} s.'
