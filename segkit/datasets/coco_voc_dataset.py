"""COCO with the classes of PASCAL VOC."""
from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np

from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.coco_index import CocoIndex, require_index
from segkit.datasets.coco_mask_storage import SCHEME, address, opened_index, place_of
from segkit.datasets.coco_masks import RULES
from segkit.datasets.listing import Source, is_local, missing_files, require_folder
from segkit.datasets.pascal_voc_dataset import PascalVOCDataset
from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS


@DATASETS.register_module()
class COCOVOCDataset(BaseSegDataset):
    """COCO's instances as masks of VOC's 20 classes and background, straight from ``instances_<split>.json``.

    Reference: GluonCV's ``data/mscoco/segmentation.py`` (``rule='gluoncv'``; 92,516 photos of train2017 by its own
    count) or torchvision's ``references/segmentation/coco_utils.py`` (``rule='torchvision'``, other masks and another
    choice of photos). Chen et al., Rethinking Atrous Convolution (arXiv 1706.05587), section 4.3, pretrains on about
    60,000 photos by a third rule. COCO's other 60 categories are background.

    The masks are painted once for each file and rule, in several processes, into one file in a cache folder (1.4 KB a
    photo); a run that was interrupted there goes on, and later runs check the file and need neither the annotations
    nor their memory. Loader processes share it. ``tools/dataset_converters/coco_to_voc.py`` writes the same masks as
    PNG files.

    Args:
        ann_file: ``instances_<split>.json``, relative to ``data_root``, on a local disk; or several, each with its
            ``data_prefix.img_path`` where that is a list too.
        data_prefix: ``img_path``, the folder of the photos.
        rule: 'gluoncv': of overlapping instances the first one counts. 'torchvision': where instances overlap, of one
            class too, the label is 255.
        min_pixels: Only photos with more than so many pixels are kept: pixels that are not background for 'gluoncv',
            the sum of the instances' stated ``area`` for 'torchvision'. None keeps all photos of the file, as
            torchvision does to evaluate.
        cache_dir: Where the painted masks are kept; None takes ``$XDG_CACHE_HOME/segkit/coco_masks``, or the same below
            ``~/.cache``. train2017 takes 160 MB.
        processes: How many paint; None takes one for each core, 16 at most.
        **kwargs: As for :class:`BaseSegDataset`; without ``img_suffix`` and ``seg_map_suffix``, since the annotations
            name the files.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError: As :class:`BaseSegDataset` does, and for an unknown rule or an argument about masks in files.
        DataError: If the annotations are missing, damaged or of another kind, or photos are missing or of another
            size than the annotations say.
    """

    METAINFO = PascalVOCDataset.METAINFO
    DICT_KEYS = dict(data_prefix=('img_path',))

    def __init__(self,
                 ann_file: Union[str, Sequence[str]],
                 data_prefix: Optional[dict] = None,
                 rule: str = 'gluoncv',
                 min_pixels: Optional[int] = 1000,
                 cache_dir: Optional[str] = None,
                 processes: Optional[int] = None,
                 **kwargs) -> None:
        if rule not in RULES:
            raise ConfigError(f"COCOVOCDataset.rule is {' or '.join(map(repr, RULES))}; got {rule!r}.")
        refused = sorted({'img_suffix', 'seg_map_suffix'} & set(kwargs)) + sorted(
            {'seg_map_path'} & set(data_prefix or {}))
        if refused:
            raise ConfigError(f'COCOVOCDataset takes no {refused[0]}: photos and masks are those that ann_file names.\n'
                              'Masks in files, as coco_to_voc.py writes them, are read by PascalVOCDataset.')
        self.rule = rule
        self.min_pixels = min_pixels
        self.cache_dir = cache_dir
        self.processes = processes
        prefix = dict(data_prefix or dict(img_path=''), seg_map_path=f'{SCHEME}://')
        super().__init__(ann_file=ann_file, img_suffix='', seg_map_suffix='', data_prefix=prefix, **kwargs)

    def list_names(self) -> tuple[list[str], np.ndarray, list[Source]]:
        """Return the file names of the photos that are kept, for each the index of its source, and the sources."""
        ann_files = [self.ann_file] if isinstance(self.ann_file, str) else self.ann_file
        img_dirs = self.data_prefix['img_path']
        img_dirs = [img_dirs] * len(ann_files) if isinstance(img_dirs, str) else img_dirs
        names, source_of, sources = [], [], []
        for ann_file, img_dir in zip(ann_files, img_dirs):
            if not is_local(ann_file, self.backend_args):
                raise ConfigError(f'COCOVOCDataset.ann_file must be on a local disk; got {ann_file}.')
            require_folder(img_dir, 'data_prefix.img_path', self.backend_args)
            index = require_index(ann_file, self.rule, self.cache_dir, self.processes)
            found = self._kept(index, ann_file)
            names += found
            source_of.append(np.full(len(found), len(sources), np.uint8))
            sources.append(Source(img_dir, '', address(index.path, ''), ''))
        return names, np.concatenate(source_of), sources

    def look_for_files(self, names: Sequence[str], source: Source) -> None:
        """Raise a DataError unless the photos are there."""
        if not is_local(source.img_dir, self.backend_args):
            return
        missing = missing_files(source.img_dir, names, '')
        if missing:
            number = self._number_of(source, missing[0])
            raise DataError(f'The photo {source.img_dir}{missing[0]} is missing (image {number} of the annotations); '
                            f'{len(missing)} of {len(names)} are.\nComplete the folder, or correct '
                            'data_prefix.img_path: it must be that of the split of ann_file.')

    def _kept(self, index: CocoIndex, ann_file: str) -> list[str]:
        rows = index.rows
        kept = np.ones(len(rows), bool)
        if self.min_pixels is not None:
            kept = rows['pixels' if self.rule == 'gluoncv' else 'area'] > self.min_pixels
        if not kept.any():
            raise DataError(f'None of the {len(rows)} photos of {ann_file} has more than {self.min_pixels} pixels of '
                            "VOC's classes.\nLower min_pixels of the dataset, or name another ann_file.")
        return [name.decode() for name in index.names[kept]]

    def _info(self, name: str, source: Source) -> dict[str, Any]:
        info = super()._info(name, source)
        info['size_hint'] = (f'The mask has the size that the annotations give for image '
                             f'{self._number_of(source, name)}: take the photo as COCO ships it, and data_prefix.'
                             'img_path of the split of ann_file.')
        return info

    @staticmethod
    def _number_of(source: Source, name: str) -> int:
        """The annotations' id of a photo."""
        index_path, _ = place_of(source.seg_dir)
        return int(opened_index(index_path).index.row_of(name)['id'])
