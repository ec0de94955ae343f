"""PASCAL Context in photos of VOC 2010; the body of tools/dataset_converters/pascal_context.py."""
import os.path as osp
from typing import Any, Optional

from segkit.apis.converters.archives import Archive, fetch, provide
from segkit.apis.converters.inputs import read_names, require_counts, require_files, require_folders, voc_folder
from segkit.apis.converters.pascal_context_source import paint, read_json, read_label_map, size_only
from segkit.apis.converters.placing import put_file
from segkit.apis.converters.steps import Mask, look_at, try_out, write_list, write_masks
from segkit.datasets.pascal_context_dataset import PascalContextDataset
from segkit.errors import DataError

COUNTS = dict(train=4998, val=5105)
# Address and md5 are those of torchvision.datasets.voc; the sha1 of the JSON file is that of GluonCV's
# scripts/datasets/pascal_context.py. Of the authors' .mat files no digest is known to have been published.
VOC_2010 = Archive('https://thor.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar',
                   'md5:da459979d0c395079b5c75ee67908abb', {'VOCdevkit/VOC2010/': ''}, {'JPEGImages': 10103},
                   [f'ImageSets/Main/{split}.txt' for split in COUNTS])
JSON = Archive('https://codalabuser.blob.core.windows.net/public/trainval_merged.json',
               'sha1:169325d9f7e9047537fedca7b04de4dddf10b881', {}, {})  # it is put at json_path as it is
LABEL_MAPS = Archive('https://cs.stanford.edu/~roozbeh/pascal-context/trainval.tar.gz', '', {'trainval/': '', '': ''},
                     {'': 10103})
MASKS, LISTS, PHOTOS = 'SegmentationClassContext', 'ImageSets/SegmentationContext', 'JPEGImages'


def convert(devkit_path: str, json_path: str, out_dir: Optional[str] = None, partial: bool = False,
            download: bool = False, download_dir: Optional[str] = None,
            processes: Optional[int] = None) -> dict[str, int]:
    """Write SegmentationClassContext (0 background, 1 to 59) and ImageSets/SegmentationContext/{train,val}.txt.

    Args:
        devkit_path: VOCdevkit, which has VOC2010 in it (or that folder itself).
        json_path: trainval_merged.json, or the folder of the authors' .mat files; these are split as VOC 2010's
            ImageSets/Main/{train,val}.txt are.
        out_dir: Folder of the masks; VOC2010/SegmentationClassContext if None.
        partial: Take splits of other lengths than the official ones.
        download, download_dir: As for :func:`~segkit.apis.converters.archives.provide`; it fetches the JSON file where
            ``json_path`` ends with .json, else the .mat files.
        processes: As for :func:`~segkit.datasets.parallel.map_in_order`.

    Returns:
        How many samples each split has.

    Raises:
        DataError: If something is missing, damaged, or has labels that PASCAL Context does not have.
    """
    of_json = json_path.endswith('.json')
    voc = voc_folder(devkit_path, 'VOC2010')
    if download:
        downloads = download_dir or osp.join(devkit_path, 'downloads')
        provide([VOC_2010], voc, downloads)
        if not of_json:
            provide([LABEL_MAPS], json_path, downloads)
        elif not osp.isfile(json_path):
            put_file(str(fetch(JSON, downloads)), json_path, [])
    require_folders(voc, [PHOTOS], f'Unpack {osp.basename(VOC_2010.url)} there, or let --download do it.')
    splits = _of_json(json_path) if of_json else _of_folder(json_path, voc)
    require_counts({split: len(some) for split, some in splits.items()}, COUNTS, partial, json_path)
    names = {split: sorted(some) for split, some in splits.items()}
    masks_dir = out_dir or osp.join(voc, MASKS)
    for split in names:
        require_files(osp.join(voc, PHOTOS), names[split], '.jpg', f'photos of {split}')
    masks = [Mask(splits[split][name], osp.join(masks_dir, f'{name}.png'), osp.join(voc, PHOTOS, f'{name}.jpg'))
             for split in names for name in names[split]]
    look_at(masks, 'photos looked at' if of_json else 'photos and masks looked at',
            size_only if of_json else read_label_map, processes)
    write_masks(masks, paint if of_json else read_label_map, PascalContextDataset.METAINFO['palette'], 'PASCAL Context',
                processes)
    for split, some in names.items():
        write_list(osp.join(voc, LISTS, f'{split}.txt'), some)
    return try_out({f'{split} of {classes}': dict(
        type=kind, data_root=voc, ann_file=f'{LISTS}/{split}.txt',
        data_prefix=dict(img_path=PHOTOS, seg_map_path=osp.relpath(masks_dir, voc)))
        for split in names for classes, kind in ((60, 'PascalContextDataset'), (59, 'PascalContextDataset59'))})


def _of_json(path: str) -> dict[str, dict[str, Any]]:
    """What each photo's mask is made from, by split and name."""
    splits = {}
    for split, photos in read_json(path).items():
        splits[split] = {photo.name: photo for photo in photos}
        if len(splits[split]) < len(photos):
            raise DataError(f'{path} lists a photo of {split} twice.\nFetch it again.')
    return splits


def _of_folder(folder: str, voc: str) -> dict[str, dict[str, Any]]:
    require_folders(folder, [''], f'Name trainval_merged.json, or the folder that {osp.basename(LABEL_MAPS.url)} was '
                    'unpacked into,\nor let --download do it.')
    splits = {}
    for split in COUNTS:
        path = osp.join(voc, 'ImageSets/Main', f'{split}.txt')
        some = read_names(path, f'{osp.basename(VOC_2010.url)} has it.')
        require_files(folder, some, '.mat', f'annotations of {split}')
        splits[split] = {name: osp.join(folder, f'{name}.mat') for name in some}
    return splits
