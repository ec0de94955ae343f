"""A few tiny generated photos with annotations as COCO's instances_<split>.json has them."""
import json
import os
import os.path as osp
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image

from segkit.datasets.coco_masks import CATEGORIES, LABEL_OF_CATEGORY
from segkit.palette import color_map

SMALLEST = 48  # pixels of a side: COCOVOCDataset keeps no photo with 1,000 labelled pixels or less
CELL = 8
OTHER = {88: 'teddy bear'}  # a category that is none of VOC's


def write_mini_coco(ann_file: str, img_dir: str, names: Sequence[str], first: int, size: tuple[int, int]) -> None:
    """Write photos of coloured squares, and an instance for each square that is not background.

    Shapes are polygons, crowd run lengths (compressed and not) and a category that is none of VOC's.

    Args:
        ann_file: The JSON file to write.
        img_dir: Folder of the photos.
        names: Of the photos, without suffix.
        first: The number of the first one; it decides what is drawn, and which are upright.
        size: (h, w) in pixels, each raised to 48 at least.
    """
    h, w = (max(side, SMALLEST) for side in size)
    images, annotations = [], []
    os.makedirs(img_dir, exist_ok=True)
    for n, name in enumerate(names, start=first):
        height, width = (h, w) if n % 2 else (w, h)
        rng = np.random.RandomState(n)
        photo = rng.randint(0, 128, (height, width, 3))
        images.append(dict(id=n, file_name=f'{name}.jpg', height=height, width=width))
        categories = [*CATEGORIES, *OTHER, 0]  # 0: nothing there
        cells = np.resize(rng.permutation(categories), (height // CELL, width // CELL))
        for row, column in np.ndindex(cells.shape):
            category = int(cells[row, column])
            if not category:
                continue
            square = np.zeros((height, width), np.uint8)
            square[row * CELL:(row + 1) * CELL, column * CELL:(column + 1) * CELL] = 1
            photo[square > 0] += np.array(color_map(21)[LABEL_OF_CATEGORY.get(category, 0)]) // 2
            number = len(annotations) + 1
            kind = number % 9
            shape = _runs(square, compressed=kind == 0) if kind < 2 else _polygon(square)
            annotations.append(dict(id=number, image_id=n, category_id=category, iscrowd=int(kind < 2),
                                    area=int(square.sum()), segmentation=shape, bbox=list(cv2.boundingRect(square))))
        Image.fromarray(photo.astype(np.uint8)).save(osp.join(img_dir, f'{name}.jpg'))
    named = {**CATEGORIES, **OTHER}
    os.makedirs(osp.dirname(ann_file), exist_ok=True)
    with open(ann_file, 'w', encoding='utf-8') as file:
        json.dump(dict(images=images, annotations=annotations,
                       categories=[dict(id=number, name=name) for number, name in named.items()]), file)


def _polygon(mask: np.ndarray) -> list[list[float]]:
    """The outline of a box in a mask, as corners of pixels."""
    x, y, w, h = cv2.boundingRect(mask)
    return [[float(v) for v in (x, y, x + w, y, x + w, y + h, x, y + h)]]


def _runs(mask: np.ndarray, compressed: bool) -> dict[str, Any]:
    """COCO's run lengths of a mask, down its columns."""
    if compressed:
        from pycocotools import mask as rle_tools
        runs = rle_tools.encode(np.asfortranarray(mask))
        return dict(size=list(mask.shape), counts=runs['counts'].decode())
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return dict(size=list(mask.shape), counts=[0, *counts] if flat[0] else counts)
