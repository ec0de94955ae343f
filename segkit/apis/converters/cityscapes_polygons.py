"""Painting Cityscapes' polygons.

Reference: the label table and the rules are those of cityscapesScripts (helpers/labels.py,
preparation/json2labelImg.py): objects are painted in the file's order, so that later ones cover earlier ones.
"""
import json
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from segkit.datasets.cityscapes_dataset import EVALUATED_IDS
from segkit.datasets.image_header import MAX_PIXELS
from segkit.datasets.transforms.image_file import read_bytes
from segkit.errors import DataError

# The names of the label ids 0 to 33.
NAMES = (
    'unlabeled', 'ego vehicle', 'rectification border', 'out of roi', 'static', 'dynamic', 'ground', 'road', 'sidewalk',
    'parking', 'rail track', 'building', 'wall', 'fence', 'guard rail', 'bridge', 'tunnel', 'pole', 'polegroup',
    'traffic light', 'traffic sign', 'vegetation', 'terrain', 'sky', 'person', 'rider', 'car', 'truck', 'bus',
    'caravan', 'trailer', 'train', 'motorcycle', 'bicycle')
NOT_PAINTED = 'license plate'  # its id is -1: what lies below stays
VOID = 255
# Label id -> train id.
TRAIN_IDS = np.array([EVALUATED_IDS.index(i) if i in EVALUATED_IDS else VOID for i in range(len(NAMES))])
_OF_NAME = {name: int(label) for name, label in zip(NAMES, TRAIN_IDS)}


def paint_polygons(path: str) -> np.ndarray:
    """Paint the train ids of a ``*_polygons.json``.

    Returns:
        (H, W) uint8: 0 to 18, void 255.

    Raises:
        DataError: If it is no such file, or names a label that Cityscapes does not have.
    """
    try:
        content = json.loads(read_bytes(path))
        width, height, objects = (content[key] for key in ('imgWidth', 'imgHeight', 'objects'))
        if not 0 < width * height <= MAX_PIXELS:
            raise ValueError(f'{width}x{height} pixels')
        image = Image.new('L', (width, height), VOID)
        draw = ImageDraw.Draw(image)
        for one in objects:
            label = None if one.get('deleted') else _label_of(one['label'], path)
            if label is not None:
                draw.polygon([(x, y) for x, y in one['polygon']], fill=label)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f'{path} is no file of polygons, or was cut short ({type(error).__name__}: {error}).\n'
                        "Expected imgWidth, imgHeight and objects of label and polygon, as Cityscapes' gtFine has "
                        'them.') from error
    return np.array(image)


def _label_of(name: Any, path: str) -> Any:
    """The train id that is painted for an object; None if nothing is."""
    if name not in _OF_NAME and name != NOT_PAINTED:
        name = name.removesuffix('group')  # several of them, as 'cargroup'
    if name == NOT_PAINTED:
        return None
    if name not in _OF_NAME:
        raise DataError(f"{path} has an object '{name}', which is no label of Cityscapes.")
    return _OF_NAME[name]
