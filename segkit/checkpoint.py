"""Files of weights: read without running code from them, written whole or not at all, compared key by key."""
import difflib
import hashlib
import json
import os
import pickle
import re
import socket
import threading
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Optional, Union
from urllib.parse import urlsplit

import mmengine
import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log
from torch import Tensor, nn

from segkit.errors import CheckpointError

SCHEMES = {  # tables of names and addresses that MMEngine carries
    'torchvision://': 'torchvision_0.12.json',
    'modelzoo://': 'torchvision_0.12.json',
    'open-mmlab://': 'openmmlab.json',
    'openmmlab://': 'openmmlab.json',
}
CONNECT_SECONDS = 1.5  # how long a host may take to answer before we call ourselves offline
READ_SECONDS = 30.0  # how long a download may stand still
CHUNK = 1 << 20


def load_file(source: Union[str, Path], map_location: Any = 'cpu', unsafe: bool = False) -> dict:
    """Read a checkpoint; what the file asks for beyond tensors, numbers and text is refused, not run.

    Args:
        source: A file, or an address as :func:`fetch` takes it.
        map_location: Where the tensors go, as for ``torch.load``.
        unsafe: Let the file run whatever code it names. Only for files you made yourself.

    Returns:
        What was saved: the weights themselves, or a dict that has them in ``'state_dict'``.

    Raises:
        CheckpointError: If the file is missing, damaged, asks for code, or holds no dict.
    """
    path = fetch(source)
    try:
        if unsafe:
            checkpoint = torch.load(path, map_location=map_location, weights_only=False)
        else:
            with torch.serialization.safe_globals(_allowed()):
                checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r'GLOBAL (\S+)|unrecognized function (.+)', str(error))
        if asked is None:
            raise CheckpointError(_damaged(path, error)) from error
        raise CheckpointError(
            f"{path} asks for '{asked[1] or asked[2]}', which weights do not need; nothing of it was run.\n"
            'If you made this file yourself, read it with unsafe=True and save its weights alone.') from error
    except Exception as error:  # damaged bytes make torch raise anything, a KeyError for one
        raise CheckpointError(_damaged(path, error)) from error
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(f'{path} holds a {type(checkpoint).__name__}; a dict of weights was expected.\n'
                              'Save model.state_dict() instead.')
    return checkpoint


def _damaged(path: Path, error: Exception) -> str:
    # torch wraps the reason in advice to read the file unsafely, which nobody should follow for a damaged file
    inner = re.search(r'WeightsUnpickler error:\s*(.+)', str(error))
    reason = (inner[1] if inner else str(error) or type(error).__name__).splitlines()[0][:200]
    return (f'{path} ({path.stat().st_size:,} bytes) is not a checkpoint that PyTorch can read: {reason}\n'
            'It may be cut short or something else; copy or download it again.')


def _statistic(owner: Any, name: str) -> Any:
    """Stand for ``getattr`` while a checkpoint is read: MMEngine's log buffers name their four statistics so."""
    if owner is HistoryBuffer and name in ('min', 'max', 'mean', 'current'):
        return getattr(owner, name)
    raise pickle.UnpicklingError(f'GLOBAL builtins.getattr of {owner!r}')


@cache
def _allowed() -> list:
    """What a checkpoint may name besides torch's own list: MMEngine's log buffers, and numpy's numbers and arrays."""
    multiarray = getattr(np, '_core', None) or np.core
    allowed = [HistoryBuffer, (_statistic, 'builtins.getattr'), np.ndarray, np.dtype]
    allowed += {type(np.dtype(kind)) for kind in 'f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 ? U'.split()}
    for name in ('scalar', '_reconstruct'):  # numpy 2 renamed the module, and files of both ages are about
        function = getattr(multiarray.multiarray, name)
        allowed += [(function, f'numpy.{core}.multiarray.{name}') for core in ('core', '_core')]
    return allowed


def write_atomic(obj: Any, path: Union[str, Path]) -> None:
    """Save ``obj`` so that ``path`` holds the whole of it, or what it held before.

    Raises:
        CheckpointError: If it cannot be written (no space, no permission).
    """
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, 'wb') as file:
            torch.save(obj, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f'{path} could not be written: {error}\n'
                              'What was there before is unchanged. Check the space and the rights of the folder.'
                              ) from error
    finally:
        temporary.unlink(missing_ok=True)


def state_dict_of(checkpoint: Mapping) -> dict[str, Tensor]:
    """The weights in what :func:`load_file` returned, without the prefix that DistributedDataParallel adds.

    Raises:
        CheckpointError: If there are none.
    """
    weights = next((checkpoint[key] for key in ('state_dict', 'model') if isinstance(checkpoint.get(key), Mapping)),
                   checkpoint)
    weights = {key: value for key, value in weights.items() if isinstance(value, Tensor)}
    if not weights:
        keys = ', '.join(map(str, list(checkpoint)[:8]))
        raise CheckpointError(f"The checkpoint holds no weights; a dict of tensors, or one under 'state_dict', was "
                              f'expected.\nIts keys: {keys}.')
    if all(key.startswith('module.') for key in weights):
        weights = {key[len('module.'):]: value for key, value in weights.items()}
    return weights


