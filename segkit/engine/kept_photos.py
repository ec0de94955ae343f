"""Pipelines that keep the photo, where the model post-processes with it."""
import copy
from collections.abc import Sequence
from typing import Any

from segkit.engine.checks.config_parts import datasets_of, model_of

KEEP = dict(type='KeepPhoto')


def looks_at_photos(given: dict) -> bool:
    """Whether the model of a config post-processes with ``model.test_cfg.crf``."""
    return (model_of(given).get('test_cfg') or {}).get('crf') is not None


def with_photos(given: dict) -> dict:
    """A runner's arguments, or a config's values, whose validation and test data keep their photos where needed.

    Args:
        given: With ``model`` and ``*_dataloader``; not changed.
    """
    if not looks_at_photos(given):
        return given
    given = dict(given)
    for split in ('val', 'test'):
        given[f'{split}_dataloader'] = copy.deepcopy(given.get(f'{split}_dataloader'))
        for dataset in datasets_of(given, split):
            dataset.cfg['pipeline'] = keeping(dataset.cfg.get('pipeline'))
    return given


def keeping(steps: Any) -> Any:
    """A pipeline with KeepPhoto right behind the transform that loads the image, unless it is there.

    One that has no such transform is left, and so is what is no list; post-processing will then say what it misses.
    """
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        return steps
    names = [_name(step) for step in steps]
    first = next((i for i, name in enumerate(names) if name.startswith('LoadImage')), None)
    if first is None or KEEP['type'] in names:
        return steps
    return [*steps[:first + 1], dict(KEEP), *steps[first + 1:]]


def _name(step: Any) -> str:
    kind = step.get('type') if isinstance(step, dict) else type(step)
    return kind.split('.')[-1] if isinstance(kind, str) else getattr(kind, '__name__', '')
