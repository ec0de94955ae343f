"""Datasets out of one file."""
import os.path as osp
from collections.abc import Callable, Sequence
from typing import Any, Optional, Union

import numpy as np

from segkit.datasets.base_seg_dataset import BaseSegDataset, loads_labels
from segkit.datasets.listing import Source, is_local
from segkit.datasets.packed_file import Pack, open_pack, pack_in_use
from segkit.datasets.packed_records import IMAGE, MASK, SUFFIX
from segkit.datasets.packed_storage import address
from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS


@DATASETS.register_module()
class PackedDataset(BaseSegDataset):
    """The samples of any other dataset here, from a file that tools/dataset_converters/pack.py made of it.

    Reference: the packed records of DeepLabV3-Tensorflow's ``convert_voc12.py`` (image and mask as they are in their
    files, size, name), in an LMDB file, with a checksum of each and the labels' rules.

    A sample is the folder's, bit by bit, at the same position: a training from the pack is the one from the folder.
    What the dataset that was packed said of classes, palette, ``label_map``, ``reduce_zero_label`` and
    ``ignore_index`` holds, unless it is said here. Its wrappers are not packed (of a ConcatDataset all samples are, in
    its order).

    Args:
        ann_file: The pack, relative to ``data_root``, on a local disk or one that is mounted as such; or several of the
            same classes and label rules, one after the other.
        data_root: Folder that ``ann_file`` starts from.
        metainfo: ``classes``: a subset or another order of the pack's makes a ``label_map``, as
            :class:`BaseSegDataset` says; ``palette``.
        packed_from: Name of the dataset class that the pack must be made from, such as 'PascalVOCDataset'; None: any.
        pipeline, indices, test_mode, lazy_init, serialize_data, max_refetch, bad_samples: As for
            :class:`BaseSegDataset`. A pack is opened at once with ``lazy_init`` too, since it names the classes.
        label_map, reduce_zero_label, ignore_index: As there; None: the pack's.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError: As :class:`BaseSegDataset` does; also if the pack is not of ``packed_from``, has no masks and the
            pipeline loads some, or the packs differ.
        DataError: If there is no pack, it is not finished, of another version or damaged. From an index: if a record is
            not what was packed, or the pack was replaced since.
    """

    DICT_KEYS: dict = {}

    def __init__(self,
                 ann_file: Union[str, Sequence[str]],
                 data_root: Optional[str] = None,
                 metainfo: Optional[dict] = None,
                 packed_from: Optional[str] = None,
                 pipeline: Sequence[Union[dict, Callable]] = (),
                 indices: Union[int, Sequence[int], None] = None,
                 test_mode: bool = False,
                 lazy_init: bool = False,
                 serialize_data: bool = True,
                 max_refetch: int = 1000,
                 bad_samples: Union[str, dict] = 'error',
                 label_map: Optional[dict] = None,
                 reduce_zero_label: Optional[bool] = None,
                 ignore_index: Optional[int] = None) -> None:
        paths = _paths(ann_file, data_root)
        packs = [open_pack(path) for path in paths]
        facts = packs[0].facts
        _refuse_unfit(packs, packed_from, (metainfo or {}).get('classes'), loads_labels(pipeline))
        self.packed_from = facts.dataset
        self._identities = {path: pack.identity for path, pack in zip(paths, packs)}
        self.METAINFO = dict(classes=facts.classes, palette=facts.palette)
        super().__init__(
            ann_file=ann_file, img_suffix='', seg_map_suffix='', metainfo={**self.METAINFO, **(metainfo or {})},
            data_root=data_root, data_prefix=dict.fromkeys(('img_path', 'seg_map_path')[:1 + facts.masks], ''),
            indices=indices, serialize_data=serialize_data, pipeline=pipeline, test_mode=test_mode,
            lazy_init=lazy_init, max_refetch=max_refetch, bad_samples=bad_samples,
            label_map=facts.label_map if label_map is None else label_map,
            reduce_zero_label=facts.reduce_zero_label if reduce_zero_label is None else reduce_zero_label,
            ignore_index=facts.ignore_index if ignore_index is None else ignore_index)

    @classmethod
    def said_by_files(cls, config: dict) -> dict[str, Any]:
        """What the pack of a config says in the place of keys that are not there; nothing if it cannot be read."""
        try:
            facts = open_pack(_paths(config['ann_file'], config.get('data_root'))[0]).facts
        except (KeyError, IndexError, TypeError, DataError, ConfigError):
            return {}  # building the dataset says why
        return dict(metainfo=dict(classes=facts.classes, palette=facts.palette), label_map=facts.label_map,
                    reduce_zero_label=facts.reduce_zero_label, ignore_index=facts.ignore_index)

    def list_names(self) -> tuple[list[str], np.ndarray, list[Source]]:
        """Return the samples' numbers in their packs, for each the index of its pack, and the packs."""
        numbers, source_of, sources = [], [], []
        for path in _paths(self.ann_file, None):
            size = len(self._pack(path))
            numbers += map(str, range(size))
            source_of.append(np.full(size, len(sources), np.uint8))
            sources.append(Source(path, '', path if 'seg_map_path' in self.data_prefix else None, ''))
        return numbers, np.concatenate(source_of), sources

    def look_for_files(self, names: Sequence[str], source: Source) -> None:
        """Do nothing: that a pack has all its records was seen when it was opened."""

    def _info(self, name: str, source: Source) -> dict[str, Any]:
        info, number = super()._info(name, source), int(name)
        names = self._pack(source.img_dir).names(number)
        info['img_path'] = address(source.img_dir, number, IMAGE, names.image)
        if source.seg_dir is not None:
            info['seg_map_path'] = address(source.img_dir, number, MASK, names.mask)
        return info

    def _pack(self, path: str) -> Pack:
        pack = pack_in_use(path)
        if pack.identity != self._identities[path]:
            raise DataError(f'The pack {path} is another one than when the run began.\nStart the run again.')
        return pack


