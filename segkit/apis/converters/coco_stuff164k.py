"""COCO-Stuff 164k: things and stuff in all of COCO 2017; the body of tools/dataset_converters/coco_stuff164k.py.

Reference: Caesar et al., COCO-Stuff: Thing and Stuff Classes in Context, CVPR 2018. Its PNG files (stuffthingmaps) hold
COCO's number minus one, and 255 where nothing is labelled.
"""
import os.path as osp
from typing import Optional

import numpy as np

from segkit.apis.converters.archives import Archive, provide
from segkit.apis.converters.coco_stuff import table
from segkit.apis.converters.inputs import refuse_inside, require_counts, require_files, require_folders
from segkit.apis.converters.steps import Mask, look_at, map_labels, put_files, try_out, write_masks
from segkit.datasets.coco_stuff_dataset import COCOStuffDataset
from segkit.datasets.listing import list_files
from segkit.datasets.transforms.image_file import decode_mask, read_bytes

COUNTS = dict(train2017=118287, val2017=5000)
# The sha1 are those of GluonCV's scripts/datasets/mscoco.py; of stuffthingmaps none is known to have been published.
ARCHIVES = (
    Archive('http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/stuffthingmaps_trainval2017.zip', '',
            {'': 'annotations'}, {f'annotations/{split}': count for split, count in COUNTS.items()}),
    Archive('http://images.cocodataset.org/zips/val2017.zip', 'sha1:4950dc9d00dbe1c933ee0170f5797584351d2a41',
            {'': 'images'}, {'images/val2017': COUNTS['val2017']}),
    Archive('http://images.cocodataset.org/zips/train2017.zip', 'sha1:10ad623668ab00c62c096f0ed636d6aff41faca5',
            {'': 'images'}, {'images/train2017': COUNTS['train2017']}))
SUFFIX = '_labelTrainIds.png'
_TABLE = table(shift=-1, first=0)
_TABLE[255] = 255


def convert(coco_path: str, out_dir: Optional[str] = None, partial: bool = False, download: bool = False,
            download_dir: Optional[str] = None, processes: Optional[int] = None) -> dict[str, int]:
    """Write ``*_labelTrainIds.png``: 0 to 170, 255 where nothing is labelled.

    Args:
        coco_path: The folder with images/train2017, images/val2017 (COCO's photos), annotations/train2017 and
            annotations/val2017 (stuffthingmaps). With ``partial``, one of the splits is enough.
        out_dir: The folder to write to; ``coco_path`` if None, else the photos are put there too (linked).
        partial: Take splits of other lengths than the official ones.
        download, download_dir: As for :func:`~segkit.apis.converters.archives.provide`.
        processes: As for :func:`~segkit.datasets.parallel.map_in_order`.

    Returns:
        How many samples each split has.

    Raises:
        DataError: If something is missing, damaged, or has labels that name nothing.
        ConfigError: If ``out_dir`` lies among the folders that are read from.
    """
    if download:
        provide(ARCHIVES, coco_path, download_dir)
    splits = [split for split in COUNTS if not partial or osp.isdir(osp.join(coco_path, 'annotations', split))]
    require_folders(coco_path, [f'{kind}/{split}' for split in splits or COUNTS for kind in ('annotations', 'images')],
                    'Unpack stuffthingmaps_trainval2017.zip into annotations, train2017.zip and val2017.zip into '
                    'images,\nor let --download do it.')
    out = out_dir or coco_path
    for kind in ('images', 'annotations'):
        refuse_inside(osp.join(coco_path, kind), out)
    masks, names = [], {}
    for split in splits:
        photos, maps = (osp.join(coco_path, kind, split) for kind in ('images', 'annotations'))
        names[split] = [name.removesuffix('.png') for name in list_files(maps, ['.png']) if not name.endswith(SUFFIX)]
        require_files(photos, names[split], '.jpg', f'photos of {split}')
        masks += [Mask(osp.join(maps, f'{name}.png'), osp.join(out, 'annotations', split, name + SUFFIX),
                       osp.join(photos, f'{name}.jpg')) for name in names[split]]
    require_counts({split: len(some) for split, some in names.items()}, COUNTS, partial,
                   osp.join(coco_path, 'annotations'))
    look_at(masks, 'photos and masks looked at', None, processes)
    if out != coco_path:
        put_files([(mask.photo, osp.join(out, 'images', osp.relpath(mask.photo, osp.join(coco_path, 'images'))))
                   for mask in masks], 'photos put into place')
    write_masks(masks, read_labels, COCOStuffDataset.METAINFO['palette'], 'COCO-Stuff', processes)
    return try_out({split: dict(type='COCOStuffDataset', data_root=out, data_prefix=dict(
        img_path=f'images/{split}', seg_map_path=f'annotations/{split}')) for split in splits})


def read_labels(path: str) -> np.ndarray:
    """The classes of a mask of stuffthingmaps: (H, W) uint8, 0 to 170 and 255."""
    return map_labels(decode_mask(read_bytes(path), path), _TABLE, path,
                      "COCO-Stuff's labels are 171 of 0 to 181, and 255")
