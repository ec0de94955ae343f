"""Mistakes in the labels of masks."""
from pathlib import Path

import numpy as np

from bad_input_cases.case import Case
from bad_input_cases.place import read_mask, write_config, write_mask

TRAIN = 'train.py config.py --work-dir w'
TEST = 'test.py config.py run/iter_4.pth --work-dir w'


def put(name: str, label: int, dtype: type = np.uint8):
    """A mistake: seven pixels of a label that is no class."""

    def prepare(place: Path) -> None:
        mask = read_mask(place, name).astype(dtype)
        mask[5, :7] = label
        write_mask(place, name, mask)

    return prepare


def all_masks(change):
    """A mistake in every mask; ``change`` takes and returns (H, W)."""
    return lambda place: [write_mask(place, path.stem, change(read_mask(place, path.stem)))
                          for path in sorted((place / 'data/masks').iterdir())]


def float_mask(place: Path) -> None:
    """A mask stored as floating-point TIFF."""
    from PIL import Image
    for path in sorted((place / 'data/masks').iterdir()):
        Image.fromarray(read_mask(place, path.stem).astype(np.float32) / 255).save(path.with_suffix('.tif'))


CASES = [
    Case('one mask has label 37, training', TRAIN,
         ("data/masks/b.png' has 7 pixels with labels outside 0..2 and 255", '37 (7 pixels)', 'label_map='),
         put('b', 37), common=True),
    Case('one mask has label 37, evaluation', TEST,
         ("data/masks/h.png' has 7 pixels with labels outside 0..2 and 255", '37 (7 pixels)', 'label_map='),
         put('h', 37), common=True),
    Case('a whole validation mask of label 37', TEST, ('data/masks/h.png', '37'),
         lambda place: write_mask(place, 'h', np.full_like(read_mask(place, 'h'), 37)), common=True),
    Case('label 3 of three classes (they count from 0)', TRAIN, ('data/masks/b.png', '0..2', '3 (7 pixels)'),
         put('b', 3)),
    Case('16-bit mask with instance numbers', TRAIN, ('data/masks/b.png', '26001 (7 pixels)'),
         put('b', 26001, np.uint16)),
    Case('masks of 0 and 255', TRAIN, ('data/masks/a.png', '0 and 255', 'label_map={255: 1}'),
         all_masks(lambda mask: np.where(mask == 1, 255, 0).astype(np.uint8)), common=True),
    Case('masks that are all void', TRAIN, ('data/masks', '255', 'no labelled pixel'),
         all_masks(lambda mask: np.full_like(mask, 255))),
    Case('grey photos given as masks', TRAIN, ('data/masks/a.png', 'look like a photo', 'seg_map_path'),
         all_masks(lambda mask: np.random.RandomState(0).randint(0, 256, mask.shape).astype(np.uint8))),
    Case('masks of floating-point numbers', f'{TRAIN} --cfg-options train_dataloader.dataset.seg_map_suffix=.tif',
         ('data/masks/a.tif', 'class indices', '8-bit palette or grey PNG'), float_mask),
    Case('classes counted from 1 and reduce_zero_label left out', TRAIN, ('data/masks/a.png', '3 ('),
         all_masks(lambda mask: np.where(mask == 255, 0, mask + 1).astype(np.uint8))),
    Case('label_map to a class that does not exist',
         f'{TRAIN} --cfg-options "+train_dataloader.dataset.label_map={{2: 5}}"',
         ('dataset.label_map: 2 becomes 5', '3 classes (0 to 2)', 'Correct the map')),
    Case('colour that color_map does not name', TRAIN,
         ('data/masks/a.png', 'color_map does not name', '(220, 50, 70)', 'Add them to color_map'),
         lambda place: [write_config(place, 'train_dataloader["dataset"]["pipeline"][1]["color_map"] = '
                                     '{(40, 40, 40): 0, (40, 200, 60): 1, (0, 0, 0): 255}\n'),
                        _coloured(place)]),
]


def _coloured(place: Path) -> None:
    colours = np.array([[40, 40, 40], [40, 200, 60], [220, 50, 70]] + [[0, 0, 0]] * 253, np.uint8)[:, ::-1]
    all_masks(lambda mask: colours[mask])(place)
