"""Mistakes with the files of a data set and with folders to write to."""
import io
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from bad_input_cases.case import Case
from bad_input_cases.place import read_mask, write_mask

TRAIN = 'train.py config.py --work-dir w'


def overwrite(path: str, content: bytes):
    """A mistake: other bytes in a file."""
    return lambda place: (place / path).write_bytes(content)


def cut(path: str, share: float):
    """A mistake: a file without its last part."""

    def prepare(place: Path) -> None:
        data = (place / path).read_bytes()
        (place / path).write_bytes(data[:int(len(data) * share)])

    return prepare


def remove(path: str):
    """A mistake: a file or folder that is not there."""

    def prepare(place: Path) -> None:
        shutil.rmtree(place / path) if (place / path).is_dir() else (place / path).unlink()

    return prepare


def turned(name: str):
    """A mistake: a photo with an EXIF orientation that its mask ignores."""

    def prepare(place: Path) -> None:
        path = place / f'data/images/{name}.jpg'
        exif = Image.Exif()
        exif[0x0112] = 6
        image = Image.open(path)
        image.load()
        image.save(path, exif=exif)

    return prepare


def damaged_png(name: str):
    """A mistake: one wrong byte in the pixels of a mask."""

    def prepare(place: Path) -> None:
        path = place / f'data/masks/{name}.png'
        data = bytearray(path.read_bytes())
        data[data.index(b'IDAT') + 12] ^= 0x10
        path.write_bytes(data)

    return prepare


def bomb(path: str):
    """A mistake: a header that promises 100,000 x 100,000 pixels."""

    def prepare(place: Path) -> None:
        import struct
        import zlib
        buffer = io.BytesIO()
        Image.new('L', (8, 8)).save(buffer, 'PNG')
        data = bytearray(buffer.getvalue())
        data[16:24] = struct.pack('>II', 100_000, 100_000)
        data[29:33] = struct.pack('>I', zlib.crc32(data[12:29]))
        (place / path).write_bytes(data)

    return prepare


def no_rights(path: str, mode: int = 0):
    """A mistake: a file or folder that may not be read, or not be written."""
    return lambda place: os.chmod(place / path, mode)


def rgb(place: Path) -> None:
    """A mask of colours instead of class indices."""
    colours = np.array([[40, 40, 40], [40, 200, 60], [220, 50, 70]] + [[255, 255, 255]] * 253, np.uint8)
    write_mask(place, 'b', colours[read_mask(place, 'b')])


