"""Where a dataset's samples lie and how they are read, for programs that read them again."""
import os
from collections.abc import Iterator
from typing import Any, Optional

from mmengine.registry import FUNCTIONS

from segkit.datasets import coco_mask_storage, packed_storage
from segkit.datasets.leaves import leaves
from segkit.datasets.transforms.loading import LoadAnnotations, LoadImageFromFile

LOCAL_SCHEMES = (packed_storage.SCHEME, coco_mask_storage.SCHEME)  # what follows them begins with a path


@FUNCTIONS.register_module()
def sample_files(dataset: Any) -> tuple[list[dict], list[dict]]:
    """The files of each sample of a dataset and of those joined in it, in words that JSON keeps.

    Args:
        dataset: Any dataset; what is none of this package's has no part in it.

    Returns:
        Ways of reading, one for each joined dataset: ``image`` (color_type and imdecode_backend of LoadImageFromFile)
        and ``labels`` (imdecode_backend and color_map of LoadAnnotations; reduce_zero_label, label_map and
        ignore_index of the dataset; maps as pairs). And for each sample ``img_path``, ``seg_map_path`` (None where no
        LoadAnnotations reads it, so that nobody knows how it becomes labels) and ``way``, the number of its way.
        Local paths are absolute.
    """
    ways: list[dict] = []
    samples: list[dict] = []
    for leaf in leaves(dataset):
        steps = list(_steps(leaf.pipeline.transforms))
        image = next((step for step in steps if type(step) is LoadImageFromFile), LoadImageFromFile())
        labels = next((step for step in steps if type(step) is LoadAnnotations), None)
        for i in range(len(leaf)):
            info = leaf.get_data_info(i)
            mask = info.get('seg_map_path') if labels is not None else None
            samples.append(dict(img_path=_absolute(info['img_path']), seg_map_path=mask and _absolute(mask),
                                way=len(ways)))
        labels = labels or LoadAnnotations()
        ways.append(dict(
            image=dict(color_type=image.color_type, imdecode_backend=image.imdecode_backend),
            labels=dict(imdecode_backend=labels.imdecode_backend, color_map=_pairs(labels.color_map),
                        reduce_zero_label=leaf.reduce_zero_label, label_map=_pairs(leaf.label_map),
                        ignore_index=leaf.ignore_index)))
    return ways, samples


def _steps(steps: Any) -> Iterator[Any]:
    """Transforms, and those that they apply (TestTimeAug's versions, for example)."""
    if isinstance(steps, (list, tuple)):
        for step in steps:
            yield from _steps(step)
        return
    yield steps
    for key in ('transforms', 'versions'):
        yield from _steps(getattr(steps, key, ()))


def _pairs(mapping: Optional[dict]) -> list[list]:
    """[key, value] of each entry."""
    return [[list(map(int, key)) if isinstance(key, tuple) else int(key), int(value)]
            for key, value in (mapping or {}).items()]


def _absolute(path: str) -> str:
    scheme, _, rest = path.rpartition('://')
    if scheme and scheme not in LOCAL_SCHEMES:
        return path
    return path[:-len(rest)] + os.path.join(os.getcwd(), rest)