@dataclass
class KeyReport:
    """How a file's weights fit a model.

    Attributes:
        fitting: Keys with equal shapes.
        missing: Keys of the model that the file lacks.
        unexpected: Keys of the file that the model lacks.
        mismatched: (key, shape in the file, shape in the model).
        cause: What probably explains the difference, and what to do; empty where nothing is known.
    """

    fitting: list[str]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
    cause: str = ''

    @property
    def ok(self) -> bool:
        return not (self.missing or self.unexpected or self.mismatched)

    def text(self, source: str, model: str = 'the model') -> str:
        """The report in at most four lines."""
        shapes = [f'{key} (file {_shape(theirs)}, model {_shape(ours)})' for key, theirs, ours in self.mismatched]
        kinds = (('missing', self.missing), ('unexpected', self.unexpected), ('of another shape', shapes))
        parts = [f'{len(keys)} {name}: ' + ', '.join(keys[:3]) + (', ...' if len(keys) > 3 else '')
                 for name, keys in kinds if keys]
        lines = [f'{source} does not fit {model}; {len(self.fitting)} keys fit.', '; '.join(parts) + '.', self.cause]
        return '\n'.join(line for line in lines if line)


def _shape(shape: Sequence[int]) -> str:
    return 'x'.join(map(str, shape)) or 'scalar'


def load_weights(model: nn.Module, state_dict: Mapping[str, Tensor], strict: bool = True,
                 allow_missing: Sequence[str] = (), allow_unexpected: Sequence[str] = (),
                 source: str = 'The checkpoint') -> KeyReport:
    """Copy weights into a model, all of them or, with ``strict=False``, those that fit.

    Args:
        model: The module the keys are relative to.
        state_dict: Weights by key.
        strict: Whether a difference is an error.
        allow_missing: Beginnings of keys that the file may lack.
        allow_unexpected: Beginnings of keys that the file may have in addition.
        source: What the weights are called in the error.

    Returns:
        What fitted and what did not, without what was allowed.

    Raises:
        CheckpointError: If ``strict`` and a key is missing, unexpected or of another shape; nothing is copied then.
    """
    own = model.state_dict()
    # Files older than torch 0.4.1 do not count batches; nothing but a momentum of None reads the count.
    allow_missing = tuple(allow_missing)
    missing = [key for key in own if key not in state_dict
               and not key.endswith('num_batches_tracked') and not key.startswith(allow_missing)]
    unexpected = [key for key in state_dict if key not in own and not key.startswith(tuple(allow_unexpected))]
    common = [key for key in own if key in state_dict]
    mismatched = [(key, tuple(state_dict[key].shape), tuple(own[key].shape)) for key in common
                  if state_dict[key].shape != own[key].shape]
    wrong = {key for key, _, _ in mismatched}
    report = KeyReport([key for key in common if key not in wrong], missing, unexpected, mismatched)
    report.cause = _cause(report, list(own), list(state_dict))
    if strict and not report.ok:
        raise CheckpointError(report.text(source, type(model).__name__))
    model.load_state_dict({key: state_dict[key] for key in report.fitting}, strict=False)
    return report


def _cause(report: KeyReport, ours: list[str], theirs: list[str]) -> str:
    """The likeliest reason why the keys differ, with the way out."""
    pairs = {(a[:1], b[:1]) for _, a, b in report.mismatched if a[1:] == b[1:] and a and b}
    if report.mismatched and len(pairs) == 1 and all(a[1:] == b[1:] for _, a, b in report.mismatched):
        (file_classes,), (model_classes,) = pairs.pop()
        return (f'The file has {file_classes} classes, the model {model_classes}: '
                f'set model.num_classes={file_classes}, or take a file trained on {model_classes} classes.')
    if not report.fitting:
        heads = {key.split('.')[0] + '.' for key in theirs}
        for head in sorted(heads):
            if any(key.startswith(head) and key[len(head):] in ours for key in theirs):
                return f"The file's keys begin with '{head}': init_cfg.prefix='{head}' takes that part."
        if any(f'backbone.{key}' in ours for key in theirs):
            return 'The file holds a backbone alone: give it as model.backbone.init_cfg, not to the whole model.'
    for key, kind in (('stem.0.weight', "a deep stem (ResNetV1c, ResNetV1d, 'open-mmlab://resnet50_v1c')"),
                      ('conv1.weight', "a 7x7 stem (ResNet, 'torchvision://resnet50')"),
                      ('layer2.0.downsample.2.weight', 'averaging shortcuts (ResNetV1d)')):
        for keys, owner, other in ((report.missing, 'model', 'file'), (report.unexpected, 'file', 'model')):
            if key in keys or f'backbone.{key}' in keys:
                return f'The {owner} has {kind}, the {other} has not: take the file or the backbone of the same kind.'
    if any(re.search(r'layer\d\.\d+\.', key) for key in report.missing + report.unexpected):
        return 'The file is of a ResNet of another depth: set model.backbone.depth to its depth.'
    return ''


def fetch(source: Union[str, Path]) -> Path:
    """The local file of a checkpoint, downloaded once if need be.

    Downloads are kept where ``torch.hub`` keeps its own. Where a file's name ends in the beginning of its sha256
    (``resnet50-0676ba61.pth``), the download is checked against it. Every process that finds no file loads its own
    copy and renames it into place, so that none sees half of one.

    Args:
        source: A file, an http(s) address, ``torchvision://resnet50`` or ``open-mmlab://resnet50_v1c``.

    Raises:
        CheckpointError: If there is no such file or name, the host does not answer within two seconds, or what
            came is not what the name promises.
    """
    text = str(source)
    url = _url_of(text)
    if url is None:
        path = Path(text).expanduser()
        if not path.is_file():
            raise CheckpointError(_no_such_file(path))
        return path
    folder = Path(torch.hub.get_dir()) / 'checkpoints'
    path = folder / Path(urlsplit(url).path).name
    if not path.is_file():
        _download(url, path, text)
    return path


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
    message = f'The checkpoint {path} does not exist.'
    if not path.parent.is_dir():
        return f'{message}\nIts folder {path.parent.absolute()} does not exist either.'
    near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob('*.pth')], n=3, cutoff=0.3)
    return f'{message}\nNearest in its folder: {", ".join(near)}.' if near else message


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
