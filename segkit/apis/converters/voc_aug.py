"""PASCAL VOC 2012 enlarged by SBD; the body of tools/dataset_converters/voc_aug.py.

Reference: Hariharan et al., Semantic Contours from Inverse Detectors, ICCV 2011 (SBD): 11,355 photos of VOC 2012 with
masks of its 20 classes, without the void border of VOC's own. The set of 10,582 that DeepLab and others train on is
VOC's train list with those of SBD that are neither in train nor in val.
"""
import hashlib
import os.path as osp
from collections.abc import Sequence
from typing import Optional

import numpy as np

from segkit.apis.converters.archives import Archive, provide
from segkit.apis.converters.inputs import read_names, require_counts, require_files, require_folders, voc_folder
from segkit.apis.converters.mat_file import read_mat
from segkit.apis.converters.steps import Mask, look_at, map_labels, try_out, write_list, write_masks
from segkit.datasets.pascal_voc_dataset import PascalVOCDataset
from segkit.datasets.transforms.image_file import decode_mask, read_bytes
from segkit.errors import DataError

# Addresses and digests are those of torchvision.datasets (voc.py, sbd.py).
VOC_2012 = Archive('https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar',
                   'md5:6cd6e144f989b92b3379bac3b3de84fd', {'VOCdevkit/VOC2012/': ''},
                   {'JPEGImages': 17125, 'SegmentationClass': 2913},
                   [f'ImageSets/Segmentation/{split}.txt' for split in ('train', 'val')])
SBD = Archive('https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz',
              'md5:82b4d87ceb2ed10f6038a1cba92111cb',
              {f'benchmark_RELEASE/dataset/{name}': f'dataset/{name}' for name in ('cls/', 'train.txt', 'val.txt')},
              {'dataset/cls': 11355}, ['dataset/train.txt', 'dataset/val.txt'])
LISTS, PHOTOS, OFFICIAL = 'ImageSets/Segmentation', 'JPEGImages', 'SegmentationClass'
# How many names each list has, and the sha256 of the sorted names joined by line ends.
COUNTS = dict(train=1464, aug=9118, trainaug=10582, val=1449)
HASHES = dict(
    train='129f1fe991729b1862115b77738c938c149c1f167baa02b4b3186aea9f0d6a84',
    aug='6d42f86cb89ef37e793748bac95003e09cf3a88ac6453cc678a0c67b45ed0aa5',
    trainaug='855dff350b7f447bf43cb98ea626a32e0d0b3b7c5786e03b2712a21355b635bf',
    val='6f8edc37993764f6e212237d39546fb595246244147e8a050813c520aac0ade1')
_KNOWN = 'the labels are 0 to 20'
_CLASSES = np.arange(21)
_WITH_VOID = np.r_[_CLASSES, np.full(234, -1), 255]


