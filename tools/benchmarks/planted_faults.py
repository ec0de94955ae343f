"""Faults of every kind that tools/doctor.py finds, each put into a copy of a data set."""
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image
from planted_tree import MASKS, Tree

COMPLAINT = b'\xff\xd3'  # a restart mark that the scan does not announce: libjpeg stops there and says so
OBJECT = 0.25  # the share of a mask that an object has which void cannot be taken for


class Fault(NamedTuple):
    """What is planted, the kind that has to be found, the function that plants it and gives the files, overrides of
    the config that belong to it, and whether it shows only where the folder is looked at without a config."""

    what: str
    kind: str
    plant: Callable[[Tree], set[str]]
    options: tuple[str, ...] = ()
    folder: bool = False


def _missing_photo(tree: Tree) -> set[str]:
    path = tree.photo(tree.take())
    path.unlink()
    return {str(path)}


def _missing_mask(tree: Tree) -> set[str]:
    path = tree.mask(tree.take(tree.val))
    path.unlink()
    return {str(path)}


def _empty(tree: Tree) -> set[str]:
    return {tree.write(tree.photo(tree.take()), b''), tree.write(tree.mask(tree.take()), b'')}


def _folder(tree: Tree) -> set[str]:
    path = tree.mask(tree.take())
    path.unlink()
    path.mkdir()
    return {str(path)}


def _page(tree: Tree) -> set[str]:
    text = b'<html><body>404 not found</body></html>'
    return {tree.write(tree.photo(tree.take()), text), tree.write(tree.mask(tree.take(tree.val)), text)}


def _cut(tree: Tree) -> set[str]:
    return {tree.write(path, path.read_bytes()[:-40])
            for path in (tree.photo(tree.take()), tree.mask(tree.take(tree.val)))}


def _flip(tree: Tree) -> set[str]:
    path = tree.mask(tree.take())
    data = bytearray(path.read_bytes())
    data[data.index(b'IDAT') + 12] ^= 16
    return {tree.write(path, bytes(data))}


def _complaint(tree: Tree) -> set[str]:
    path = tree.photo(tree.take())
    data = path.read_bytes()
    middle = (data.rindex(b'\xff\xda') + len(data)) // 2
    middle += data[middle - 1] == 0xFF  # not between a mark and what belongs to it
    return {tree.write(path, data[:middle] + COMPLAINT + data[middle:])}


