"""The parts of a runner's arguments that have to fit each other, found where a config puts them."""
import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple, Optional

from segkit.registry import DATASETS, DECODE_HEADS, METRICS, TRANSFORMS, SegkitRegistry

# Transforms behind a crop that leave its size as it is.
SAME_SIZE = ('RandomFlip', 'PhotoMetricDistortion', 'PackSegInputs', 'RandomCutOut', 'RandomGaussianBlur')


class Part(NamedTuple):
    """A dict of a config that a class is built from.

    Attributes:
        place: Its key, dotted.
        cfg: The dict.
        cls: The class; None where its ``type`` is not known.
        told: What the model tells all its parts, or a dataset's files say of it.
    """
    place: str
    cfg: dict
    cls: Any
    told: dict = {}

    @property
    def name(self) -> str:
        """The name of the class."""
        return getattr(self.cls, '__name__', str(self.cfg.get('type')))

    def get(self, key: str) -> Any:
        """The value that the part will have: the config's, else its signature's default, else None."""
        for said in (self.cfg, self.told):
            if key in said:
                return said[key]
        for cls in getattr(self.cls, '__mro__', ()):
            parameter = inspect.signature(cls.__init__).parameters.get(key) if '__init__' in vars(cls) else None
            if parameter is not None:
                return None if parameter.default is parameter.empty else parameter.default
        return None

    def key(self, name: str) -> str:
        """The place of one of the part's values: the model's where that one tells it."""
        return f'model.{name}' if name in self.told and name not in self.cfg else f'{self.place}.{name}'


def part(place: str, cfg: dict, registry: SegkitRegistry, **told: Any) -> Part:
    """A part and its class."""
    kind = cfg.get('type')
    if isinstance(kind, str):
        try:
            kind = registry.get(kind)
        except KeyError:  # building it says so
            kind = None
    return Part(place, cfg, kind, told)


def model_of(given: dict) -> dict:
    """The segmentor's config, out of a model for test-time augmentation; empty where the model is built already."""
    model = given.get('model')
    while isinstance(model, dict) and isinstance(model.get('module'), dict):
        model = model['module']
    return model if isinstance(model, dict) else {}


def heads_of(model: dict) -> list[Part]:
    """The decode head and the auxiliary heads, with what the model tells all its parts."""
    told = {key: model[key] for key in ('num_classes', 'ignore_index') if model.get(key) is not None}
    found = []
    for key in ('decode_head', 'auxiliary_head'):
        heads = model.get(key)
        several = isinstance(heads, (list, tuple))
        for i, head in enumerate(heads if several else [heads]):
            if isinstance(head, dict):
                place = f'model.{key}.{i}' if several else f'model.{key}'
                found.append(part(place, head, DECODE_HEADS, **told))
    return found


def datasets_of(given: dict, split: str) -> list[Part]:
    """The datasets of ``train``, ``val`` or ``test``, out of any wrappers."""
    loader = given.get(f'{split}_dataloader')
    return list(_datasets(loader, f'{split}_dataloader')) if isinstance(loader, dict) else []


def _datasets(node: dict, place: str) -> Iterator[Part]:
    inside = [(f'{place}.dataset', node.get('dataset'))]
    inside += [(f'{place}.datasets.{i}', one) for i, one in enumerate(node.get('datasets') or ())]
    inside = [(at, one) for at, one in inside if isinstance(one, dict)]
    for at, one in inside:
        yield from _datasets(one, at)
    if not inside and 'type' in node:
        found = part(place, node, DATASETS)
        said = getattr(found.cls, 'said_by_files', None)
        yield found if said is None else found._replace(told=said(node))


def transforms_of(dataset: Part) -> Iterator[Part]:
    """The transforms of a dataset's pipeline, those inside others included."""
    yield from _transforms(dataset.cfg.get('pipeline'), f'{dataset.place}.pipeline')


def _transforms(node: Any, place: str) -> Iterator[Part]:
    for i, one in enumerate(node if isinstance(node, (list, tuple)) else ()):
        if isinstance(one, dict):
            yield part(f'{place}.{i}', one, TRANSFORMS)
            yield from _transforms(one.get('transforms'), f'{place}.{i}.transforms')
        else:
            yield from _transforms(one, f'{place}.{i}')


def size_of_crops(dataset: Part) -> Optional[tuple[int, int]]:
    """The (h, w) that a training pipeline ends with, where its last RandomCrop decides it."""
    steps = dataset.cfg.get('pipeline')
    for step in reversed(steps if isinstance(steps, (list, tuple)) else ()):
        kind = step.get('type') if isinstance(step, dict) else None
        if kind == 'RandomCrop':
            crop = step.get('crop_size')
            return (crop, crop) if isinstance(crop, int) else tuple(crop)
        if kind not in SAME_SIZE:
            return None
    return None


def metrics_of(given: dict, split: str) -> list[Part]:
    """The metrics of ``val`` or ``test``."""
    place, metrics = f'{split}_evaluator', given.get(f'{split}_evaluator')
    if isinstance(metrics, dict) and 'metrics' in metrics:
        place, metrics = f'{place}.metrics', metrics['metrics']
    if isinstance(metrics, dict):
        return [part(place, metrics, METRICS)]
    return [part(f'{place}.{i}', one, METRICS) for i, one in enumerate(metrics or ()) if isinstance(one, dict)] \
        if isinstance(metrics, (list, tuple)) else []


def classes_of(dataset: Part) -> Optional[tuple[str, ...]]:
    """The names of a dataset's classes, where the config, the class or the header of a pack says them."""
    own = {**(getattr(dataset.cls, 'METAINFO', None) or {}), **dataset.told.get('metainfo', {})}
    classes = (dataset.cfg.get('metainfo') or {}).get('classes', own.get('classes'))
    return tuple(classes) if isinstance(classes, (list, tuple)) else None
