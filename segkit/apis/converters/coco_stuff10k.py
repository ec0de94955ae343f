"""COCO-Stuff 10k, version 1.1; the body of tools/dataset_converters/coco_stuff10k.py.

Reference: as for coco_stuff164k. Its .mat files hold, as S, COCO's number, and 0 where nothing is labelled.
"""
import os.path as osp
from typing import Optional

import numpy as np

from segkit.apis.converters.archives import Archive, provide
from segkit.apis.converters.coco_stuff import table
from segkit.apis.converters.inputs import read_names, require_counts, require_files, require_folders
from segkit.apis.converters.mat_file import read_mat
from segkit.apis.converters.steps import Mask, look_at, map_labels, put_files, try_out, write_masks
from segkit.datasets.coco_stuff_dataset import COCOStuffDataset
from segkit.datasets.transforms.image_file import read_bytes

COUNTS = dict(train=9000, test=1000)
# No digest of it is known to have been published.
TEN_K = Archive('http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/cocostuff-10k-v1.1.zip', '',
                {f'{folder}/': folder for folder in ('images', 'annotations', 'imageLists')},
                dict(images=10000, annotations=10000), [f'imageLists/{split}.txt' for split in COUNTS])
_TABLE = table(shift=0, first=1)
_TABLE[0] = 0


def convert(coco_path: str, out_dir: Optional[str] = None, partial: bool = False, download: bool = False,
            download_dir: Optional[str] = None, processes: Optional[int] = None) -> dict[str, int]:
    """Write ``*_labelTrainIds.png`` (1 to 171, 0 where nothing is labelled), and sort photos and masks by split.

    Args:
        coco_path: The folder with images, annotations (.mat) and imageLists of the archive.
        out_dir: The folder to write images/{train,test}2014 and annotations/{train,test}2014 into; ``coco_path`` if
            None. Photos are linked, and copied where that cannot be.
        partial: Take lists of other lengths than the official ones.
        download, download_dir: As for :func:`~segkit.apis.converters.archives.provide`.
        processes: As for :func:`~segkit.datasets.parallel.map_in_order`.

    Returns:
        How many samples each split has.

    Raises:
        DataError: If something is missing, damaged, or has labels that name nothing.
    """
    if download:
        provide([TEN_K], coco_path, download_dir)
    require_folders(coco_path, ['images', 'annotations', 'imageLists'],
                    f'Unpack {TEN_K.name} there, or let --download do it.')
    names = {split: read_names(osp.join(coco_path, 'imageLists', f'{split}.txt'), f'{TEN_K.name} has it.')
             for split in COUNTS}
    require_counts({split: len(some) for split, some in names.items()}, COUNTS, partial,
                   osp.join(coco_path, 'imageLists'))
    photos, maps, out = osp.join(coco_path, 'images'), osp.join(coco_path, 'annotations'), out_dir or coco_path
    masks = []
    for split, some in names.items():
        require_files(photos, some, '.jpg', f'photos of {split}')
        require_files(maps, some, '.mat', f'masks of {split}')
        made = osp.join(out, f'annotations/{split}2014')
        masks += [Mask(osp.join(maps, f'{name}.mat'), osp.join(made, f'{name}_labelTrainIds.png'),
                       osp.join(photos, f'{name}.jpg')) for name in some]
    look_at(masks, 'photos and masks looked at', read_labels, processes)
    put_files([(mask.photo, osp.join(out, 'images', osp.basename(osp.dirname(mask.target)), osp.basename(mask.photo)))
               for mask in masks], 'photos put into place')
    write_masks(masks, read_labels, [[0, 0, 0], *COCOStuffDataset.METAINFO['palette']], 'COCO-Stuff', processes)
    return try_out({split: dict(type='COCOStuffDataset', data_root=out, reduce_zero_label=True, data_prefix=dict(
        img_path=f'images/{split}2014', seg_map_path=f'annotations/{split}2014')) for split in names})


def read_labels(path: str) -> np.ndarray:
    """The stored labels of a mask: (H, W) uint8, 0 to 171."""
    return map_labels(read_mat(read_bytes(path), path, 'S'), _TABLE, path,
                      "COCO-Stuff's labels are 171 of 1 to 182, and 0")
