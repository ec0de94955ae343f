"""The local file of a checkpoint, downloaded once if need be."""
import difflib
import json
import re
from functools import partial
from pathlib import Path
from typing import Optional, Union
from urllib.parse import urlsplit

import mmengine
import torch
from mmengine.logging import print_log

from segkit.downloading import DownloadError, download
from segkit.errors import CheckpointError

SCHEMES = {  # tables of names and addresses that MMEngine carries
    'torchvision://': 'torchvision_0.12.json',
    'modelzoo://': 'torchvision_0.12.json',
    'open-mmlab://': 'openmmlab.json',
    'openmmlab://': 'openmmlab.json',
    'mmcls://': 'mmcls.json',  # classifiers: their backbone's keys begin with 'backbone.'
}


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
    promised = re.search(r'-([0-9a-f]{8,64})\.\w+$', path.name)
    try:
        download(url, path, f'sha256:{promised[1]}' if promised else '', say=partial(print_log, logger='current'))
    except DownloadError as error:
        raise CheckpointError(f"'{source}' could not be downloaded: {error}\nPut the file of {url} at {path},\nor "
                              'start from random weights: model.backbone.init_cfg=None (and model.pretrained=None if '
                              'that is set).') from error
