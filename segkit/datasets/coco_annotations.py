"""Reading COCO's instances_<split>.json, checked; no registered class lives here."""
import json
import os
import os.path as osp
from collections import Counter
from typing import Any

import numpy as np

from segkit.datasets.coco_masks import CATEGORIES, LABEL_OF_CATEGORY, Instance, Photo
from segkit.datasets.image_header import MAX_PIXELS
from segkit.datasets.listing import require_folder, shorten
from segkit.errors import DataError

EXPECTED = 'Expected an instances_<split>.json of COCO, with images, annotations (segmentation, area) and categories'


def require_instances_file(path: str) -> None:
    """Raise a DataError that says what there is instead, unless the file exists."""
    if not osp.isfile(path):
        folder = osp.dirname(path) or '.'
        require_folder(folder, 'ann_file')
        there = sorted(name for name in os.listdir(folder) if name.endswith('.json'))
        raise DataError(f'The instances file does not exist: {path} (dataset key ann_file).\n'
                        f'Files in that folder: {shorten(there) if there else "no .json"}.\n'
                        "COCO's annotations_trainval2017.zip has instances_train2017.json and instances_val2017.json.")


def read_instances(path: str) -> list[Photo]:
    """Read all photos of an instances file, each with its instances of VOC's 20 categories.

    Photos and instances keep the file's order, which is that of pycocotools' ``COCO(path).imgToAnns``. While the text
    is parsed, each annotation is cut down to what is needed: 2.3 bytes of memory a byte of the file instead of 5.7.

    Args:
        path: The file.

    Raises:
        DataError: If it is not such a file, is damaged, or an annotation belongs to no image or category of it. The
            shapes of the instances are looked at when they are painted.
    """
    content = _parse(path)
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list)
                                                for key in ('images', 'annotations', 'categories')):
        held = ', '.join(list(content)[:6]) if isinstance(content, dict) else type(content).__name__
        raise DataError(f'{path} holds {held or "nothing"}.\n{EXPECTED}.')
    _check_categories(content['categories'], path)
    known = {category['id'] for category in content['categories']}
    photos = _photos(content['images'], path)
    seen: set[int] = set()
    for one in content['annotations']:
        if type(one) is not tuple:
            lacks = 'has no segmentation' if isinstance(one, dict) else f'is {one!r:.40}'
            name = one.get('id') if isinstance(one, dict) else 'one'
            raise DataError(f'{path}: annotation {name} {lacks}.\n{EXPECTED}; captions, keypoints alone and panoptic '
                            'files have none.')
        image, category, number, area, shape = one
        if image not in photos or category not in known:
            what = f'category {category}' if image in photos else f'image {image}'
            raise DataError(f'{path}: annotation {number} is of {what}, which the file does not list.\n'
                            'Download the file again, or correct the program that wrote it.')
        if number in seen:
            raise DataError(f'{path}: two annotations have the id {number}.\nGive each an id of its own.')
        seen.add(number)
        label = LABEL_OF_CATEGORY.get(category)
        if label is not None:
            if isinstance(area, bool) or not isinstance(area, (int, float)):
                raise DataError(f'{path}: annotation {number} has the area {area!r}.\nExpected pixels, a number.')
            photos[image].instances.append(Instance(number, label, float(area), shape))
    return list(photos.values())


def _parse(path: str) -> Any:
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file, object_hook=_cut_down)
    except (ValueError, RecursionError) as error:  # no JSON, or no text
        raise DataError(f'{path} is no JSON file, or was cut short: {error}.\nDownload it again.') from error


def _cut_down(node: dict) -> Any:
    """An annotation as (image, category, id, area, shape), its polygons as arrays; any other dict as it is."""
    if 'segmentation' not in node or 'category_id' not in node:
        return node
    shape = node['segmentation']
    image, category, number = (value if isinstance(value := node.get(key), int) else repr(value)
                               for key in ('image_id', 'category_id', 'id'))
    if category not in LABEL_OF_CATEGORY:
        shape = None
    elif isinstance(shape, list):
        try:
            shape = [np.array(polygon, np.float64) for polygon in shape]
        except (TypeError, ValueError):  # said where it is painted
            pass
    return image, category, number, node.get('area'), shape


def _check_categories(categories: list, path: str) -> None:
    if not all(isinstance(category, dict) and isinstance(category.get('id'), int) for category in categories):
        raise DataError(f'{path} has a category without a number as its id.\n{EXPECTED}.')
    names = {category['id']: category.get('name') for category in categories if category['id'] in CATEGORIES}
    wrong = next((number for number, name in names.items() if name != CATEGORIES[number]), None)
    if wrong is not None:
        raise DataError(f"{path} calls category {wrong} '{names[wrong]}'; COCO's category {wrong} is "
                        f"'{CATEGORIES[wrong]}'.\nOnly files with COCO's own numbers can be read as VOC's classes.")
    if not names:
        raise DataError(f"{path} has none of the 20 categories that are VOC's classes, such as 1 (person).\n"
                        f'{EXPECTED}.')


def _photos(images: list, path: str) -> dict[int, Photo]:
    photos: dict[int, Photo] = {}
    for image in images:
        given = [image.get(key) for key in ('id', 'file_name', 'height', 'width')] if isinstance(image, dict) else []
        if [type(value) for value in given] != [int, str, int, int] or min(given[2:]) < 1 or (
                given[2] * given[3] > MAX_PIXELS):
            raise DataError(f'{path} has an image {image!r:.100}.\nExpected id, file_name, height and width.')
        photo = Photo(*given, [])
        if photo.id in photos:
            raise DataError(f'{path}: two images have the id {photo.id}.\nGive each an id of its own.')
        photos[photo.id] = photo
    name, count = Counter(photo.file_name for photo in photos.values()).most_common(1)[0] if photos else ('', 0)
    if count != 1:
        raise DataError(f"{path}: {count} images have the file name '{name}'.\nGive each a file of its own." if count
                        else f'{path} lists no image.\n{EXPECTED}.')
    return photos
