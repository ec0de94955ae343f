"""Mapping and checking the values of a label map; no registered class lives here."""
from typing import Optional

import cv2
import numpy as np

from segkit.errors import DataError

PADDING = 255  # what MMSegmentation's reduce_zero_label turns 0 into, and what padding adds
MANY_VALUES = 64  # more distinct wrong values than this are a photo, not a mask


def apply_color_map(rgb: np.ndarray, color_map: Optional[dict], path: str) -> np.ndarray:
    """Translate an RGB mask into labels.

    Args:
        rgb: (H, W, 3) uint8.
        color_map: ``{(r, g, b): id}``, or None if nobody gave one.
        path: For error messages.

    Returns:
        (H, W) uint8, or int32 if an id is above 255.

    Raises:
        DataError: If there is no colour map, or a colour is not in it.
    """
    codes = (rgb.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32))
    if not color_map:
        colors = len(np.unique(codes))
        what = (f'{colors} colours, so it looks like a photo: check data_prefix.seg_map_path and seg_map_suffix.'
                if colors > 4 * MANY_VALUES else
                f'{colors} colours: give LoadAnnotations color_map={{(r, g, b): id, ...}},\n'
                'or save it as palette or grey PNG.')
        raise DataError(f"'{path}' is an RGB image; a mask with one class index per pixel was expected.\nIt has {what}")
    known = np.array([(r << 16) | (g << 8) | b for r, g, b in color_map], np.int32)
    ids = np.array(list(color_map.values()))
    order = known.argsort()
    known, ids = known[order], ids[order]
    place = np.minimum(known.searchsorted(codes), len(known) - 1)
    unknown = known[place] != codes
    if unknown.any():
        values, counts = np.unique(codes[unknown], return_counts=True)
        first = values[counts.argmax()]
        raise DataError(f"'{path}' has {unknown.sum()} pixels of {len(values)} colours that color_map does not name,\n"
                        f'most often (r, g, b) = {(int(first >> 16), int(first >> 8 & 255), int(first & 255))}.\n'
                        'Add them to color_map (to 255 if they mean "ignore").')
    return ids.astype(np.uint8 if ids.max() <= 255 else np.int32)[place]


def drop_zero_label(mask: np.ndarray) -> np.ndarray:
    """Turn 0 into 255 and move the other labels of (H, W) down by one; 255 stays."""
    return np.where((mask == 0) | (mask == PADDING), PADDING, mask - 1).astype(mask.dtype)


def apply_label_map(mask: np.ndarray, label_map: dict[int, int]) -> np.ndarray:
    """Replace each old label of (H, W) by its new one; a new label is never replaced again."""
    size = max(256, int(mask.max()) + 1, max(label_map) + 1)
    table = np.arange(size)
    for old, new in label_map.items():
        table[old] = new
    if mask.dtype == np.uint8 and table[:256].max() <= 255:
        return cv2.LUT(mask, table[:256].astype(np.uint8))
    return table.astype(np.int32)[mask]


def check_labels(mask: np.ndarray, results: dict) -> None:
    """Refuse a label map (H, W) with values other than 0..num_classes-1 and the ignore index.

    Args:
        mask: (H, W) integers.
        results: ``num_classes`` and ``seg_map_path``; ``ignore_index`` (255 if absent).

    Raises:
        DataError: It names the file, the values and the number of pixels.
    """
    num_classes, ignore_index = results['num_classes'], results.get('ignore_index', PADDING)
    if mask.dtype == np.uint8 and ignore_index == PADDING:
        # uint8 255 + 1 wraps to 0, so one maximum answers for both ranges
        in_range = int((mask + np.uint8(1)).max()) <= num_classes
    else:
        in_range = bool(((mask < num_classes) & (mask >= 0) | (mask == ignore_index)).all())
    if in_range:
        return
    values, counts = np.unique(mask, return_counts=True)
    path = results['seg_map_path']
    wrong = ((values >= num_classes) | (values < 0)) & (values != ignore_index)
    values, counts = values[wrong], counts[wrong]
    shown = ', '.join(f'{v} ({n} pixels)' for v, n in zip(values[:6].tolist(), counts[:6].tolist()))
    if len(values) > 6:
        shown += f' and {len(values) - 6} more'
    hint = 'Correct the mask or num_classes, or give the dataset a label_map={old: new}.'
    if len(values) > MANY_VALUES:
        hint = 'So many values look like a photo, not a mask: check data_prefix.seg_map_path and seg_map_suffix.'
    raise DataError(f"'{path}' has {counts.sum()} pixels with labels outside 0..{num_classes - 1} and {ignore_index}:\n"
                    f'{shown}.\n{hint}')
