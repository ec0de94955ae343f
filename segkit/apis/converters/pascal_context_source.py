"""The two forms in which PASCAL Context's annotations come: one JSON file of run lengths, or a .mat file a photo.

The classes are the 59 that occur often, of 459; their numbers are those of the authors' labels.txt, in the order of
:class:`~segkit.datasets.pascal_context_dataset.PascalContextDataset`, which is the alphabet's.
"""
import json
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as rle_tools

from segkit.apis.converters.mat_file import read_mat
from segkit.apis.converters.steps import map_labels
from segkit.datasets.image_header import MAX_PIXELS
from segkit.datasets.transforms.image_file import read_bytes
from segkit.errors import DataError

NUMBERS = (2, 9, 18, 19, 22, 23, 25, 31, 33, 34, 44, 45, 46, 59, 65, 68, 72, 80, 85, 98, 104, 105, 113, 115, 144, 158,
           159, 162, 187, 189, 207, 220, 232, 258, 259, 260, 284, 295, 296, 308, 324, 326, 347, 349, 354, 355, 360, 366,
           368, 397, 415, 416, 420, 424, 427, 440, 445, 454, 458)
_MERGED = np.full(460, -1)  # the JSON file names no other number
_MERGED[[0, *NUMBERS]] = np.arange(60)
_ALL = np.where(_MERGED < 0, 0, _MERGED)  # the other 400 are background


class Drawn(NamedTuple):
    """A photo of the JSON file: its objects, (number, run lengths), in the file's order."""

    file: str
    name: str
    height: int
    width: int
    objects: list[tuple[int, dict]]


def read_json(path: str) -> dict[str, list[Drawn]]:
    """Read trainval_merged.json: the photos of the splits 'train' and 'val'.

    While the text is parsed, all that is not needed is dropped: the file has boundaries, parts and joints, too.

    Raises:
        DataError: If it is another file, or an object is of a photo that it does not list.
    """
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file, object_hook=_cut_down)
    except OSError as error:
        raise DataError(f'{path} cannot be read: {error.strerror}.\nName trainval_merged.json, or let '
                        '--download fetch it to that place.') from error
    except (ValueError, RecursionError) as error:
        raise DataError(f'{path} is no JSON file, or was cut short: {error}.\nFetch it again.') from error
    if not isinstance(content, dict):
        raise DataError(f'{path} has no images and annos_segmentation.\nExpected trainval_merged.json of PASCAL in '
                        'Detail.')
    photos, splits = {}, dict(train=[], val=[])
    for image in content['images']:
        try:
            drawn = Drawn(path, str(image['file_name']).removesuffix('.jpg'), image['height'], image['width'], [])
            if not 0 < drawn.height * drawn.width <= MAX_PIXELS:
                raise ValueError
            photos[image['image_id']] = drawn
            splits.setdefault(image['phase'], []).append(drawn)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f'{path} has an image {image!r:.100}.\nExpected file_name, image_id, height, width and '
                            'phase.') from error
    for one in content['annos_segmentation']:
        if type(one) is not tuple or one[0] not in photos:
            raise DataError(f'{path} has an object {one!r:.100} of no image that it lists.\nFetch it again.')
        photos[one[0]].objects.append(one[1:])
    return {split: splits[split] for split in ('train', 'val')}


def _cut_down(node: dict) -> Any:
    """Run lengths, photos and the file itself as they are; an object as (image, number, run lengths); else None."""
    if 'annos_segmentation' in node and 'images' in node:
        return dict(images=node['images'], annos_segmentation=node['annos_segmentation'])
    if 'segmentation' in node and 'category_id' in node:
        return node.get('image_id'), node['category_id'], node['segmentation']
    return node if 'counts' in node or 'phase' in node else None


def paint(photo: Drawn) -> np.ndarray:
    """Paint the objects of a photo, each over those before it: (H, W) uint8, 0 background, 1 to 59."""
    labels = np.zeros((photo.height, photo.width), np.int32)
    where = f'{photo.file}, photo {photo.name},'
    for number, runs in photo.objects:
        try:
            if tuple(runs['size']) != labels.shape:
                raise ValueError(f'{runs["size"]}')
            inside = rle_tools.decode(runs) > 0
            labels[inside] = number
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f'{where} has an object of class {number} that cannot be painted ({error}); expected run '
                            f'lengths of {photo.height}x{photo.width} pixels.') from error
    return map_labels(labels, _MERGED, where, "the classes are PASCAL Context's 59")


def size_only(photo: Drawn) -> np.ndarray:
    """An array of the photo's size, for whoever looks at nothing else."""
    return np.broadcast_to(np.uint8(0), (photo.height, photo.width))


def read_label_map(path: str) -> np.ndarray:
    """The labels of one of the authors' .mat files: (H, W) uint8, 0 background (with 400 rare classes), 1 to 59."""
    return map_labels(read_mat(read_bytes(path), path, 'LabelMap'), _ALL, path, "PASCAL Context's labels are 0 to 459")
