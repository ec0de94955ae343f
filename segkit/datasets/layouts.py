"""Finding the photos, masks and splits of a folder that nobody described; no registered class lives here."""
import os
import os.path as osp
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from segkit.datasets.folder_dataset import IMAGE_SUFFIXES
from segkit.datasets.listing import list_files, missing_files, read_split, require_folder, shorten
from segkit.errors import DataError

PHOTOS = ('images', 'image', 'imgs', 'img', 'img_dir', 'photos', 'jpegimages')
MASKS = ('masks', 'mask', 'labels', 'label', 'annotations', 'annotation', 'ann_dir', 'gt', 'segmentationclass')
SPLITS = ('train', 'training', 'val', 'valid', 'validation', 'test', 'testing')
VOC = ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation')


class Layout(NamedTuple):
    """What was recognised: a sentence, and for each split the config of its dataset, without classes."""

    what: str
    splits: dict[str, dict[str, Any]]


def role_of(split: str) -> str:
    """What a split of that name is for: 'train', 'val', 'test', or 'all' where it may hold any of them."""
    name = split.lower()
    if name.startswith('trainval'):
        return 'all'
    if name.startswith(('train', 'aug')):
        return 'train'
    return next((role for role in ('val', 'test') if name.startswith(role)), 'all')


def recognise(folder: str) -> Layout:
    """Find out how a data folder is laid out.

    Known are PASCAL VOC's layout (JPEGImages, SegmentationClass and others of that start, ImageSets/Segmentation); a
    folder of photos beside one of masks, which may hold a folder for each split or have split lists beside them
    (train.txt); and a folder for each split that holds both. A folder with one such folder in it is taken for that
    one.

    Raises:
        DataError: If it is none of them.
    """
    require_folder(folder, 'FOLDER', hint='Name a config file or a folder of photos and masks.')
    layout = _layout(folder)
    if layout is not None:
        return layout
    below = {name: found for name in _folders(folder) if (found := _layout(osp.join(folder, name))) is not None}
    if len(below) == 1:
        name, layout = below.popitem()
        return layout._replace(what=f'{name}/: {layout.what}')
    holds = shorten(sorted(name for name in os.listdir(folder) if not name.startswith('.')))
    if below:
        raise DataError(f'{folder} holds several data sets: {shorten(sorted(below))}.\nName one of them.')
    raise DataError(f'No layout of photos and masks recognised in {folder}, which holds: {holds or "nothing"}.\n'
                    f"Expected VOC's ({', '.join(VOC)}), or a folder of photos ({', '.join(PHOTOS[:4])}, ...)\n"
                    f'beside one of masks ({", ".join(MASKS[:4])}, ...), or both in a folder a split (train, val).\n'
                    'For others write a config with a dataset that reads them, and give that.')


def _layout(folder: str) -> Optional[Layout]:
    if all(osp.isdir(osp.join(folder, part)) for part in VOC[:2]):
        return _voc(folder)
    pair = _pair(folder)
    if pair is not None:
        return _beside(folder, *pair)
    splits = {name: found for name in _folders(folder)
              if name.lower() in SPLITS and (found := _pair(osp.join(folder, name), masks_needed=False)) is not None}
    if not any(masks for _, masks in splits.values()):
        return None
    configs = {name: _folder_config(folder, osp.join(name, photos), masks and osp.join(name, masks))
               for name, (photos, masks) in splits.items()}
    photos, masks = next((photos, masks) for photos, masks in splits.values() if masks)
    return Layout(f'a folder for each split ({", ".join(splits)}), with {photos}/ and {masks}/ in it', configs)


def _voc(folder: str) -> Layout:
    """VOC's layout; the masks of a name are looked for in SegmentationClass first."""
    mask_dirs = sorted(name for name in _folders(folder) if name.startswith(VOC[1]))
    img_suffix = _usual_suffix(osp.join(folder, VOC[0]), '.jpg')
    seg_suffix = _usual_suffix(osp.join(folder, VOC[1]), '.png')
    usual = dict(type='BaseSegDataset', data_root=folder, img_suffix=img_suffix, seg_map_suffix=seg_suffix)
    lists = osp.join(folder, VOC[2])
    names = sorted(name for name in os.listdir(lists) if name.endswith('.txt')) if osp.isdir(lists) else []
    splits = {}
    for name in names:
        split, prefix = name.removesuffix('.txt'), dict(img_path=VOC[0], seg_map_path=mask_dirs)
        listed = read_split(osp.join(lists, name))
        if role_of(split) == 'test' and all(len(missing_files(osp.join(folder, masks, ''), listed, seg_suffix)) ==
                                            len(listed) for masks in mask_dirs):
            del prefix['seg_map_path']  # VOC keeps the masks of its test photos to itself
        splits[split] = dict(usual, ann_file=f'{VOC[2]}/{name}', data_prefix=prefix)
    if not splits:
        splits = dict(all=_folder_config(folder, VOC[0], VOC[1]))
    where = f', lists {", ".join(splits)}' if names else ', no split lists'
    return Layout(f"PASCAL VOC's layout: {VOC[0]}/, {', '.join(f'{name}/' for name in mask_dirs)}{where}", splits)


def _beside(folder: str, photos: str, masks: str) -> Layout:
    """A folder of photos beside one of masks."""
    inside = [name for name in _folders(osp.join(folder, photos)) if name.lower() in SPLITS]
    both = [name for name in inside if osp.isdir(osp.join(folder, masks, name))]
    if both:
        return Layout(f'{photos}/ beside {masks}/, a folder for each split in both ({", ".join(both)})', {
            name: _folder_config(folder, f'{photos}/{name}', f'{masks}/{name}' if name in both else None)
            for name in inside})
    lists = [name for name in (f'{split}.txt' for split in (*SPLITS, 'trainval')) if osp.isfile(osp.join(folder, name))]
    usual = _folder_config(folder, photos, masks)
    if lists:
        return Layout(f'{photos}/ beside {masks}/, lists {", ".join(lists)}', {
            name.removesuffix('.txt'): dict(usual, ann_file=name) for name in lists})
    return Layout(f'{photos}/ beside {masks}/, one split', dict(all=usual))


def _pair(folder: str, masks_needed: bool = True) -> Optional[tuple[str, Optional[str]]]:
    """The folders of photos and of masks in a folder."""
    there = {name.lower(): name for name in _folders(folder)}
    photos = next((there[name] for name in PHOTOS if name in there), None)
    masks = next((there[name] for name in MASKS if name in there), None)
    return None if photos is None or (masks is None and masks_needed) else (photos, masks)


def _folder_config(folder: str, photos: str, masks: Optional[str]) -> dict:
    prefix = dict(img_path=photos) if masks is None else dict(img_path=photos, seg_map_path=masks)
    return dict(type='FolderDataset', data_root=folder, data_prefix=prefix)


def _folders(folder: str) -> Sequence[str]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith('.'))
    order = {name: number for number, name in enumerate(SPLITS)}
    return sorted(names, key=lambda name: order.get(name.lower(), len(order)))


def _usual_suffix(folder: str, usual: str) -> str:
    """The suffix of most files of a folder."""
    found = Counter(osp.splitext(name)[1] for name in list_files(folder, ['']))
    known = [suffix for suffix, _ in found.most_common() if suffix.lower() in IMAGE_SUFFIXES]
    return known[0] if known else usual
