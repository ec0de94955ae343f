"""COCO's instances of one photo, painted into one map of VOC's classes; no registered class lives here."""
from typing import Any, NamedTuple, Union

import cv2
import numpy as np
from pycocotools import mask as rle_tools

from segkit.errors import DataError

# COCO's number and name of each of VOC's classes, in VOC's order.
CATEGORIES = {5: 'airplane', 2: 'bicycle', 16: 'bird', 9: 'boat', 44: 'bottle', 6: 'bus', 3: 'car', 17: 'cat',
              62: 'chair', 21: 'cow', 67: 'dining table', 18: 'dog', 19: 'horse', 4: 'motorcycle', 1: 'person',
              64: 'potted plant', 20: 'sheep', 63: 'couch', 7: 'train', 72: 'tv'}
LABEL_OF_CATEGORY = {category: label for label, category in enumerate(CATEGORIES, start=1)}
RULES = ('gluoncv', 'torchvision')
VOID = 255
_FARTHEST = 100_000  # pixels; pycocotools walks along a polygon pixel by pixel


class Instance(NamedTuple):
    """An annotation of one of the 20 categories: its id, VOC label, area as the file states it, and its shape.

    ``shape`` is a list of polygons (x, y, x, y, ...) or a run-length dict with 'counts' and 'size'.
    """

    id: int
    label: int
    area: float
    shape: Union[list, dict]


class Photo(NamedTuple):
    """An image of an instances file, with its annotations in the file's order."""

    id: int
    file_name: str
    height: int
    width: int
    instances: list[Instance]


def render_labels(photo: Photo, rule: str) -> np.ndarray:
    """Paint the instances of a photo, one after the other.

    Reference:
        'gluoncv' is GluonCV's ``data/mscoco/segmentation.py``: an instance paints only where nothing is painted, so
        the earlier one wins. 'torchvision' is torchvision's ``references/segmentation/coco_utils.py``: pixels of two
        or more instances become 255, of equal classes too.

    Args:
        photo: The photo; instances of other categories are not among its own.
        rule: 'gluoncv' or 'torchvision'.

    Returns:
        (H, W) uint8: 0 background, 1 to 20, and for 'torchvision' 255.

    Raises:
        DataError: If an instance has no usable shape; it names the annotation and the photo.
    """
    columns = np.zeros((photo.width, photo.height), np.uint8)  # run lengths go down the columns
    pixels = columns.reshape(-1)
    for instance in photo.instances:
        try:
            begin, inside = _painted(instance.shape, photo.height, photo.width)
        except Exception as error:  # damaged numbers make pycocotools raise anything
            reason = ' '.join(str(error).split()).rstrip('.')[:200] or type(error).__name__
            raise DataError(f'annotation {instance.id} of image {photo.id} ({photo.file_name}, {photo.width}x'
                            f'{photo.height}) has a damaged segmentation: {reason}.') from error
        here = pixels[begin:begin + len(inside)]
        free = here == 0
        if rule == 'torchvision':
            here[inside & ~free] = VOID
        here[inside & free] = instance.label
    return cv2.transpose(columns)


def _painted(shape: Any, height: int, width: int) -> tuple[int, np.ndarray]:
    """The first pixel of a shape, counted down the columns, and whether each from there to the last one is its own.

    Raises:
        ValueError: Also for what pycocotools would not notice, or crash at.
    """
    counts = _run_lengths(shape, height, width)
    if (counts < 0).any() or counts.sum() != height * width:
        raise ValueError(f'its run lengths add up to {counts.sum()} pixels instead of {height * width}')
    inner = counts[1:len(counts) // 2 * 2]  # from the first run that is the shape's to the last
    return int(counts[0]), np.repeat(np.arange(len(inner)) % 2 == 0, inner)


def _run_lengths(shape: Any, height: int, width: int) -> np.ndarray:
    """How many pixels down the columns are not the shape's, then are, are not, ..."""
    if isinstance(shape, dict):
        counts, size = shape.get('counts'), shape.get('size')
        if size != [height, width]:
            raise ValueError(f'its run lengths are for (height, width) = {size}, the image has {[height, width]}')
        if isinstance(counts, (str, bytes)):
            return _decompressed(counts.encode() if isinstance(counts, str) else counts)
        counts = np.array(counts)
        if counts.ndim != 1 or counts.dtype.kind != 'i':
            raise ValueError('its run lengths are not counts of pixels')
        return counts
    if not isinstance(shape, list) or not shape:
        raise ValueError('it is neither a list of polygons nor run lengths')
    polygons = [np.asarray(polygon, np.float64) for polygon in shape]
    if any(polygon.ndim != 1 or not (abs(polygon) < _FARTHEST).all() for polygon in polygons) or len(polygons[0]) < 5:
        raise ValueError('a polygon is a list of x, y, x, y, ... of at least three points, in pixels')
    return _decompressed(rle_tools.merge(rle_tools.frPyObjects(polygons, height, width))['counts'])


def _decompressed(text: bytes) -> np.ndarray:
    """The numbers in COCO's compressed run lengths.

    Each is told in letters of five bits, lowest first; from the fourth on, as the difference to the one two before.
    pycocotools' own reader goes beyond the end of a text that breaks off, and takes ten times as long with its mask.
    """
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise ValueError('its compressed run lengths are cut short or hold letters that are none of theirs')
    ends = np.flatnonzero(codes < 32)
    starts = np.concatenate([[0], ends[:-1] + 1])
    letters = ends - starts + 1
    if letters.max() > 7:  # of 32 bits
        raise ValueError('its compressed run lengths hold too large a number')
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, letters))
    counts = np.add.reduceat((codes & 31) << shifts, starts) - (((codes[ends] & 16) << 1) << shifts[ends])
    counts[1::2] = counts[1::2].cumsum()
    counts[2::2] = counts[2::2].cumsum()
    return counts
