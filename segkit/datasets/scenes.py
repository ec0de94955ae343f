"""Generated scenes: textured objects before varied grounds, in PASCAL VOC's layout."""
import json
import os
import os.path as osp
import shutil
from collections.abc import Callable, Iterable
from typing import Optional

import cv2
import numpy as np
from PIL import Image

from segkit.datasets import scene_textures as t
from segkit.errors import ConfigError, DataError
from segkit.palette import bright_palette, color_map

# What makes a class is its outline and its pattern. One of an object's two colours tends to its class's hue.
KINDS = (('target', t.disc, t.circles), ('zebra', t.ellipse, t.stripes), ('chessboard', t.square, t.checks),
         ('wall', t.oblong, t.bricks), ('tent', t.triangle, t.chevrons), ('flower', t.flower, t.dots),
         ('wheel', t.ring, t.spokes), ('boat', t.half_disc, t.planks))
CLASSES = ('background', *(name for name, _, _ in KINDS))
VOID = 255
RECORD = 'scenes.json'  # written into the folder; two runs with an equal record make equal files
_VERSION = 4
_CONTENT = {'JPEGImages', 'SegmentationClass', 'ImageSets', RECORD}


def draw_scene(rng: np.random.Generator, size: tuple[int, int] = (120, 200)) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scene.

    Args:
        rng: Decides everything.
        size: Smallest and largest side, in pixels.

    Returns:
        The image, (H, W, 3) uint8 BGR, and its labels, (H, W) uint8: 0 background, 1 to 8, and 255 on a band of two
        pixels along every outline.
    """
    h, w = rng.integers(size[0], size[1] + 1, 2)
    img = _ground(rng, h, w)
    objects = np.zeros((h, w), np.uint8)  # which object is in front, counted from 1
    kinds = rng.permutation(len(KINDS))[:rng.integers(3, 5)]
    for number, kind in enumerate(kinds, start=1):
        r = rng.uniform(0.19, 0.32) * min(h, w)
        u, v = _frame(rng, h, w)
        outline = KINDS[kind][1](u, v, r)
        pattern = KINDS[kind][2](u, v, rng.uniform(0.24, 0.36) * r)[..., None]
        first, second = _two_colors(rng, hue=kind / len(KINDS))
        cover = np.clip(0.5 - outline, 0, 1)[..., None]
        img += cover * (first + pattern * (second - first) - img)
        objects[outline < 0] = number
    labels = np.array([0, *(kind + 1 for kind in kinds)], np.uint8)[objects]
    labels[cv2.dilate(objects, np.ones((3, 3))) != cv2.erode(objects, np.ones((3, 3)))] = VOID
    return _expose(rng, img), labels


def generate(out_dir: str, num_train: int = 400, num_val: int = 60, size: tuple[int, int] = (120, 200), seed: int = 0,
             progress: Optional[Callable[[range], Iterable[int]]] = None) -> bool:
    """Write a data set of scenes: JPEGImages, SegmentationClass, ImageSets/Segmentation/{train,val}.txt.

    The folder appears under its name only when it is complete. With the same arguments and library versions every
    byte is the same.

    Args:
        out_dir: The folder. If it holds the same scenes already, nothing is done; other scenes are replaced.
        num_train: Number of scenes in train.txt.
        num_val: Number of scenes in val.txt.
        size: Smallest and largest side of the images, in pixels.
        seed: Decides the scenes; each depends on (seed, its number) alone.
        progress: Goes through the scenes' numbers and shows how far it is.

    Returns:
        Whether the scenes were made, or False if they were there.

    Raises:
        ConfigError: If a number is out of range.
        DataError: If the folder holds something else.
    """
    if num_train < 1 or num_val < 1 or not 32 <= size[0] <= size[1]:
        raise ConfigError('Expected at least one scene for train and for val, and sides 32 <= smallest <= largest;\n'
                          f'got train={num_train}, val={num_val}, size={tuple(size)}.')
    record = dict(version=_VERSION, train=num_train, val=num_val, size=list(size), seed=seed)
    if _is_complete(out_dir, record):
        return False
    part = out_dir.rstrip('/') + '.part'
    shutil.rmtree(part, ignore_errors=True)
    for folder in ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'):
        os.makedirs(osp.join(part, folder))
    names = [f'scene_{number:05d}' for number in range(num_train + num_val)]
    numbers = range(len(names))
    for number in progress(numbers) if progress else numbers:
        img, labels = draw_scene(np.random.Generator(np.random.PCG64([seed, number])), size)
        _write_jpeg(osp.join(part, 'JPEGImages', names[number] + '.jpg'), img)
        _write_palette_png(osp.join(part, 'SegmentationClass', names[number] + '.png'), labels)
    for split, chosen in (('train', names[:num_train]), ('val', names[num_train:])):
        with open(osp.join(part, 'ImageSets/Segmentation', split + '.txt'), 'w', encoding='utf-8') as file:
            file.writelines(f'{name}\n' for name in chosen)
    with open(osp.join(part, RECORD), 'w', encoding='utf-8') as file:
        json.dump(record, file)
    if osp.isdir(out_dir):
        shutil.rmtree(out_dir)
    os.rename(part, out_dir)
    return True


def _is_complete(out_dir: str, record: dict) -> bool:
    """Whether the folder holds these scenes; a DataError if it holds anything but scenes."""
    there = set(os.listdir(out_dir)) if osp.isdir(out_dir) else set()
    if there and not (RECORD in there and there <= _CONTENT):
        raise DataError(f'{out_dir} exists and holds other things: {", ".join(sorted(there)[:5])}.\n'
                        'Nothing was written; name another folder.')
    if not there:
        return False
    with open(osp.join(out_dir, RECORD), encoding='utf-8') as file:
        return json.load(file) == record


def _frame(rng: np.random.Generator, h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates about a random centre, turned by up to 25 degrees."""
    y, x = np.mgrid[:h, :w].astype(np.float32)
    x -= rng.uniform(0.1, 0.9) * w
    y -= rng.uniform(0.1, 0.9) * h
    turn = rng.uniform(-0.44, 0.44)
    return x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)