def _size(tree: Tree) -> set[str]:
    path = tree.mask(tree.take())
    image = Image.open(path)
    return {tree.save(path, image.resize((image.width // 2, image.height // 2), Image.Resampling.NEAREST), 'PNG')}


def _oriented(tree: Tree, name: str, orientation: int) -> str:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tree.photo(name)
    return tree.save(path, Image.open(path), 'JPEG', quality=95, exif=exif)


def _turned(tree: Tree) -> set[str]:
    name = tree.take()
    _oriented(tree, name, 6)
    return {str(tree.mask(name))}


def _upside_down(tree: Tree) -> set[str]:
    return {_oriented(tree, tree.take(), 3)}


def _rgb(tree: Tree) -> set[str]:
    paths = [tree.mask(tree.take()) for _ in 'ab']
    return {tree.save(path, Image.open(path).convert(mode), 'PNG') for path, mode in zip(paths, ('RGB', 'RGBA'))}


def _jpeg(tree: Tree) -> set[str]:
    path = tree.mask(tree.take())
    return {tree.save(path, Image.fromarray(np.array(Image.open(path))), 'JPEG')}


def _grey_alpha(tree: Tree) -> set[str]:
    path = tree.mask(tree.take())
    return {tree.save(path, Image.fromarray(np.array(Image.open(path))).convert('LA'), 'PNG')}


def _label(tree: Tree) -> set[str]:
    def stain(labels: np.ndarray) -> None:
        labels[2:4, 3:6] = 37

    def stain_more(labels: np.ndarray) -> None:
        labels[5:7, 3:6] = 200
    return {tree.relabel(tree.take(), stain), tree.relabel(tree.take(tree.val), stain_more)}


def _binary(tree: Tree) -> set[str]:
    def change(labels: np.ndarray) -> None:
        labels[:] = np.where(labels > 0, 255, 0)
        labels[0, :2] = 0, 255
    name = next(name for name in iter(tree.take, '') if (np.array(Image.open(tree.mask(name))) > 0).mean() > OBJECT)
    return {tree.relabel(name, change)}


def _void(tree: Tree) -> set[str]:
    return {tree.relabel(tree.take(), lambda labels: labels.fill(255))}


def _same_bytes(tree: Tree) -> set[str]:
    name, copy = tree.take(), 'copy_of_train'
    tree.write(tree.photo(copy), tree.photo(name).read_bytes())
    tree.write(tree.root / MASKS / f'{copy}.png', tree.mask(name).read_bytes())
    tree.names[tree.val].append(copy)
    return {str(tree.photo(copy))}


def _same_pixels(tree: Tree) -> set[str]:
    """Other bytes: with a comment behind the start mark."""
    name, copy = tree.take(), 'pixels_of_train'
    data = tree.photo(name).read_bytes()
    tree.write(tree.photo(copy), data[:2] + b'\xff\xfe\0\x07again' + data[2:])
    tree.write(tree.root / MASKS / f'{copy}.png', tree.mask(name).read_bytes())
    tree.names[tree.val].append(copy)
    return {str(tree.photo(copy))}


def _same_name(tree: Tree) -> set[str]:
    name = tree.take()
    tree.names[tree.val].append(name)
    return {str(tree.photo(name))}


def _twice(tree: Tree) -> set[str]:
    name, copy = tree.take(), 'second_copy'
    tree.write(tree.photo(copy), tree.photo(name).read_bytes())
    tree.write(tree.root / MASKS / f'{copy}.png', tree.mask(name).read_bytes())
    tree.names[tree.train].append(copy)
    return {str(tree.photo(copy))}


def _listed_twice(tree: Tree) -> set[str]:
    name = tree.take()
    tree.names[tree.train].append(name)
    return {str(tree.photo(name))}


def _lonely_mask(tree: Tree) -> set[str]:
    path = tree.root / MASKS / 'lonely.png'
    return {tree.write(path, tree.mask(tree.take()).read_bytes())}


def _lonely_photo(tree: Tree) -> set[str]:
    name = tree.new('', 'lonely_photo')
    tree.mask(name).unlink()
    return {str(tree.photo(name))}


def _unlisted(tree: Tree) -> set[str]:
    name = tree.take()
    tree.names[tree.train].remove(name)
    return {str(tree.photo(name))}


def _pixels_of(tree: Tree, change: Callable[[Image.Image], Image.Image], format: str) -> set[str]:
    path = tree.photo(tree.take())
    return {tree.save(path, change(Image.open(path)), format)}


def _sixteen_bits(tree: Tree) -> set[str]:
    import cv2
    path = tree.photo(tree.take())
    values = cv2.imread(str(path)).astype(np.uint16) * 16
    return {tree.write(path, cv2.imencode('.png', values)[1].tobytes())}


def _alpha(photo: Image.Image) -> Image.Image:
    photo.putalpha(Image.new('L', photo.size, 128))
    return photo


def _case(tree: Tree) -> set[str]:
    tree.new(tree.train, 'pair_of_case')
    return {str(tree.photo(tree.new(tree.train, 'PAIR_of_case')))}


def _odd_name(tree: Tree) -> set[str]:
    return {str(tree.photo(tree.new(tree.train, 'photo_\u00e4?')))}


def _thin(tree: Tree) -> set[str]:
    name = tree.take()
    image = Image.open(tree.photo(name))
    box = (0, 0, image.width, 20)
    tree.save(tree.mask(name), Image.open(tree.mask(name)).crop(box), 'PNG')
    return {tree.save(tree.photo(name), image.crop(box), 'JPEG', quality=95)}


def _grey_mask(tree: Tree) -> set[str]:
    path = tree.mask(tree.take())
    tree.save(path, Image.fromarray(np.array(Image.open(path))), 'PNG')
    return {'masks'}


FAULTS = [
    Fault('a photo that a list names, removed', 'missing photo', _missing_photo),
    Fault('a mask, removed', 'missing mask', _missing_mask),
    Fault('a photo and a mask of 0 bytes', 'empty', _empty),
    Fault('a folder in place of a mask', 'unreadable', _folder),
    Fault('an HTML page in place of a photo and of a mask', 'no image', _page),
    Fault('a photo and a mask without their last 40 bytes', 'cut short', _cut),
    Fault('one bit of a mask flipped', 'damaged', _flip),
    Fault('a false restart mark in the middle of a JPEG', 'decoder complains', _complaint),
    Fault('a mask of half the size', 'size', _size),
    Fault('a photo with EXIF orientation 6 (a quarter turn)', 'EXIF orientation', _turned),
    Fault('a photo with EXIF orientation 3 (upside down)', 'EXIF unclear', _upside_down),
    Fault('a mask saved as RGB and one as RGBA', 'RGB mask', _rgb),
    Fault('a mask saved as JPEG', 'JPEG as mask', _jpeg),
    Fault('a mask saved as grey with alpha', 'mask mode', _grey_alpha),
    Fault('labels 37 and 200, six pixels each', 'labels', _label),
    Fault('a mask of 0 and 255 among good ones, a quarter of it 255', 'mask of 0 and 255', _binary),
    Fault('a mask of 255 alone', 'void mask', _void),
    Fault('a copy of a training photo in the validation set', 'trained on', _same_bytes),
    Fault('the same with other bytes, equal pixels', 'trained on', _same_pixels),
    Fault('a training name in the validation list', 'trained on', _same_name),
    Fault('a photo and its copy in the training set', 'twice', _twice),
    Fault('a name twice in a list', 'listed twice', _listed_twice),
    Fault('a mask without a photo', 'mask without photo', _lonely_mask),
    Fault('a photo of 16 bits', '16-bit photo', _sixteen_bits),
    Fault('a CMYK photo', 'CMYK photo', lambda tree: _pixels_of(tree, lambda img: img.convert('CMYK'), 'JPEG')),
    Fault('a photo with an alpha channel', 'alpha photo', lambda tree: _pixels_of(tree, _alpha, 'PNG')),
    Fault('two names that differ in capital letters', 'same name but for case', _case),
    Fault('a photo 20 pixels high', 'odd size', _thin),
    Fault('a pair that is in no list', 'in no split', _unlisted),
    Fault('a photo without mask that is in no list', 'photo without mask', _lonely_photo),
    Fault('a name with an accent and a question mark', 'odd name', _odd_name),
    Fault('a grey photo', 'grey photo', lambda tree: _pixels_of(tree, lambda img: img.convert('L'), 'JPEG')),
    Fault('a grey mask among palette masks', 'kinds of masks', _grey_mask),
]


def files_of(values: dict) -> dict[str, set[str]]:
    """What the doctor found, from its JSON: kind -> files."""
    return {group['kind']: {one['file'] for one in group['files']} for group in values['findings']}


def plant(tree: Tree, faults: Sequence[Fault]) -> dict[str, set[str]]:
    """Plant faults and write the lists; what has to be found, kind -> files."""
    expected: dict[str, set[str]] = {}
    for fault in faults:
        expected.setdefault(fault.kind, set()).update(fault.plant(tree))
    kinds = {fault.kind for fault in faults}
    if 'RGB mask' in kinds:  # which is another kind of masks, too
        expected['kinds of masks'] = {'masks'}
    if 'all masks void' in kinds:
        expected['void mask'] = {str(tree.mask(name)) for names in tree.names.values() for name in names}
    tree.finish()
    return expected
