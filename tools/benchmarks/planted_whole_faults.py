"""Faults of a whole data set or of its config: each needs a copy of its own."""
import itertools
from collections import Counter
from collections.abc import Callable

import numpy as np
from PIL import Image
from planted_faults import Fault
from planted_tree import Tree


def _absent_class(tree: Tree, split: str) -> set[str]:
    """Turn the rarest class of a split into class 1 in all its masks."""
    count = Counter(label for name in tree.names[split] for label in tree.classes[name] - {0, 1})
    absent = min(count, key=lambda label: (count[label], label))

    def change(labels: np.ndarray) -> None:
        labels[labels == absent] = 1

    for name in tree.names[split]:
        if absent in tree.classes[name]:
            tree.relabel(name, change)
    return {f'{split}: {absent}'}


def _all_binary(tree: Tree) -> set[str]:
    def change(labels: np.ndarray) -> None:
        labels[:] = np.where(labels > 0, 255, 0)
        labels[0, :2] = 0, 255
    return _every_mask(tree, change)


def _all_binary_but_some_without(tree: Tree) -> set[str]:
    number = itertools.count()

    def change(labels: np.ndarray) -> None:
        labels[:] = np.where(labels > 0, 255, 0) if next(number) % 3 else 0
        labels[0, 0] = 0  # where the object fills the photo
    return _every_mask(tree, change)


def _joined_list(tree: Tree) -> set[str]:
    tree.names['trainval'] = tree.names.pop(tree.train) + tree.names[tree.val]
    return {f'trainval, {tree.val}'}


def _all_void(tree: Tree) -> set[str]:
    return _every_mask(tree, lambda labels: labels.fill(255))


def _every_mask(tree: Tree, change: Callable[[np.ndarray], None]) -> set[str]:
    for names in tree.names.values():
        for name in names:
            tree.relabel(name, change)
    return set(tree.names)


def _no_list(tree: Tree) -> set[str]:
    del tree.names[tree.val]
    return {tree.val}


def _stain(tree: Tree) -> set[str]:
    def change(labels: np.ndarray) -> None:
        labels[2:4, 3:6] = 120
    tree.relabel(tree.take(), change)
    return {'120'}


def _foreign_color(tree: Tree) -> set[str]:
    path = tree.mask(tree.take())
    image = Image.open(path).convert('RGB')
    image.paste((1, 2, 3), (0, 0, 4, 4))
    return {tree.save(path, image, 'PNG')}


# The overrides are for tools/benchmarks/doctor.py's config.
WHOLE = [
    Fault('a class turned into another one in all training masks', 'class never occurs',
          lambda tree: _absent_class(tree, tree.train)),
    Fault('the same in all validation masks', 'class not evaluated', lambda tree: _absent_class(tree, tree.val)),
    Fault('every object 255 in all masks', 'all masks 0 and 255', _all_binary),
    Fault('the same, and no object in every third', 'all masks 0 and 255', _all_binary_but_some_without),
    Fault('trainval.txt in place of train.txt', 'in both', _joined_list, folder=True),
    Fault('every pixel 255 in all masks', 'all masks void', _all_void),
    Fault('a split list, removed', 'split', _no_list),
    Fault('label 120 in one mask, the number of classes not given', 'label stands apart', _stain, folder=True),
    Fault('a colour that color_map does not name', 'colours', _foreign_color,
          ('train_dataloader.dataset.pipeline.1.color_map={(0, 0, 0): 0}',)),
    Fault("mean and deviation for values of 0 to 1", 'normalisation', lambda tree: {'model.data_preprocessor'},
          ('model.data_preprocessor.mean=[0.485,0.456,0.406]', 'model.data_preprocessor.std=[0.229,0.224,0.225]')),
    Fault('crops of 2000x2000', 'padding', lambda tree: {'train'}, ('crop_size=(2000, 2000)',)),
]