def _two_colors(rng: np.random.Generator, hue: Optional[float] = None) -> tuple[np.ndarray, np.ndarray]:
    """Two BGR colours that differ enough in brightness; one of them about ``hue`` (0 to 1), if one is given."""
    while True:
        first, second = rng.uniform(10, 245, (2, 3)).astype(np.float32)
        if hue is not None:
            turned = np.array([(hue + rng.normal(0, 0.05)) % 1 * 360, rng.uniform(0.3, 1), rng.uniform(0.3, 1)])
            first = 255 * cv2.cvtColor(turned.astype(np.float32).reshape(1, 1, 3), cv2.COLOR_HSV2BGR)[0, 0]
        if abs(first.mean() - second.mean()) > 70:
            return (first, second) if rng.random() < 0.5 else (second, first)


def _ground(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    """A soft ground of two colours with plain shapes on it, which are background too; (H, W, 3) float32."""
    first, second = _two_colors(rng)
    u, v = _frame(rng, h, w)
    clouds = cv2.resize(rng.random((rng.integers(3, 9), rng.integers(3, 9)), np.float32), (int(w), int(h)),
                        interpolation=cv2.INTER_CUBIC)
    mix = (clouds, np.clip(0.5 + u / w, 0, 1), 0.5 + 0.5 * np.sin(v / rng.uniform(7, 15)))[rng.integers(3)]
    img = first + (0.6 * mix + 0.4 * clouds)[..., None] * (second - first)
    for _ in range(rng.integers(0, 3)):
        u, v = _frame(rng, h, w)
        outline = KINDS[rng.integers(len(KINDS))][1](u, v, rng.uniform(0.08, 0.25) * min(h, w))
        img += np.clip(0.5 - outline, 0, 1)[..., None] * (rng.uniform(10, 245, 3) - img)
    return img.astype(np.float32)


def _expose(rng: np.random.Generator, img: np.ndarray) -> np.ndarray:
    """Uneven light, brightness, blur and noise; (H, W, 3) uint8."""
    h, w = img.shape[:2]
    u, v = _frame(rng, h, w)
    img = img * (rng.uniform(0.7, 1.2) + rng.uniform(0, 0.5) * np.clip(u / w, -0.5, 0.5))[..., None]
    if rng.random() < 0.3:
        img = cv2.GaussianBlur(img, (3, 3), 0.8)
    img = img + rng.normal(0, rng.uniform(2, 8), img.shape)
    return np.clip(np.rint(img), 0, 255).astype(np.uint8)


def _write_jpeg(path: str, img: np.ndarray) -> None:
    data = cv2.imencode('.jpg', img, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    with open(path, 'wb') as file:
        file.write(data.tobytes())


def _write_palette_png(path: str, labels: np.ndarray) -> None:
    image = Image.fromarray(labels)
    image.putpalette(sum(bright_palette(CLASSES) + color_map(256)[len(CLASSES):], []))
    image.save(path)
