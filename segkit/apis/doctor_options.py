"""Where in a config the doctor's advice belongs: whole keys and values, as --cfg-options takes them."""
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from segkit.datasets.transforms.loading import LoadAnnotations, LoadImageFromFile
from segkit.engine.checks.config_parts import datasets_of, heads_of, model_of, part, transforms_of
from segkit.registry import LOSSES
from segkit.signatures import accepted_keywords

LOADERS = ('train', 'val', 'test')
# The places of a folder's advice are those of README's config for people's own data: masks are read second where is
# trained, and behind the resizing where is evaluated.
_LOADS = dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')
_PIPELINES = dict(train=[*_LOADS], val=[_LOADS[0], dict(type='Resize'), _LOADS[1]])


def places_of_folder(roles: Iterable[str]) -> dict[str, Any]:
    """The parts of the config that a folder with splits of these roles will be given."""
    names = {loader_of(role) for role in roles}
    loaders = {f'{name}_dataloader': dict(dataset=dict(
        type='FolderDataset', pipeline=_PIPELINES.get(name, _PIPELINES['val']))) for name in LOADERS if name in names}
    return dict(loaders, model=dict(decode_head=dict(loss_decode=dict(type='CrossEntropyLoss'))))


def loader_of(role: str) -> str:
    """The dataloader, 'train', 'val' or 'test', that a split of a role goes to."""
    return role if role in LOADERS else 'train'


def of_datasets(cfg: dict, key: str, value: Any, loaders: Sequence[str] = LOADERS) -> tuple[str, ...]:
    """KEY=VALUE that give the datasets of some dataloaders, out of any wrappers, an option.

    A dict is joined to the one that a dataset has. A test_dataloader that reads what val_dataloader reads goes with it.
    """
    names = [name for name in LOADERS if name in loaders or (
        name == 'test' and 'val' in loaders and _dataset(cfg, 'test') == _dataset(cfg, 'val'))]
    found = []
    for name in names:
        for one in datasets_of(cfg, name):
            joined = {**one.cfg[key], **value} if isinstance(value, dict) and isinstance(
                one.cfg.get(key), dict) else value
            found.append(f'{one.place}.{key}={joined}')
    return tuple(found)


def of_masks(cfg: dict, key: str, value: Any) -> tuple[str, ...]:
    """KEY=VALUE that give what reads the masks an option."""
    return tuple(f'{place}.{key}={value}' for place in _steps(cfg, LoadAnnotations))


def of_photos(cfg: dict, key: str, value: Any) -> tuple[str, ...]:
    """KEY=VALUE that give what reads the photos an option."""
    return tuple(f'{place}.{key}={value}' for place in _steps(cfg, LoadImageFromFile))


def of_losses(cfg: dict, key: str, value: Any) -> tuple[str, ...]:
    """KEY=VALUE that give each loss of the decode heads that takes it, one value a class, an option."""
    found = []
    for head in heads_of(model_of(cfg)):
        if not head.place.startswith('model.decode_head') or head.cfg.get('out_channels') == 1:
            continue
        losses, place = head.cfg.get('loss_decode'), f'{head.place}.loss_decode'
        if losses is None:  # the head's own; a loss that is given needs its type
            found.append(f"{place}=dict(type='CrossEntropyLoss', {key}={value!r})")
            continue
        several = isinstance(losses, (list, tuple))
        for i, loss in enumerate(losses if several else [losses]):
            one = part(f'{place}.{i}' if several else place, loss, LOSSES)
            keywords = accepted_keywords(one.cls) if one.cls is not None else None
            if keywords is None or key in keywords:
                found.append(f'{one.place}.{key}={value}')
    return tuple(found)


def as_typed(options: Sequence[str]) -> str:
    """The words for a command line, with quotes that a shell takes off."""
    return ' '.join(['--cfg-options', *(f'"{one}"' if "'" in one and not set(one) & set('"$`\\!') else shlex.quote(one)
                                        for one in options)])


def _dataset(cfg: dict, name: str) -> Any:
    return (cfg.get(f'{name}_dataloader') or {}).get('dataset')


def _steps(cfg: dict, cls: type) -> Iterator[str]:
    for name in LOADERS:
        for dataset in datasets_of(cfg, name):
            for step in transforms_of(dataset):
                if isinstance(step.cls, type) and issubclass(step.cls, cls):
                    yield step.place
