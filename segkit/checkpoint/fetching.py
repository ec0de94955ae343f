"""The local file of a checkpoint, downloaded once if need be."""
import difflib
import hashlib
import json
import os
import re
import socket
import threading
import urllib.request
from pathlib import Path
from typing import Optional, Union
from urllib.parse import urlsplit

import mmengine
import torch
from mmengine.logging import print_log

from segkit.errors import CheckpointError

SCHEMES = {  # tables of names and addresses that MMEngine carries
    'torchvision://': 'torchvision_0.12.json',
    'modelzoo://': 'torchvision_0.12.json',
    'open-mmlab://': 'openmmlab.json',
    'openmmlab://': 'openmmlab.json',
    'mmcls://': 'mmcls.json',  # classifiers: their backbone's keys begin with 'backbone.'
}
CONNECT_SECONDS = 1.5  # how long a host may take to answer before we call ourselves offline
READ_SECONDS = 30.0  # how long a download may stand still
CHUNK = 1 << 20


def fetch(source: Union[str, Path]) -> Path:
    """The local file of a checkpoint, downloaded once if need be.

    Downloads are kept where ``torch.hub`` keeps its own. Where a file's name ends in the beginning of its sha256
    (``resnet50-0676ba61.pth``), the download is checked against it. Every process that finds no file loads its own
    copy and renames it into place, so that none sees half of one.

    Args:
        source: A file, an http(s) address, ``torchvision://resnet50``, ``open-mmlab://resnet50_v1c`` or
            ``mmcls://mobilenet_v2``.

    Raises:
        CheckpointError: If there is no such file or name, the host does not answer within two seconds, or what
            came is not what the name promises.
    """
    path, url = locate(source)
    if url is None and not path.is_file():
        raise CheckpointError(_no_such_file(path))
    if url is not None and not path.is_file():
        _download(url, path, str(source))
    return path


def locate(source: Union[str, Path]) -> tuple[Path, Optional[str]]:
    """Where the file of a checkpoint is, or would be once downloaded, and its address; None for a local file.

    Args:
        source: As for :func:`fetch`.

    Raises:
        CheckpointError: If a table of names does not know the name.
    """
    url = _url_of(str(source))
    if url is None:
        return Path(source).expanduser(), None
    return Path(torch.hub.get_dir()) / 'checkpoints' / Path(urlsplit(url).path).name, url


def _url_of(source: str) -> Optional[str]:
    """The address a source stands for; None for a local file."""
    if source.startswith(('http://', 'https://')):
        return source
    for scheme, file in SCHEMES.items():
        if source.startswith(scheme):
            table = json.loads((Path(mmengine.__file__).parent / 'hub' / file).read_text())
            name = source[len(scheme):]
            if name in table:
                return table[name]
            near = difflib.get_close_matches(name, table, n=3) or sorted(k for k in table if k.startswith('resnet'))
            raise CheckpointError(f"'{source}': {scheme} has no '{name}'. Nearest: {', '.join(near)}.")
    if '://' in source:
        raise CheckpointError(f"'{source}': known are files, http://, https://, {', '.join(SCHEMES)}.")
    return None


def _no_such_file(path: Path) -> str:
    if path.is_dir():
        inside = _weights_in(path)[:4]
        return (f'{path} is a folder; the file of a checkpoint was expected.'
                + (f'\nIn it: {", ".join(inside)}' if inside else ''))
    message = f'The checkpoint {path} does not exist.'
    if not path.parent.is_dir():
        return f'{message}\nIts folder {path.parent.absolute()} does not exist either.'
    near = difflib.get_close_matches(path.name, _weights_in(path.parent), n=3, cutoff=0.3)
    return f'{message}\nNearest in its folder: {", ".join(near)}.' if near else message


def _weights_in(folder: Path) -> list[str]:
    return sorted(path.name for suffix in ('pth', 'safetensors') for path in folder.glob(f'*.{suffix}'))


def _download(url: str, path: Path, source: str) -> None:
    help_text = (f'Put the file of {url} at {path},\nor start from random weights: model.backbone.init_cfg=None '
                 '(and model.pretrained=None if that is set).')
    offline = _offline(url)
    if offline:
        raise CheckpointError(f"'{source}' could not be downloaded: {offline}\n{help_text}")
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    digest, received = hashlib.sha256(), 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=READ_SECONDS) as reply, open(temporary, 'wb') as file:
            size = int(reply.headers.get('Content-Length') or 0)
            print_log(f'Downloading {url} ({size / 1e6:.0f} MB) to {path}', 'current')
            while chunk := reply.read(CHUNK):
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
        promised = re.search(r'-([0-9a-f]{8,64})\.\w+$', path.name)
        if (size and received != size) or (promised and not digest.hexdigest().startswith(promised[1])):
            raise CheckpointError(f'{url} gave {received:,} bytes with sha256 {digest.hexdigest()[:8]}..., not what '
                                  f'its name and length promise. Nothing was kept; try again.\n{help_text}')
        os.replace(temporary, path)
    except OSError as error:
        raise CheckpointError(f"'{source}' could not be downloaded: {error}\n{help_text}") from error
    finally:
        temporary.unlink(missing_ok=True)


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
