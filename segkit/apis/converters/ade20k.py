"""ADE20K's scene parsing benchmark, checked; the body of tools/dataset_converters/ade20k.py."""
import os.path as osp
from typing import Optional

import numpy as np

from segkit.apis.converters.archives import Archive, provide
from segkit.apis.converters.inputs import require_counts, require_files, require_folders
from segkit.apis.converters.steps import Mask, look_at, map_labels, read_all, try_out
from segkit.datasets.listing import list_files
from segkit.datasets.transforms.image_file import decode_mask, read_bytes

COUNTS = dict(training=20210, validation=2000)
# The sha1 is that of GluonCV's scripts/datasets/ade20k.py.
ADE = Archive('http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip',
              'sha1:219e1696abb36c8ba3a3afe7fb2f4b4606a897c7', {'ADEChallengeData2016/': ''},
              {f'{kind}/{split}': count for kind in ('images', 'annotations') for split, count in COUNTS.items()})


def convert(ade_path: str, partial: bool = False, download: bool = False, download_dir: Optional[str] = None,
            processes: Optional[int] = None) -> dict[str, int]:
    """Check every photo and mask; the benchmark's files are read as they are, so nothing is written.

    Args:
        ade_path: ADEChallengeData2016, with images and annotations in it.
        partial: Take splits of other lengths than the official ones.
        download, download_dir: As for :func:`~segkit.apis.converters.archives.provide`.
        processes: As for :func:`~segkit.datasets.parallel.map_in_order`.

    Returns:
        How many samples each split has.

    Raises:
        DataError: If something is missing, damaged, or has labels that the benchmark does not have.
    """
    if download:
        provide([ADE], ade_path, download_dir)
    require_folders(ade_path, list(ADE.holds), f'Unpack {ADE.name} and name its ADEChallengeData2016, or let '
                    '--download do it.')
    names = {split: [name.removesuffix('.jpg') for name in list_files(osp.join(ade_path, 'images', split), ['.jpg'])]
             for split in COUNTS}
    require_counts({split: len(some) for split, some in names.items()}, COUNTS, partial,
                   osp.join(ade_path, 'images'))
    masks = []
    for split, some in names.items():
        photos, annotations = (osp.join(ade_path, kind, split) for kind in ('images', 'annotations'))
        require_files(annotations, some, '.png', f'masks of {split}')
        masks += [Mask(osp.join(annotations, f'{name}.png'), '', osp.join(photos, f'{name}.jpg')) for name in some]
    look_at(masks, 'photos and masks looked at', None, processes)
    read_all(masks, read_labels, 'masks read', processes)
    return try_out({split: dict(type='ADE20KDataset', data_root=ade_path, data_prefix=dict(
        img_path=f'images/{split}', seg_map_path=f'annotations/{split}')) for split in names})


def read_labels(path: str) -> np.ndarray:
    """The stored labels of a mask: (H, W) uint8, 0 is "other", 1 to 150 the classes."""
    return map_labels(decode_mask(read_bytes(path), path), np.arange(151), path, "ADE20K's labels are 0 to 150")
