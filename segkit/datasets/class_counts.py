"""How many pixels of each class the masks of a training set have."""
import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Optional

import numpy as np
from mmengine.registry import FUNCTIONS

from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.check import find_transform
from segkit.datasets.leaves import leaves
from segkit.datasets.listing import is_local
from segkit.datasets.packed_storage import content_key, is_packed
from segkit.errors import ConfigError, DataError
from segkit.registry import TRANSFORMS

THREADS = 4  # decoding a mask and counting in it leave Python's lock free
AT_ONCE = 64  # masks between two reports


@FUNCTIONS.register_module()
def count_classes(dataset: Any, report: Callable[[int, int], None]) -> dict:
    """Count the pixels of each class in all masks, whole and as they are stored, after ``label_map``.

    Void pixels count nowhere. A dataset that is joined with itself counts as often; how often a wrapper or a sampler
    repeats single samples does not. Samples that ``bad_samples`` allows to skip are left out.

    Args:
        dataset: A dataset of this package, or a wrapper around some.
        report: Called with the number of masks that are done and of all, now and then.

    Returns:
        ``classes``, the names; ``pixels`` of each class; ``around``, the valid pixels of the images that have the
        class; ``masks``, how many were read. Plain numbers in lists.

    Raises:
        ConfigError: If the dataset has no masks, or is none of this package.
        DataError: If a mask cannot be read.
    """
    parts = _labelled(dataset)
    total, done = sum(len(part) for part in parts), 0
    pixels = np.zeros((2, parts[0].num_classes), np.int64)
    masks = 0
    report(0, total)
    with ThreadPoolExecutor(THREADS) as pool:
        for part in parts:
            count = partial(_count, part, _loader(part))
            for start in range(0, len(part), AT_ONCE):
                indices = range(start, min(start + AT_ONCE, len(part)))
                for found in pool.map(count, indices):
                    if found is not None:
                        masks += 1
                        pixels[0] += found
                        pixels[1] += found.sum() * (found > 0)
                done += len(indices)
                report(done, total)
    return dict(classes=list(parts[0].metainfo['classes']), pixels=pixels[0].tolist(), around=pixels[1].tolist(),
                masks=masks)


@FUNCTIONS.register_module()
def class_counts_key(dataset: Any) -> Optional[str]:
    """What :func:`count_classes` depends on, as a hash: classes, how masks are read, their names, sizes and times.

    Args:
        dataset: As there.

    Returns:
        64 hexadecimal digits; None where a file is not on a local disk, since its time is not known.

    Raises:
        ConfigError: As there.
    """
    digest = hashlib.sha256()
    for part in _labelled(dataset):
        facts = [part.metainfo['classes'], sorted((part.label_map or {}).items()), part.reduce_zero_label,
                 part.ignore_index, str(part.bad_samples), repr(_loader(part)),
                 sorted((getattr(_loader(part), 'color_map', None) or {}).items())]
        digest.update(json.dumps(facts).encode())
        for index in range(len(part)):
            path = part.get_data_info(index)['seg_map_path']
            if is_packed(path):
                digest.update(json.dumps([path, *content_key(path)]).encode())
                continue
            if not is_local(path, part.backend_args):
                return None
            try:
                state = os.stat(path)
                size_and_time = (state.st_size, state.st_mtime_ns)
            except OSError:  # counting it says so, or leaves it out
                size_and_time = (-1, -1)
            digest.update(json.dumps([os.path.abspath(path), *size_and_time]).encode())
    return digest.hexdigest()


def _labelled(dataset: Any) -> list[BaseSegDataset]:
    parts = list(leaves(dataset))
    if not parts or not all(part.wants_labels for part in parts):
        what = 'loads no masks' if parts else f'is a {type(dataset).__name__}, whose masks segkit cannot find'
        raise ConfigError(f'train_dataloader.dataset {what}, so no class weights can be counted from it.\nGive the '
                          'numbers: class_weight=[...], one for each class.')
    for part in parts:
        part.full_init()
    return parts


def _loader(part: BaseSegDataset) -> Callable[[dict], dict]:
    return find_transform(part.pipeline, 'LoadAnnotations') or TRANSFORMS.build(dict(type='LoadAnnotations'))


def _count(part: BaseSegDataset, load: Callable[[dict], dict], index: int) -> Optional[np.ndarray]:
    """The pixels of each class in one mask, (K,); None where it is to be skipped."""
    try:
        mask = load(part.get_data_info(index))['gt_seg_map']
    except DataError:
        if not part.bad_samples.skips:
            raise
        return None
    counts = np.bincount(mask.ravel(), minlength=part.num_classes)[:part.num_classes]
    if 0 <= part.ignore_index < part.num_classes:
        counts[part.ignore_index] = 0
    return counts
