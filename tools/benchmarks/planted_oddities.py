"""What looks odd in a data set and is none of a doctor's business: nothing may be found for it."""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin
from planted_tree import Tree

FRAME = 16  # one part in so many of a mask's sides, which is void on each side


class Oddity(NamedTuple):
    """What is planted, the function that plants it, overrides of the config that belong to it, and whether the folder
    is looked at without a config."""

    what: str
    plant: Callable[[Tree], object]
    options: tuple[str, ...] = ()
    folder: bool = False


def _photo(tree: Tree, format: str, change: Callable[[Image.Image], None] = lambda photo: None, **options) -> None:
    path = tree.photo(tree.take())
    photo = Image.open(path).convert('RGB')
    change(photo)
    tree.save(path, photo, format, **options)


def _profile(tree: Tree) -> None:
    """libpng says: 'iCCP: too short'; real ones say 'iCCP: known incorrect sRGB profile' and the like."""
    _photo(tree, 'PNG', icc_profile=b'no profile' * 20)


def _foreign_parts(tree: Tree) -> None:
    """A PNG with sRGB and tIME that libpng complains of."""
    parts = PngImagePlugin.PngInfo()
    for name in (b'sRGB', b'tIME'):
        parts.add(name, b'\x09')
    _photo(tree, 'PNG', pnginfo=parts)


def _map(tree: Tree) -> None:
    """A TIFF with a map's own field (33550, GeoTIFF's ModelPixelScale)."""
    _photo(tree, 'TIFF', tiffinfo={33550: (1.0, 1.0, 0.0)})


def _progressive(tree: Tree) -> None:
    _photo(tree, 'JPEG', progressive=True, comment=b'by hand', icc_profile=b'no profile' * 20, quality=95)


def _upright(tree: Tree) -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    _photo(tree, 'JPEG', exif=exif, quality=95)


def _opaque(tree: Tree) -> None:
    _photo(tree, 'PNG', lambda photo: photo.putalpha(255))


def _text(tree: Tree) -> None:
    path, text = tree.mask(tree.take()), PngImagePlugin.PngInfo()
    text.add_text('Software', 'drawn by hand')
    tree.save(path, Image.open(path), 'PNG', pnginfo=text)


def _name(tree: Tree) -> None:
    tree.new(tree.train, 'a name.with-dots (2)')


# In pairs of their own, all in one copy.
ODDITIES = [
    Oddity('a PNG photo whose ICC profile the decoder complains of', _profile),
    Oddity('a PNG photo with other parts that it complains of', _foreign_parts),
    Oddity("a TIFF photo with a map's fields, of which it complains", _map),
    Oddity('a progressive JPEG with a comment and an odd ICC profile', _progressive),
    Oddity('a photo with EXIF orientation 1', _upright),
    Oddity('a photo with an alpha channel that hides nothing', _opaque),
    Oddity('a mask with text in its PNG', _text),
    Oddity('a name with blanks, dots and brackets', _name),
]


def _windows(tree: Tree) -> None:
    tree.mark, tree.line_end = '\ufeff', ' \r\n'


def _binary(tree: Tree, with_frame: bool) -> None:
    """The object is 1, every third mask is without it; perhaps a frame of void all round."""
    for names in tree.names.values():
        for number, name in enumerate(names):
            def change(labels: np.ndarray, there: bool = number % 3 > 0) -> None:
                labels[:] = np.where((labels > 0) & (labels < 255), 1, 0) if there else 0
                if with_frame:
                    height, width = (-(-side // FRAME) for side in labels.shape)
                    labels[:height] = labels[-height:] = labels[:, :width] = labels[:, -width:] = 255
            tree.relabel(name, change)


CAFFE = 'model.data_preprocessor'
# Of a whole data set or a config: each in a copy of its own.
WHOLE_ODDITIES = [
    Oddity("lists with Windows' line ends, a byte-order mark and blanks", _windows),
    Oddity("Caffe's preprocessor: BGR, the mean taken off, a deviation of 1", lambda tree: None, (
        f'{CAFFE}.mean=[104.00698793,116.66876762,122.67891434]', f'{CAFFE}.std=[1.0,1.0,1.0]',
        f'{CAFFE}.bgr_to_rgb=False')),
    Oddity('masks of 0 and 1, the object in two of three', lambda tree: _binary(tree, False), folder=True),
    Oddity('the same with a frame of 255 in all of them', lambda tree: _binary(tree, True), folder=True),
]
