"""The dataset every other one here builds on: pairs of an image and a mask under two folders."""
import copy
import os.path as osp
from collections.abc import Callable, Sequence
from typing import Any, Optional, Union

import numpy as np
from mmengine.dataset import BaseDataset, force_full_init

from segkit.datasets.bad_samples import faulty_file, policy_of
from segkit.datasets.listing import Source, first_with_mask, list_files, read_split, require_files, require_folder
from segkit.datasets.metainfo import fit_metainfo
from segkit.datasets.pipeline import Pipeline
from segkit.errors import ConfigError, DataError, refuse_uncalled
from segkit.registry import DATASETS, TRANSFORMS
from segkit.structures import SkippedSample

NAMES = 'utf-8', 'surrogateescape'  # as Python has file names, which on Linux need not be UTF-8
METAINFO_HINT = 'Give METAINFO its classes and palette, and the dataset label_map={stored label: class index}.'


@DATASETS.register_module()
class BaseSegDataset(BaseDataset):
    """Pairs of images and masks that have the same name in two folders, from a split list or from all files there.

    Reference: the arguments are those of MMSegmentation's BaseSegDataset. It differs in that names are kept in one
    array instead of one pickled dict per image, that every file is looked for when the dataset is built, and that an
    ``ann_file`` or a folder may be a list.

    A subclass that overrides ``load_data_list`` (or ``filter_data``) is kept the way MMEngine keeps its datasets.

    Args:
        ann_file: Split list with one name a line, relative to ``data_root``; several lists are read one after the
            other, each with its own ``seg_map_path`` where that is a list too. Empty: every image in the folder.
        img_suffix: What follows the name in an image's file name.
        seg_map_suffix: What follows the name in a mask's file name.
        metainfo: ``classes`` (a subset or another order of the dataset's own classes makes a ``label_map``) and
            ``palette`` (RGB per class; PASCAL VOC's colours where none are given).
        data_root: Folder that relative paths start from.
        data_prefix: ``img_path`` and ``seg_map_path``, the two folders. With a single ``ann_file``, the folders of
            a list of ``seg_map_path`` are searched in turn for each mask. Without ``seg_map_path``: no labels.
        filter_cfg: For subclasses that override ``filter_data``; refused otherwise.
        indices: Use only the first (n) or last (-n) samples, or those with the given indices.
        serialize_data: Keep the names in one array, which loader processes share; else in a list.
        pipeline: Transforms, as configs or as callables.
        test_mode: A transform that returns None is an error whatever ``bad_samples`` says.
        lazy_init: List the files at the first use instead of now.
        max_refetch: How many other samples a training draws, at most, in place of one that is skipped.
        ignore_index: The label of pixels that do not count.
        reduce_zero_label: Label 0 is void and class k is stored as k + 1.
        backend_args: The storage of lists and folders, as in :mod:`mmengine.fileio`. Files in a storage other than
            the local one are not looked for beforehand.
        label_map: Stored label to class index, applied before a choice of ``metainfo.classes``; labels it does not
            name keep their value.
        bad_samples: What to do with a sample whose image or mask is missing, damaged, of the wrong size or kind, or
            has labels out of range, or for which a transform returns None. 'error' ends the run. 'skip' leaves it
            out, said and counted: a training draws another one, an evaluation goes without it. More than 10
            different files end the run all the same; ``dict(policy='skip', limit=n)`` sets that number, below 1 a
            share of the samples.

    Shape:
        - a sample: what the last transform returns; of PackSegInputs ``inputs`` (3, H, W) uint8 and ``data_samples``,
          whose ``gt_sem_seg.data`` is (1, H, W), 0 to K-1 and the ignore index. Without a pipeline: paths only.

    Raises:
        ConfigError: If the classes are missing or do not fit, or an option cannot be used.
        DataError: If a folder or a list is missing, or nothing is listed; if an image or a mask is missing and
            ``bad_samples`` is 'error'. From an index: if the sample cannot be used, likewise.
    """

    METAINFO: dict = {}
    DICT_KEYS = dict(data_prefix=('img_path', 'seg_map_path'))  # what load_config lets this dict hold

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_uncalled(cls, dict(get_label_map=METAINFO_HINT, _update_palette=METAINFO_HINT))
        if 'load_data_list' in vars(cls) and 'DICT_KEYS' not in vars(cls):
            cls.DICT_KEYS = {}  # a class that lists its samples itself may read other folders too

    def __init__(self,
                 ann_file: Union[str, Sequence[str]] = '',
                 img_suffix: str = '.jpg',
                 seg_map_suffix: str = '.png',
                 metainfo: Optional[dict] = None,
                 data_root: Optional[str] = None,
                 data_prefix: Optional[dict] = None,
                 filter_cfg: Optional[dict] = None,
                 indices: Union[int, Sequence[int], None] = None,
                 serialize_data: bool = True,
                 pipeline: Sequence[Union[dict, Callable]] = (),
                 test_mode: bool = False,
                 lazy_init: bool = False,
                 max_refetch: int = 1000,
                 ignore_index: int = 255,
                 reduce_zero_label: bool = False,
                 backend_args: Optional[dict] = None,
                 label_map: Optional[dict] = None,
                 bad_samples: Union[str, dict] = 'error') -> None:
        self.bad_samples = policy_of(bad_samples)
        self.img_suffix = img_suffix
        self.seg_map_suffix = seg_map_suffix
        self.ignore_index = ignore_index
        self.reduce_zero_label = reduce_zero_label
        self.backend_args = copy.copy(backend_args)
        self.data_root = data_root
        self.data_prefix = dict(img_path='', seg_map_path='') if data_prefix is None else dict(data_prefix)
        self.ann_file = ann_file
        self.filter_cfg = copy.deepcopy(filter_cfg)
        self.serialize_data = serialize_data
        self.test_mode = test_mode
        self.max_refetch = max_refetch
        self.data_list: list[dict] = []
        self._indices = indices
        self._lean = (type(self).load_data_list is BaseSegDataset.load_data_list
                      and type(self).filter_data is BaseDataset.filter_data)
        if self._lean:
            self._refuse_unread()
        name, own = type(self).__name__, self.METAINFO
        self._metainfo = fit_metainfo(name, own, self._load_metainfo(metainfo), label_map, ignore_index)
        self._metainfo['reduce_zero_label'] = reduce_zero_label
        self.label_map = self._metainfo['label_map']
        self._join_prefix()
        self.wants_labels = self.data_prefix.get('seg_map_path') is not None and (
            not pipeline or loads_labels(pipeline))
        self.pipeline = Pipeline([TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline])
        if not lazy_init:
            self.full_init()

    @property
    def num_classes(self) -> int:
        """How many classes the masks have after ``label_map``."""
        return len(self._metainfo['classes'])

    @property
    def listed_sources(self) -> list[Source]:
        """The folders and suffixes of the files; none where a subclass lists its samples in its own way."""
        self.full_init()
        return list(self._sources) if self._lean else []

    def full_init(self) -> None:
        """List the samples and look for their files, once."""
        if self._fully_initialized:
            return
        if self._lean:
            names, self._source_of, self._sources = self.list_names()
            if not names:
                raise DataError(f'No file ending with {self.img_suffix} under {self.data_prefix["img_path"]}.\n'
                                'Correct data_prefix.img_path or img_suffix.')
            self._names = np.array([name.encode(*NAMES) for name in names]) if self.serialize_data else names
            if self._indices is not None:
                self._keep(self._indices)
            for k, source in enumerate([] if self.bad_samples.skips else self._sources):
                chosen = [self._name(i) for i in np.flatnonzero(self._source_of == k)]
                self.look_for_files(chosen, source)
            self._fully_initialized = True
        else:
            super().full_init()

    def list_names(self) -> tuple[list[str], np.ndarray, list[Source]]:
        """Return the samples' names, for each the index of its source (uint8), and the sources."""
        img_dirs, seg_dirs = _as_list(self.data_prefix.get('img_path')), _as_list(self.data_prefix.get('seg_map_path'))
        for folder in img_dirs:
            require_folder(folder, 'data_prefix.img_path', self.backend_args, self.missing_hint(folder))
        if self.wants_labels:
            for folder in seg_dirs:
                require_folder(folder, 'data_prefix.seg_map_path', self.backend_args, self.missing_hint(folder))
        lists = _as_list(self.ann_file) if self.ann_file else []
        if len(lists) < 2:
            names = self._names_in(lists[0] if lists else '', img_dirs[0])
            sources = [Source(img_dirs[0], self.img_suffix, folder, self.seg_map_suffix) for folder in seg_dirs]
            return names, first_with_mask(names, sources), sources
        img_dirs, seg_dirs = (dirs * len(lists) if len(dirs) == 1 else dirs for dirs in (img_dirs, seg_dirs))
        names, source_of, sources = [], [], []
        for path, img_dir, seg_dir in zip(lists, img_dirs, seg_dirs):
            found = self._names_in(path, img_dir)
            names += found
            source_of.append(np.full(len(found), len(sources), np.uint8))
            sources.append(Source(img_dir, self.img_suffix, seg_dir, self.seg_map_suffix))
        return names, np.concatenate(source_of), sources

    def load_data_list(self) -> list[dict]:
        """Return one dict per sample, for subclasses that extend this method as MMSegmentation's can be."""
        names, source_of, sources = self.list_names()
        return [self._info(name, sources[k]) for name, k in zip(names, source_of)]

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """Return the dict that the pipeline starts from: paths and what is needed to read the labels."""
        if not self._lean:
            return super().get_data_info(idx)
        info = self._info(self._name(idx), self._sources[self._source_of[idx]])
        info['sample_idx'] = idx if idx >= 0 else len(self) + idx
        return info

    @force_full_init
    def __getitem__(self, idx: int) -> Any:
        """Return what the pipeline makes of a sample, or a SkippedSample in place of one that cannot be used.

        Raises:
            DataError: If the sample cannot be used and ``bad_samples`` is 'error'.
        """
        try:
            sample = self.prepare_data(idx)
        except DataError as error:
            if not self.bad_samples.skips:
                raise
            return self._skipped(idx, error)
        if sample is None:  # MMEngine's datasets would draw another one at random and say nothing
            error = DataError(f"A transform returned None for '{self.get_data_info(idx).get('img_path')}'.\nOnly "
                              "a training whose dataset has bad_samples='skip' leaves such samples out, and counts "
                              "them.")
            if self.test_mode or not self.bad_samples.skips:
                raise error
            return self._skipped(idx, error)
        return sample

    @force_full_init
    def __len__(self) -> int:
        return len(self._names) if self._lean else super().__len__()

    @force_full_init
    def get_subset_(self, indices: Union[int, Sequence[int]]) -> None:
        """Keep only the first (n) or last (-n) samples, or those with the given indices."""
        if self._lean:
            self._keep(indices)
        else:
            super().get_subset_(indices)

    @force_full_init
    def get_subset(self, indices: Union[int, Sequence[int]]) -> 'BaseSegDataset':
        """Return a dataset of some of the samples, chosen as in :meth:`get_subset_`."""
        if not self._lean:
            return super().get_subset(indices)
        subset = copy.copy(self)
        subset._keep(indices)
        return subset

    def look_for_files(self, names: Sequence[str], source: Source) -> None:
        """Raise a DataError unless the samples of a source have their files."""
        require_files(names, source, self.wants_labels, self.backend_args)

    def missing_hint(self, path: str) -> str:
        """What to add to the message about a split list or folder that is not there."""
        return ''

    def _skipped(self, idx: int, error: DataError) -> SkippedSample:
        return SkippedSample(faulty_file(error, self.get_data_info(idx)), ' '.join(str(error).split()),
                             self.max_refetch)

    def _name(self, idx: int) -> str:
        return self._names[idx].decode(*NAMES) if self.serialize_data else self._names[idx]

    def _info(self, name: str, source: Source) -> dict[str, Any]:
        info = dict(img_path=f'{source.img_dir}{name}{source.img_suffix}', label_map=self.label_map,
                    reduce_zero_label=self.reduce_zero_label, seg_fields=[], ignore_index=self.ignore_index,
                    num_classes=self.num_classes)
        if source.seg_dir is not None:
            info['seg_map_path'] = f'{source.seg_dir}{name}{source.seg_suffix}'
        return info

    def _names_in(self, path: str, img_dir: str) -> list[str]:
        """The names in a split list, or those of all images in the folder."""
        if path:
            names = read_split(path, self.missing_hint(path), self.backend_args)
        else:
            names = list_files(img_dir, [self.img_suffix], self.backend_args)
        return [name.removesuffix(self.img_suffix) for name in names]

    def _keep(self, indices: Union[int, Sequence[int]]) -> None:
        if isinstance(indices, int):
            if abs(indices) > len(self._names):
                raise ConfigError(f'indices={indices} asks for more samples than the {len(self._names)} there are.')
            chosen = range(len(self._names))[:indices] if indices >= 0 else range(len(self._names))[indices:]
        else:
            chosen = indices
        if len(chosen) == 0 or max(chosen) >= len(self._names) or min(chosen) < -len(self._names):
            raise ConfigError(f'indices={indices} does not fit a dataset of {len(self._names)} samples.')
        self._source_of = self._source_of[list(chosen)]
        self._names = self._names[list(chosen)] if self.serialize_data else [self._names[i] for i in chosen]

    def _join_prefix(self) -> None:
        """Put ``data_root`` before relative paths; folders get a separator at their end."""
        def join(path: str) -> str:
            return path if '://' in path else osp.join(self.data_root or '', path)

        def join_folder(path: str) -> str:
            return osp.join(join(path), '')

        self.ann_file = _map(join, self.ann_file)
        self.data_prefix = {key: _map(join_folder, value) for key, value in self.data_prefix.items()}

    def _refuse_unread(self) -> None:
        if self.filter_cfg is not None:
            raise ConfigError(f'{type(self).__name__} filters nothing: remove filter_cfg={self.filter_cfg},\n'
                              'or list the wanted samples in an ann_file.')
        unknown = sorted(set(self.data_prefix) - {'img_path', 'seg_map_path'})
        if unknown:
            raise ConfigError(f"data_prefix takes 'img_path' and 'seg_map_path'; {type(self).__name__} got {unknown}.")
        lists = len(_as_list(self.ann_file))
        for key, value in self.data_prefix.items():
            if len(_as_list(value)) not in (1, lists) and (lists > 1 or key == 'img_path'):
                raise ConfigError(f'data_prefix.{key} names {len(value)} folders for {lists} split list(s).\n'
                                  f'Give one folder, or one for each list in ann_file.')


def _map(function: Callable, paths: Union[str, Sequence[str], None]) -> Union[str, list[str], None]:
    if isinstance(paths, (list, tuple)):
        return [function(path) for path in paths]
    return function(paths) if paths else paths


def _as_list(value: Union[str, Sequence[str], None]) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def loads_labels(pipeline: Any) -> bool:
    """Whether a transform that reads the mask stands anywhere in the pipeline, also inside another transform."""
    if isinstance(pipeline, dict):
        kind = pipeline.get('type')
        name = kind if isinstance(kind, str) else getattr(kind, '__name__', '')
        return 'LoadAnnotations' in name or any(map(loads_labels, pipeline.values()))
    if isinstance(pipeline, (list, tuple)):
        return any(map(loads_labels, pipeline))
    return 'LoadAnnotations' in type(pipeline).__name__
