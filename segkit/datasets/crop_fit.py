"""How much of the crops of a training is padding; no registered class lives here."""
from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np

from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.seeded_dataset import own_random_state
from segkit.datasets.transforms.crop import RandomCrop
from segkit.datasets.transforms.loading import LoadAnnotations, LoadImageFromFile

SIZES, DRAWS = 16, 8  # photos that stand for all, and how often the pipeline is drawn for each


class CropFit(NamedTuple):
    """The crop (h, w), and the mean share of it, 0 to 1, that no photo covers."""

    crop: tuple[int, int]
    padding: float


def crop_fit(dataset: BaseSegDataset, sizes: Sequence[tuple[int, int]]) -> Optional[CropFit]:
    """Run the transforms before the crop on empty photos of real sizes, and see what the crop gets.

    Args:
        dataset: Its pipeline is run as far as its RandomCrop.
        sizes: (h, w) of its photos; some of them are taken, spread evenly over the sorted ones.

    Returns:
        None where the pipeline has no RandomCrop, or a transform before it that needs more than a photo and labels.
    """
    steps = list(getattr(dataset.pipeline, 'transforms', ()))
    place = next((i for i, step in enumerate(steps) if isinstance(step, RandomCrop)), None)
    if place is None or not len(sizes):
        return None
    before = [step for step in steps[:place] if not isinstance(step, (LoadImageFromFile, LoadAnnotations))]
    crop, covered = steps[place].crop_size, []
    ordered = sorted(map(tuple, sizes))
    chosen = [ordered[i] for i in np.linspace(0, len(ordered) - 1, min(SIZES, len(ordered))).astype(int)]
    with own_random_state(keep=True):
        np.random.seed(0)
        for size in chosen:
            for _ in range(DRAWS):
                try:
                    height, width = _run(before, size)
                except Exception:  # a transform of the user's may need what only a real sample has
                    return None
                covered.append(min(height, crop[0]) * min(width, crop[1]) / (crop[0] * crop[1]))
    return CropFit(tuple(crop), 1 - float(np.mean(covered)))


def _run(steps: Sequence, size: tuple[int, int]) -> tuple[int, int]:
    results = dict(img=np.zeros((*size, 3), np.uint8), img_shape=size, ori_shape=size, seg_fields=['gt_seg_map'],
                   gt_seg_map=np.zeros(size, np.uint8), ignore_index=255)
    for step in steps:
        results = step(results)
    return results['img'].shape[:2]
