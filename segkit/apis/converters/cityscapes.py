"""Cityscapes' masks of train ids; the body of tools/dataset_converters/cityscapes.py."""
import os.path as osp
from typing import NamedTuple, Optional

import numpy as np

from segkit.apis.converters.cityscapes_polygons import TRAIN_IDS, paint_polygons
from segkit.apis.converters.inputs import require_counts, require_files, require_folders
from segkit.apis.converters.steps import Mask, look_at, map_labels, try_out, write_list, write_masks
from segkit.datasets.cityscapes_dataset import CityscapesDataset
from segkit.datasets.listing import list_files
from segkit.datasets.transforms.image_file import decode_mask, read_bytes
from segkit.errors import DataError

PHOTOS, PHOTO = 'leftImg8bit', '_leftImg8bit.png'
# Of the fine annotations, and of the coarse ones, whose val repeats the frames of the fine one.
COUNTS = dict(gtFine=dict(train=2975, val=500, test=1525), gtCoarse=dict(train=2975, train_extra=19998, val=500))
LOGIN = ('Cityscapes gives its archives to registered users only, so nothing can be fetched here: get leftImg8bit_'
         'trainvaltest.zip\nand gtFine_trainvaltest.zip at www.cityscapes-dataset.com and unpack both into one folder.')
_IDS, _POLYGONS = 'labelIds.png', 'polygons.json'


class _Frame(NamedTuple):
    split: str
    name: str  # city/city_000000_000019
    source: str


def convert(cityscapes_path: str, gt_dir: str = 'gtFine', out_dir: Optional[str] = None, partial: bool = False,
            processes: Optional[int] = None) -> dict[str, int]:
    """Write ``*_labelTrainIds.png`` beside the annotations, and a list of each split.

    A mask is made of the label ids where the archive has them, else painted from the polygons, as cityscapesScripts
    paints both: with one version of Pillow both ways give the same. Up to 11.1 Pillow filled a few pixels otherwise.

    Args:
        cityscapes_path: The folder with leftImg8bit and the annotations.
        gt_dir: The annotations: 'gtFine' or 'gtCoarse', relative to it.
        out_dir: Folder of the lists; ``cityscapes_path`` if None.
        partial: Take splits of other lengths than the official ones.
        processes: As for :func:`~segkit.datasets.parallel.map_in_order`.

    Returns:
        How many samples each split has.

    Raises:
        DataError: If something is missing, damaged, or has labels that Cityscapes does not have.
    """
    require_folders(cityscapes_path, [gt_dir, PHOTOS], LOGIN)
    kind = osp.basename(osp.normpath(gt_dir))
    root = osp.join(cityscapes_path, gt_dir)
    frames = _frames(root, kind)
    splits: dict[str, list[_Frame]] = {}
    for frame in frames:
        splits.setdefault(frame.split, []).append(frame)
    require_counts({split: len(some) for split, some in splits.items()}, COUNTS.get(kind, {}), partial, root)
    for split, some in splits.items():
        require_files(osp.join(cityscapes_path, PHOTOS, split), [frame.name for frame in some], PHOTO, 'frames')
    masks = [Mask(frame.source, osp.join(root, frame.split, f'{frame.name}_{kind}_labelTrainIds.png'),
                  osp.join(cityscapes_path, PHOTOS, frame.split, frame.name + PHOTO)) for frame in frames]
    ids, polygons = ([mask for mask in masks if mask.source.endswith(kind)] for kind in (_IDS, _POLYGONS))
    look_at(ids, 'masks of label ids looked at', None, processes)
    look_at(polygons, 'files of polygons looked at', paint_polygons, processes)
    for some, read, what in ((ids, read_ids, 'label ids'), (polygons, paint_polygons, 'polygons')):
        if some:
            write_masks(some, read, CityscapesDataset.METAINFO['palette'], what, processes)
    for split, some in splits.items():
        write_list(osp.join(out_dir or cityscapes_path, f'{split}.txt'), [frame.name for frame in some])
    return try_out({split: dict(
        type='CityscapesDataset', data_root=cityscapes_path, seg_map_suffix=f'_{kind}_labelTrainIds.png',
        ann_file=osp.abspath(osp.join(out_dir or cityscapes_path, f'{split}.txt')),
        data_prefix=dict(img_path=f'{PHOTOS}/{split}', seg_map_path=f'{gt_dir}/{split}'))
        for split in splits if split != 'test'})  # the masks of test are blank in the archive: its labels are secret


def read_ids(path: str) -> np.ndarray:
    """The train ids of a ``*_labelIds.png``: (H, W) uint8, 0 to 18 and 255."""
    return map_labels(decode_mask(read_bytes(path), path), TRAIN_IDS, path, "Cityscapes' label ids are 0 to 33")


def _frames(root: str, kind: str) -> list[_Frame]:
    """The annotated frames, each with its label ids or, where there are none, with its polygons."""
    found: dict[str, str] = {}
    for suffix in (_POLYGONS, _IDS):
        ending = f'_{kind}_{suffix}'
        found.update({path.removesuffix(ending): path for path in list_files(root, [ending])})
    if not found:
        raise DataError(f'{root} has no *_{kind}_{_IDS} and no *_{kind}_{_POLYGONS}.\n{LOGIN}')
    frames = []
    for stem, path in sorted(found.items()):
        split, _, name = stem.partition('/')
        if not name:
            raise DataError(f'{osp.join(root, path)} lies in no split; expected {root}/<split>/<city>/<frame>.')
        frames.append(_Frame(split, name, osp.join(root, path)))
    return frames
