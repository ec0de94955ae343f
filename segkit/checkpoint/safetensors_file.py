"""Weights in the format of the package safetensors: tensors behind a JSON header, no code in any version of it."""
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segkit.errors import CheckpointError, DamagedCheckpointError

SUFFIX = '.safetensors'
LONGEST_HEADER = 100_000_000  # bytes; the package refuses longer ones
OURS = 'json_keys'  # in the metadata, whose values are text: the keys that hold JSON
HOW = 'pip install safetensors'


def recognised(path: Path) -> bool:
    """Whether a file is one, by its first bytes or by its name."""
    with open(path, 'rb') as file:
        start = file.read(16)
    if start[8:9] == b'{' and 0 < int.from_bytes(start[:8], 'little') <= LONGEST_HEADER:
        return True
    return path.suffix == SUFFIX


def load(path: Path, map_location: Any = 'cpu') -> dict:
    """Read a file: weights under ``state_dict``, and ``meta``, empty where segkit did not write the file.

    Args:
        path: The file.
        map_location: The device the tensors go to.

    Raises:
        DamagedCheckpointError: If it is cut short or altered so that its header does not fit it.
        CheckpointError: If the package is not installed.
    """
    safetensors = _package(path)
    try:
        with safetensors.safe_open(path, framework='pt', device='cpu') as file:
            metadata = file.metadata() or {}
            weights = {key: file.get_tensor(key) for key in file.keys()}
    except (safetensors.SafetensorError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0].removeprefix('Error while deserializing header: ')
        raise DamagedCheckpointError(f'{path} ({path.stat().st_size:,} bytes) is a safetensors file that cannot be '
                                     f'read: {reason}.\nIt may be cut short; copy or download it again.') from error
    if map_location is not None:
        weights = {key: value.to(map_location) for key, value in weights.items()}
    return dict(meta=_meta(metadata), state_dict=weights)


def _meta(metadata: Mapping[str, str]) -> dict:
    try:
        named = set(json.loads(metadata[OURS]))
        return {key: json.loads(value) if key in named else value for key, value in metadata.items()
                if key not in (OURS, 'format')}
    except (KeyError, TypeError, ValueError):
        return {}


def to_bytes(checkpoint: Mapping) -> bytes:
    """A file's bytes.

    Args:
        checkpoint: ``state_dict``, and ``meta`` of values that JSON has; nothing else.

    Raises:
        CheckpointError: If there is more in it, or the package is not installed.
    """
    more = sorted(set(checkpoint) - {'meta', 'state_dict'})
    if more:
        raise CheckpointError(f'A safetensors file holds weights and text only, not {", ".join(more)}.\n'
                              'tools/analysis/publish_model.py leaves that out, or write a file with the suffix .pth.')
    weights: dict[str, Tensor] = {}
    stored: set[int] = set()
    for key, value in checkpoint['state_dict'].items():
        value = value.detach().contiguous()
        place = value.untyped_storage().data_ptr()
        weights[key] = value.clone() if place in stored else value  # the format refuses tensors that share memory
        stored.add(place)
    meta = checkpoint.get('meta') or {}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in meta.items()}
    encoded = [key for key, value in meta.items() if not isinstance(value, str)]
    _package(Path('a file'))
    from safetensors.torch import save
    return save(weights, metadata={'format': 'pt', OURS: json.dumps(encoded), **texts})


def _package(path: Path) -> Any:
    try:
        import safetensors
    except ImportError as error:
        raise CheckpointError(f'{path} in the format of safetensors needs the package of that name, which is not '
                              f'installed:\n{HOW}') from error
    return safetensors


def weights_equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two dicts hold the same tensors, in whatever order (a safetensors file sorts them by size)."""
    return set(one) == set(other) and all(torch.equal(one[key], other[key]) for key in one)