CASES = [
    Case('data_root that does not exist', f'{TRAIN} --cfg-options data_root=nowhere',
         ('nowhere/images', 'data_prefix.img_path', 'which holds: config.py, data', 'Correct data_root'), common=True),
    Case('image folder of another name', f'{TRAIN} --cfg-options train_dataloader.dataset.data_prefix.img_path=imgs',
         ('data/imgs', 'data_prefix.img_path', 'holds: images, masks'), common=True),
    Case('mask folder of another name',
         f'{TRAIN} --cfg-options train_dataloader.dataset.data_prefix.seg_map_path=labels',
         ('data/labels', 'data_prefix.seg_map_path', 'holds: images, masks'), common=True),
    Case('split list that does not exist', f'{TRAIN} --cfg-options train_dataloader.dataset.ann_file=aug.txt',
         ('data/aug.txt', 'ann_file', 'Lists in that folder: train.txt, val.txt'), common=True),
    Case('empty split list', TRAIN, ('data/train.txt', 'is empty', 'one name a line'),
         overwrite('data/train.txt', b'')),
    Case('split list with a name that has no image', TRAIN,
         ("No image for 'z'", 'data/images/z.jpg', '1 of 7 images', 'split list'),
         lambda place: (place / 'data/train.txt').write_text('a\nb\nc\nd\ne\nf\nz\n')),
    Case('split list with the suffixes of masks', TRAIN, ("'a.png'", 'without folder and suffix'),
         lambda place: (place / 'data/train.txt').write_text('a.png\nb.png\n')),
    Case('split list of paths', TRAIN, ("'images/a'", 'without folder and suffix'),
         lambda place: (place / 'data/train.txt').write_text('images/a.jpg\nimages/b.jpg\n'), common=True),
    Case('split list of image and mask columns', TRAIN, ("'images/a.jpg masks/a.png'", 'one name a line'),
         lambda place: (place / 'data/train.txt').write_text('images/a.jpg masks/a.png\n')),
    Case('split list that is a JPEG photo', f'{TRAIN} --cfg-options train_dataloader.dataset.ann_file=images/a.jpg',
         ('data/images/a.jpg', 'ann_file', 'one name a line')),
    Case('wrong image suffix', f'{TRAIN} --cfg-options train_dataloader.dataset.img_suffix=.jpeg',
         ('data/images/a.jpeg', '6 of 6 images', 'img_suffix')),
    Case('wrong suffix and no split list', f"{TRAIN} --cfg-options train_dataloader.dataset.img_suffix=.bmp "
         "train_dataloader.dataset.ann_file=''", ('.bmp', 'data/images', 'img_suffix')),
    Case('one mask is missing', TRAIN, ("No mask for 'c'", 'data/masks/c.png', '1 of 6 masks'),
         remove('data/masks/c.png'), common=True),
    Case('folder of masks is empty', TRAIN, ("No mask for 'a'", '6 of 6 masks', 'seg_map'),
         lambda place: [mask.unlink() for mask in (place / 'data/masks').iterdir()]),
    Case('data set without masks', f'{TRAIN} --cfg-options train_dataloader.dataset.data_prefix.seg_map_path=None',
         ('data_prefix.seg_map_path', 'LoadAnnotations')),
    Case('image is cut short', TRAIN, ('data/images/b.jpg', 'cut short', 'Copy it again'),
         cut('data/images/b.jpg', .7)),
    Case('image is an empty file', TRAIN, ('data/images/b.jpg', 'empty', 'Copy it again'),
         overwrite('data/images/b.jpg', b'')),
    Case('image is a web page', TRAIN, ('data/images/b.jpg', 'not an image', 'Copy it again'),
         overwrite('data/images/b.jpg', b'<!DOCTYPE html><title>404</title>' * 9), common=True),
    Case('image is a folder', TRAIN, ('data/images/b.jpg', 'is a folder', 'split list'),
         lambda place: [(place / 'data/images/b.jpg').unlink(), (place / 'data/images/b.jpg').mkdir()]),
    Case('image that promises 100,000 x 100,000 pixels', TRAIN,
         ('data/images/b.jpg', '100000x100000', 'Copy it again'),
         bomb('data/images/b.jpg')),
    Case('mask is cut short', TRAIN, ('data/masks/b.png', 'cut short', 'Copy it again'), cut('data/masks/b.png', .7)),
    Case('mask with a wrong byte in its pixels', TRAIN, ('data/masks/b.png', 'checksum', 'Copy'), damaged_png('b')),
    Case('mask that promises 100,000 x 100,000 pixels', TRAIN,
         ('data/masks/b.png', '100000x100000', 'Copy it again'),
         bomb('data/masks/b.png')),
    Case('JPEG photos given as masks',
         f'{TRAIN} --cfg-options train_dataloader.dataset.data_prefix.seg_map_path=images '
         'train_dataloader.dataset.seg_map_suffix=.jpg',
         ('data/images/a.jpg is a JPEG photo', 'data_prefix.seg_map_path'), common=True),
    Case('mask of another size than its image', TRAIN,
         ('data/masks/b.png has', 'data/images/b.jpg', 'must have the size of its image'),
         lambda place: write_mask(place, 'b', read_mask(place, 'b')[:-9]), common=True),
    Case('mask that ignores the EXIF orientation of its photo', TRAIN,
         ('data/masks/b.png', 'EXIF', "color_type='color_ignore_orientation'"), turned('b')),
    Case('RGB mask', TRAIN, ('data/masks/b.png is an RGB image', 'palette or grey PNG', 'color_map='),
         rgb, common=True),
    Case('file without the right to read it', TRAIN, ('data/images/b.jpg', 'Permission denied'),
         no_rights('data/images/b.jpg'), rights=True),
    Case('folder of images without the right to list it', TRAIN, ('data/images', 'Permission denied'),
         no_rights('data/images'), rights=True),
    Case('run folder that may not be written', 'train.py config.py --work-dir locked/w',
         ('locked/w: Permission denied', 'Check that path'),
         lambda place: (place / 'locked').mkdir(mode=0o555), rights=True),
    Case('run folder is a file', 'train.py config.py --work-dir data/train.txt',
         ('data/train.txt is a file', 'a folder was expected', '--work-dir')),
    Case('predictions written to where a file is',
         'predict.py data/images config.py run/iter_4.pth --out-dir config.py', ('config.py is a file', '--out-dir')),
]
