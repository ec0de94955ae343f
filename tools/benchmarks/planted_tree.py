"""A copy of a data set in VOC's layout that faults are put into."""
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOS, MASKS, LISTS = 'JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'


class Tree:
    """A copy of a data set that faults are put into, never two into one pair.

    Args:
        source: The data set, which is only read.
        root: The folder of the copy; its files are links until a fault takes their place.
        train, val: The names of its lists.
        masks: The folders that masks are looked for in.
        few: Take so many masks of each class only, in each list; 0 takes all.
    """

    def __init__(self, source: Path, root: Path, train: str = 'train', val: str = 'val',
                 masks: tuple[str, ...] = (MASKS,), few: int = 0) -> None:
        self.root, self.masks = root, masks
        for folder in (PHOTOS, *masks, LISTS):
            (root / folder).mkdir(parents=True)
        self.train, self.val = train, val
        self.names: dict[str, list[str]] = {}
        self.classes: dict[str, set[int]] = {}
        for split in (train, val):
            there: Counter = Counter()
            self.names[split] = chosen = []
            for name in (source / LISTS / f'{split}.txt').read_text().split():
                mask = next(path for folder in masks if (path := source / folder / f'{name}.png').exists())
                labels = set(np.unique(np.array(Image.open(mask))).tolist()) - {255}
                if not few or any(there[label] < few for label in labels):
                    there.update(labels)
                    chosen.append(name)
                    self.classes[name] = labels
                    self.photo(name).symlink_to((source / PHOTOS / f'{name}.jpg').resolve())
                    (root / mask.parent.name / mask.name).symlink_to(mask.resolve())
        self._free = {split: list(names) for split, names in self.names.items()}
        self._number = 0
        self.mark, self.line_end = '', '\n'  # what the lists begin with, and each of their lines ends with

    def photo(self, name: str) -> Path:
        """The photo of a name."""
        return self.root / PHOTOS / f'{name}.jpg'

    def mask(self, name: str) -> Path:
        """The mask of a name, in the folder that has it."""
        paths = [self.root / folder / f'{name}.png' for folder in self.masks]
        return next((path for path in paths if path.exists()), paths[0])

    def take(self, split: str = '') -> str:
        """A name that has no fault yet, of a photo that is not square, without which each class is still there."""
        split = split or self.train
        there = Counter(label for name in self._free[split] for label in self.classes[name])
        for name in self._free[split]:
            width, height = Image.open(self.photo(name)).size
            if width != height and all(there[label] > 2 for label in self.classes[name]):
                self._free[split].remove(name)
                return name
        raise ValueError(f'{self.root}: every photo of {split} has a fault by now')

    def new(self, split: str, name: str = '', like: str = '') -> str:
        """A pair of its own: the mirror image of another one; listed where ``split`` names a list."""
        self._number += 1
        name, like = name or f'new_{self._number}', like or self.take()
        for path, old in ((self.photo(name), self.photo(like)), (self.root / MASKS / f'{name}.png', self.mask(like))):
            img = Image.open(old)
            turned = img.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            turned.save(path, quality=95) if path.suffix == '.jpg' else turned.save(path)
        if split:
            self.names[split].append(name)
        return name

    def write(self, path: Path, data: bytes) -> str:
        """Put other bytes in place of a file; returns its path."""
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        return str(path)

    def save(self, path: Path, image: Image.Image, format: str, **options) -> str:
        """Put an image in place of a file."""
        data = io.BytesIO()
        image.save(data, format, **options)
        return self.write(path, data.getvalue())

    def relabel(self, name: str, change: Callable[[np.ndarray], None]) -> str:
        """Change the labels of a mask, which stays a palette image."""
        old = Image.open(self.mask(name))
        labels = np.array(old)
        change(labels)
        image = Image.fromarray(labels)
        image.putpalette(old.getpalette())
        return self.save(self.mask(name), image, 'PNG')

    def finish(self) -> None:
        """Write the lists."""
        for split, names in self.names.items():
            text = self.mark + ''.join(f'{name}{self.line_end}' for name in names)
            (self.root / LISTS / f'{split}.txt').write_bytes(text.encode())
