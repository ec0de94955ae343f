"""The datasets inside wrappers, and what holds for all of them."""
from collections.abc import Collection, Iterator
from typing import Any, Optional

from mmengine.registry import FUNCTIONS

from segkit.datasets.base_seg_dataset import BaseSegDataset


@FUNCTIONS.register_module()
def leaves(dataset: Any) -> Iterator[BaseSegDataset]:
    """The datasets of this package inside any wrappers (ConcatDataset, RepeatDataset, SeededDataset, ...)."""
    if isinstance(dataset, BaseSegDataset):
        yield dataset
        return
    inside = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None) or
                                                    getattr(dataset, '_dataset', None)]
    for one in inside:
        if one is not None:
            yield from leaves(one)


@FUNCTIONS.register_module()
def bad_sample_limit(dataset: Any) -> Optional[int]:
    """How many files may be skipped, the limits of joined datasets added up; None where none of them skips any.

    A dataset that is joined with itself counts once.
    """
    limits: dict = {}
    for leaf in _skipping(dataset):
        ends = [leaf.get_data_info(i).get('img_path') for i in (0, -1)] if len(leaf) else []
        key, limit = (len(leaf), *ends), leaf.bad_samples.most(len(leaf))
        limits[key] = min(limit, limits.get(key, limit))
    return sum(limits.values()) if limits else None


@FUNCTIONS.register_module()
def beyond_own_limit(dataset: Any, files: Collection[str]) -> Optional[tuple[list[str], int]]:
    """The first of several joined datasets to which more of ``files`` belong than it may skip: these, and its limit.

    Each file counts once in each dataset that reads it. Paths are compared only where a limit could be exceeded.
    """
    joined = list(_skipping(dataset))
    for leaf in joined if len(joined) > 1 else ():
        limit = leaf.bad_samples.most(len(leaf))
        if len(files) > limit:
            infos = (leaf.get_data_info(i) for i in range(len(leaf)))
            there = {info.get(key) for info in infos for key in ('img_path', 'seg_map_path')}
            own = [file for file in files if file in there]
            if len(own) > limit:
                return own, limit
    return None


def _skipping(dataset: Any) -> Iterator[BaseSegDataset]:
    return (leaf for leaf in leaves(dataset) if leaf.bad_samples.skips)
