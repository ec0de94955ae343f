"""People's own images and masks."""
import os.path as osp
from collections import Counter
from collections.abc import Sequence
from typing import Optional, Union

import numpy as np

from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.listing import Source, list_files, read_split, require_folder
from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')


@DATASETS.register_module()
class FolderDataset(BaseSegDataset):
    """Images in one folder and masks of the same names in another; the suffixes are found.

    Reference: none outside; it takes the place of the dataset class that MMSegmentation asks its users to write.

    A mask belongs to the image whose name it starts with: ``a.jpg`` goes with ``a.png``, or with ``a_mask.png`` where
    all masks are named so. Images may have several suffixes; sub-folders are read too.

    Args:
        metainfo: ``classes``, and ``palette`` if wanted; else the classes get bright colours far apart.
        data_root: Folder that relative paths start from.
        data_prefix: ``img_path`` and ``seg_map_path``, the two folders. Without ``seg_map_path``: no labels.
        ann_file: Split list(s) with one name a line, with or without suffix; empty: every image.
        img_suffix: What follows the name in an image's file name; None: found.
        seg_map_suffix: What follows the name in a mask's file name; None: found.
        **kwargs: As for :class:`BaseSegDataset`.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError: As :class:`BaseSegDataset` does, and if images and masks cannot be told apart.
        DataError: Also if two images have the same name, or no mask can be told to belong to an image.
    """

    def __init__(self,
                 metainfo: dict,
                 data_root: Optional[str] = None,
                 data_prefix: Optional[dict] = None,
                 ann_file: Union[str, Sequence[str]] = '',
                 img_suffix: Optional[str] = None,
                 seg_map_suffix: Optional[str] = None,
                 **kwargs) -> None:
        prefix = dict(img_path='images', seg_map_path='masks') if data_prefix is None else data_prefix
        if any(isinstance(folder, (list, tuple)) for folder in prefix.values()):
            raise ConfigError('FolderDataset takes one folder of images and one of masks;\n'
                              'join several with dict(type=\'ConcatDataset\', datasets=[...]).')
        super().__init__(ann_file=ann_file, img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, metainfo=metainfo,
                         data_root=data_root, data_prefix=prefix, **kwargs)

    def list_names(self) -> tuple[list[str], np.ndarray, list[Source]]:
        """Return the samples' names, for each the index of its pair of suffixes, and those."""
        img_dir, seg_dir = self.data_prefix['img_path'], self.data_prefix.get('seg_map_path')
        require_folder(img_dir, 'data_prefix.img_path', self.backend_args)
        img_suffix_of = self._images(img_dir, seg_dir)
        names = list(img_suffix_of)
        if self.ann_file:
            lists = [self.ann_file] if isinstance(self.ann_file, str) else self.ann_file
            listed = [name for path in lists for name in read_split(path, backend_args=self.backend_args)]
            names = [name if name in img_suffix_of else self._split(name)[0] for name in listed]
        usual = next(iter(img_suffix_of.values()))
        seg_suffix_of = dict.fromkeys(names, self.seg_map_suffix or '.png')
        if self.wants_labels:
            require_folder(seg_dir, 'data_prefix.seg_map_path', self.backend_args)
            if not self.seg_map_suffix:
                masks = list_files(seg_dir, both_cases(IMAGE_SUFFIXES), self.backend_args)
                seg_suffix_of = _match(names, masks, seg_dir)
        sources: dict[Source, int] = {}
        source_of = np.empty(len(names), np.uint8)
        for i, name in enumerate(names):
            source = Source(img_dir, img_suffix_of.get(name, usual), seg_dir, seg_suffix_of[name])
            source_of[i] = sources.setdefault(source, len(sources))
        return names, source_of, list(sources)

    def _images(self, img_dir: str, seg_dir: Optional[str]) -> dict[str, str]:
        """Name to suffix of every image in the folder."""
        if not self.img_suffix and img_dir == seg_dir:
            raise ConfigError(f'Images and masks both lie in {img_dir}: give img_suffix and seg_map_suffix,\n'
                              "for example '.jpg' and '.png', to tell them apart.")
        wanted = [self.img_suffix] if self.img_suffix else both_cases(IMAGE_SUFFIXES)
        suffix_of: dict[str, str] = {}
        for file in list_files(img_dir, wanted, self.backend_args):
            name, suffix = self._split(file)
            if name in suffix_of:
                raise DataError(f"Two images are called '{name}' in {img_dir}: {suffix_of[name]} and {suffix}.\n"
                                'Remove one, or give img_suffix.')
            suffix_of[name] = suffix
        if not suffix_of:
            raise DataError(f'No images in {img_dir} (dataset key data_prefix.img_path).\n'
                            f'Expected files ending with {", ".join(wanted[:7])}.')
        return suffix_of

    def _split(self, file: str) -> tuple[str, str]:
        if self.img_suffix:
            return file.removesuffix(self.img_suffix), self.img_suffix
        return osp.splitext(file) if file.lower().endswith(IMAGE_SUFFIXES) else (file, '')


def both_cases(suffixes: Sequence[str]) -> list[str]:
    """The suffixes in small and in capital letters."""
    return [*suffixes, *(suffix.upper() for suffix in suffixes)]


def _match(names: Sequence[str], masks: Sequence[str], folder: str) -> dict[str, str]:
    """For each name the suffix of its mask: of those that fit, the one that fits most images.

    A name without a mask gets the most usual suffix, so that the mask is missed under the name it should have.
    """
    present = set(masks)
    some = names[::max(len(names) // 50, 1)]
    tried = {mask[len(name):] for name in some for mask in masks if mask.startswith(name)}
    fits = Counter({suffix: sum(name + suffix in present for name in names) for suffix in tried})
    if not fits:
        raise DataError(f"No mask in {folder} starts with the name of an image, such as '{names[0]}'.\n"
                        f'It holds {len(masks)} files' + (f", such as '{masks[0]}'." if masks else '.'))
    ranked = [suffix for suffix, _ in fits.most_common()]
    return {name: next((suffix for suffix in ranked if name + suffix in present), ranked[0]) for name in names}
