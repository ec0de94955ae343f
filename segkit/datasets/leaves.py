"""The datasets inside wrappers, and what holds for all of them."""
from collections.abc import Iterator
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
    """How many files may be skipped, the limits of joined datasets added up; None where none of them skips any."""
    limits = [leaf.bad_samples.most(len(leaf)) for leaf in leaves(dataset) if leaf.bad_samples.skips]
    return sum(limits) if limits else None