def _paths(ann_file: Union[str, Sequence[str]], data_root: Optional[str]) -> list[str]:
    """Where the packs lie.

    Raises:
        ConfigError: If that is not on a local disk, or is no pack by its name.
    """
    given = [ann_file] if isinstance(ann_file, str) else list(ann_file)
    paths = [path if '://' in path else osp.join(data_root or '', path) for path in given]
    wrong = next((path for path in paths or [''] if not path.endswith(SUFFIX) or not is_local(path, None)), None)
    if wrong is not None:
        raise ConfigError(f"PackedDataset.ann_file: expected the path of a pack, such as 'train{SUFFIX}', on a local "
                          f'or mounted disk; got {wrong!r}.')
    return paths


def _refuse_unfit(packs: Sequence[Pack], packed_from: Optional[str], classes: Any, with_masks: bool) -> None:
    """Raise a ConfigError unless the packs are what the config says, and alike."""
    first = packs[0]
    for pack in packs:
        if packed_from is not None and pack.facts.dataset != packed_from:
            raise ConfigError(f'{pack.path} was packed from {pack.facts.dataset}, expected {packed_from} '
                              '(dataset key packed_from).\nName another pack in ann_file, or correct packed_from.')
        for key in ('classes', 'label_map', 'reduce_zero_label', 'ignore_index', 'masks'):
            one, other = getattr(first.facts, key), getattr(pack.facts, key)
            if one != other:
                raise ConfigError(f'ann_file names packs of different {key}: {first.path} has {_short(one)},\n'
                                  f'{pack.path} {_short(other)}.\nJoin only packs that are alike.')
    own = first.facts.classes
    foreign = [one for one in classes if one not in own] if isinstance(classes, (list, tuple)) else []
    if foreign:
        raise ConfigError(f'metainfo.classes has {foreign[0]!r}, which {first.path} does not have (packed from '
                          f'{first.facts.dataset}).\nIts {len(own)} classes: {", ".join(own)}.')
    if with_masks and not first.facts.masks:
        raise ConfigError(f'{first.path} has no masks, and the pipeline reads some.\nPack the data with a config whose '
                          'pipeline has LoadAnnotations, or leave that out.')


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f'{text[:97]}...'