def convert(devkit_path: str, aug_path: str, out_dir: Optional[str] = None, partial: bool = False,
            download: bool = False, download_dir: Optional[str] = None,
            processes: Optional[int] = None) -> dict[str, int]:
    """Write SegmentationClassAug, aug.txt (SBD's additional photos) and trainaug.txt (these and train.txt).

    SegmentationClassAug gets SBD's masks of the additional photos, and VOC's own ones of train and val: wherever a
    photo has an official mask, with its void border, that one is used.

    Args:
        devkit_path: VOCdevkit, which has VOC2012 in it (or that folder itself).
        aug_path: SBD's folder, which has dataset/cls in it.
        out_dir: Folder of the masks; VOC2012/SegmentationClassAug if None.
        partial: Take lists of other lengths and names than the official ones.
        download, download_dir: As for :func:`~segkit.apis.converters.archives.provide`.
        processes: As for :func:`~segkit.datasets.parallel.map_in_order`.

    Returns:
        How many samples train, trainaug and val have.

    Raises:
        DataError: If something is missing or damaged, or a list is not the official one.
    """
    voc = voc_folder(devkit_path, 'VOC2012')
    if download:
        downloads = download_dir or osp.join(devkit_path, 'downloads')
        provide([VOC_2012], voc, downloads)
        provide([SBD], aug_path, downloads)
    require_folders(voc, [PHOTOS, OFFICIAL, LISTS], f'Unpack {VOC_2012.name} there, or let --download do it.')
    require_folders(aug_path, ['dataset/cls'], f'Unpack {SBD.name} there, or let --download do it.')
    lists = _lists(voc, aug_path, partial)
    masks = {'aug': _masks(lists['aug'], osp.join(aug_path, 'dataset/cls'), '.mat', voc, out_dir),
             'train and val': _masks(lists['train'] + lists['val'], osp.join(voc, OFFICIAL), '.png', voc, out_dir)}
    look_at(masks['aug'], 'photos and masks of SBD looked at', read_sbd, processes)
    look_at(masks['train and val'], 'photos and official masks looked at', None, processes)
    for split, read in (('aug', read_sbd), ('train and val', read_official)):
        write_masks(masks[split], read, PascalVOCDataset.METAINFO['palette'], split, processes)
    for name in ('aug', 'trainaug'):
        write_list(osp.join(voc, LISTS, f'{name}.txt'), lists[name])
    made = osp.relpath(_out(voc, out_dir), voc)
    both = [f'{LISTS}/train.txt', f'{LISTS}/aug.txt']
    return try_out({split: dict(type='PascalVOCDataset', data_root=voc, ann_file=files,
                                data_prefix=dict(img_path=PHOTOS, seg_map_path=folders))
                    for split, files, folders in (('train', both[0], OFFICIAL), ('train + aug', both, [OFFICIAL, made]),
                                                  ('trainaug', f'{LISTS}/trainaug.txt', made),
                                                  ('val', f'{LISTS}/val.txt', OFFICIAL))})


def read_sbd(path: str) -> np.ndarray:
    """The labels of one of SBD's cls/*.mat: (H, W) uint8, 0 to 20."""
    return map_labels(read_mat(read_bytes(path), path, 'GTcls', 'Segmentation'), _CLASSES, path, _KNOWN)


def read_official(path: str) -> np.ndarray:
    """The labels of one of VOC's own masks: (H, W) uint8, 0 to 20 and 255."""
    return map_labels(decode_mask(read_bytes(path), path), _WITH_VOID, path, f'{_KNOWN} and 255')


def _lists(voc: str, aug_path: str, partial: bool) -> dict[str, list[str]]:
    """The four lists, compared with the official ones."""
    train, val = (read_names(osp.join(voc, LISTS, f'{split}.txt'), f'{VOC_2012.name} has it.')
                  for split in ('train', 'val'))
    added = [name for split in ('train', 'val')
             for name in read_names(osp.join(aug_path, 'dataset', f'{split}.txt'), f'{SBD.name} has it.')]
    aug = sorted(set(added) - set(train) - set(val))
    lists = dict(train=train, aug=aug, trainaug=sorted({*train, *aug}), val=val)
    require_counts({split: len(names) for split, names in lists.items()}, COUNTS, partial, osp.join(voc, LISTS))
    for split, names in lists.items():
        digest = hashlib.sha256('\n'.join(sorted(names)).encode()).hexdigest()
        if digest != HASHES[split] and not partial:
            raise DataError(f'{osp.join(voc, LISTS, split)}.txt would have {COUNTS[split]:,} names, but not the '
                            f'official ones (sha256 {digest[:12]}..., not {HASHES[split][:12]}...).\nUnpack '
                            f'{VOC_2012.name} and {SBD.name} again, or take these with --partial.')
    require_files(osp.join(voc, PHOTOS), lists['trainaug'] + val, '.jpg', 'photos')
    require_files(osp.join(voc, OFFICIAL), train + val, '.png', 'official masks')
    require_files(osp.join(aug_path, 'dataset/cls'), aug, '.mat', 'masks of SBD')
    return lists


def _masks(names: Sequence[str], folder: str, suffix: str, voc: str, out_dir: Optional[str]) -> list[Mask]:
    return [Mask(osp.join(folder, name + suffix), osp.join(_out(voc, out_dir), f'{name}.png'),
                 osp.join(voc, PHOTOS, f'{name}.jpg')) for name in names]


def _out(voc: str, out_dir: Optional[str]) -> str:
    return out_dir or osp.join(voc, 'SegmentationClassAug')
