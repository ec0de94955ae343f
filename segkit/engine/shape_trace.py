"""The shapes that data has on its way through a pipeline and a network, taken while they pass."""
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn


class Stair(NamedTuple):
    """One stair: what stands there and what leaves it.

    Attributes:
        place: Config key or attribute, such as 'backbone.layer3'; the transform's position in a pipeline.
        name: Class of what stands there.
        shapes: Name of each array to its shape and type, such as {'img': ((375, 500, 3), 'uint8')}.
    """

    place: str
    name: str
    shapes: dict[str, tuple[tuple[int, ...], str]]


class _Watched:
    """A transform that notes what leaves it; anything else of it is asked of the transform."""

    def __init__(self, transform: Any, position: int, stairs: list) -> None:
        self._transform, self._position, self._stairs = transform, position, stairs

    def __call__(self, results: Any) -> Any:
        results = self._transform(results)
        if isinstance(results, dict):
            self._stairs.append((self._position, type(self._transform).__name__, _shapes(results)))
        return results

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transform, name)


@contextmanager
def watch_pipelines(datasets: Iterable[Any]) -> Iterator[list]:
    """Watch the transforms of datasets while samples are read in this process.

    Args:
        datasets: Those that hold a ``pipeline``, not the wrappers around them.

    Returns:
        A list that holds, after the block, a :class:`Stair` for each transform the first sample went through.
    """
    seen: list[tuple] = []
    stairs: list[Stair] = []
    watched = [(pipeline, pipeline.transforms) for dataset in datasets
               if hasattr(pipeline := getattr(dataset, 'pipeline', None), 'transforms')]
    for pipeline, transforms in watched:
        pipeline.transforms = [_Watched(transform, i, seen) for i, transform in enumerate(transforms)]
    try:
        yield stairs
    finally:
        for pipeline, transforms in watched:
            pipeline.transforms = transforms
        for position, name, shapes in seen:
            if stairs and position <= int(stairs[-1].place):
                break  # the next sample begins
            stairs.append(Stair(str(position), name, shapes))


def _shapes(results: dict) -> dict:
    found = {key: (tuple(value.shape), str(value.dtype)) for key, value in results.items()
             if isinstance(value, np.ndarray) and value.ndim > 1}
    if isinstance(results.get('inputs'), Tensor):
        found['inputs'] = shape_of(results['inputs'])
        labels = getattr(results.get('data_samples'), 'gt_sem_seg', None)
        if labels is not None:
            found['gt_sem_seg'] = shape_of(labels.data)
    return found


def shape_of(tensor: Tensor) -> tuple[tuple[int, ...], str]:
    """A tensor's shape and the name of its type."""
    return tuple(tensor.shape), str(tensor.dtype).removeprefix('torch.')


@contextmanager
def watch_model(model: nn.Module) -> Iterator[list[Stair]]:
    """Watch a segmentor's parts through forward hooks, each at its first call.

    Seen are the preprocessor, the parts of the backbone, what the backbone gives, and each head.

    Args:
        model: The segmentor, not wrapped.
    """
    stairs: list[Stair] = []
    handles = []

    def note(place: str, module: nn.Module) -> None:
        seen = []

        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if not seen and (shapes := _output_shapes(output)):
                seen.append(True)
                stairs.append(Stair(place, type(module).__name__, shapes))
        handles.append(module.register_forward_hook(hook))

    for name, part in model.named_children():
        if name == 'backbone':
            for inner, module in part.named_children():
                note(f'backbone.{inner}', module)
        if isinstance(part, nn.ModuleList):
            for i, module in enumerate(part):
                note(f'{name}[{i}]', module)
        else:
            note(name, part)
    try:
        yield stairs
    finally:
        for handle in handles:
            handle.remove()


def _output_shapes(output: Any) -> dict:
    if isinstance(output, Tensor):
        return {'': shape_of(output)}
    if isinstance(output, dict):
        return {key: shape_of(value) for key, value in output.items() if isinstance(value, Tensor)}
    if isinstance(output, (tuple, list)):
        return {str(i): shape_of(value) for i, value in enumerate(output) if isinstance(value, Tensor)}
    return {}
