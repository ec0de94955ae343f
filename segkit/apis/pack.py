"""The datasets of a config as packed records; the body of tools/dataset_converters/pack.py."""
import os
import os.path as osp
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Optional

from segkit.apis.output_folders import data_folders, refuse_inputs
from segkit.datasets import BaseSegDataset, bad_sample_limit, check_dataset, leaves
from segkit.datasets.listing import shorten
from segkit.datasets.packed_dataset import PackedDataset
from segkit.datasets.packed_file import open_pack
from segkit.datasets.packed_pages import DamagedPackError
from segkit.datasets.packed_records import SUFFIX, PackFacts
from segkit.datasets.packed_samples import Sample, difference
from segkit.datasets.packed_storage import is_packed
from segkit.datasets.packed_verify import damaged_records
from segkit.datasets.packed_writer import require_lmdb, write_pack
from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS

if TYPE_CHECKING:
    from mmengine.config import Config

# What a sample's dict may say beside its paths: all that a PackedDataset says of it again.
TOLD = {'img_path', 'seg_map_path', 'label_map', 'reduce_zero_label', 'seg_fields', 'ignore_index', 'num_classes',
        'sample_idx', 'size_hint'}


def pack_splits(cfg: 'Config', out_dir: str, splits: Sequence[str] = ('train', 'val'), overwrite: bool = False,
                processes: Optional[int] = None) -> dict[str, int]:
    """Write ``out_dir/<split>.lmdb`` for the dataset of each split's dataloader.

    A pack that is there is left if it holds these files unchanged, and read whole to see that. One that was
    interrupted is gone on with. Of a dataset in wrappers the innermost is packed; of a ConcatDataset all, one after
    the other.

    Args:
        cfg: A loaded config.
        out_dir: Folder, made if it is not there.
        splits: Some of 'train', 'val', 'test'.
        overwrite: Replace a pack of other data, or one that is damaged.
        processes: How many read, as for :func:`~segkit.datasets.parallel.map_in_order`.

    Returns:
        How many samples each pack has.

    Raises:
        ConfigError: If a split is not in the config, its datasets cannot be packed, another pack is in the way, or a
            package is missing.
        DataError: If the data cannot be used, or the pack not be written.
    """
    require_lmdb()
    found = {}
    for split in splits:  # every list and file is looked at before the first pack is written
        path = osp.join(out_dir, f'{split}{SUFFIX}')
        if osp.isdir(path):
            raise ConfigError(f'{path} is a folder, and the pack of {split} would be a file there.\nMove it '
                              'away, or name another OUT_DIR.')
        loader = cfg.get(f'{split}_dataloader')
        if loader is None:
            raise ConfigError(f'The config has no {split}_dataloader: there is nothing to pack for --split {split}.')
        refuse_inputs('OUT_DIR', out_dir, data_folders(cfg, split))
        dataset = DATASETS.build(loader.dataset)
        skipped: dict[str, str] = {}
        print(f'{split}: {check_dataset(dataset, found=skipped)}', flush=True)
        found[split] = (facts_of(dataset, split), samples_of(dataset), bad_sample_limit(dataset) or 0)
    return {split: _pack(osp.join(out_dir, f'{split}{SUFFIX}'), *of_split, overwrite, processes)
            for split, of_split in found.items()}


def verify_packs(paths: Sequence[str], processes: Optional[int] = None) -> Iterator[str]:
    """Read every byte of some packs, and tell of each that it is whole.

    Raises:
        DataError: At the first one that is not, with its damaged records.
    """
    for path in paths:
        pack = open_pack(path)
        faults = damaged_records(path, processes)
        if faults:
            listed = ''.join(f'\n  {fault}' for fault in faults)
            print(f'{path}: damaged records:{listed}', flush=True)
            raise DataError(f'{len(faults)} of the records of {path} are not what was packed; first:\n{faults[0]}\n'
                            'Copy the pack again, or make it anew with --overwrite.')
        facts = pack.facts
        yield (f'{path}: whole; {len(pack)} samples of {facts.dataset}, {len(facts.classes)} classes, '
               f'{"with" if facts.masks else "without"} masks, {pack.state[2] / 1e6:,.1f} MB')


def facts_of(dataset: Any, split: str) -> PackFacts:
    """What holds for every dataset inside any wrappers.

    Raises:
        ConfigError: If there is none of this package, or they differ.
    """
    parts = list(leaves(dataset))
    if not parts:
        raise ConfigError(f'{split}_dataloader.dataset is a {type(dataset).__name__}, whose files segkit cannot find.\n'
                          'Datasets that can be packed are those that extend BaseSegDataset.')
    every = [_facts_of(part) for part in parts]
    for key in PackFacts._fields:
        others = [getattr(facts, key) for facts in every if getattr(facts, key) != getattr(every[0], key)]
        if others and key != 'dataset':
            raise ConfigError(f'{split}_dataloader.dataset joins datasets of different {key}:\n'
                              f'{str(getattr(every[0], key))[:100]} and {str(others[0])[:100]}.\nPack them one by one.')
    return every[0]._replace(dataset=' + '.join(dict.fromkeys(facts.dataset for facts in every)))


def samples_of(dataset: Any) -> list[Sample]:
    """The files of every sample, in order.

    Raises:
        ConfigError: If a sample says more of itself than a pack keeps.
    """
    found = []
    for part in leaves(dataset):
        for index in range(len(part)):
            info = part.get_data_info(index)
            more = sorted(set(info) - TOLD)
            if more:
                raise ConfigError(f'The samples of {type(part).__name__} say {more[0]!r} of themselves, which a pack '
                                  'does not keep.\nPacked are images, masks, and what a dataset says of all labels.')
            seg_path = info['seg_map_path'] if part.wants_labels else ''
            found.append(Sample(info['img_path'], seg_path, _name(info['img_path'], part),
                                _name(seg_path, part) if seg_path else '', part.backend_args))
    return found


def _facts_of(part: BaseSegDataset) -> PackFacts:
    kind = part.packed_from if isinstance(part, PackedDataset) else type(part).__name__
    meta = part.metainfo
    palette = [[int(value) for value in color] for color in meta['palette']]
    return PackFacts(kind, tuple(meta['classes']), palette, part.label_map, part.reduce_zero_label, part.ignore_index,
                     part.wants_labels)


def _name(path: str, part: BaseSegDataset) -> str:
    """The name of a file below the data root; of one elsewhere its last three parts."""
    if is_packed(path):
        return path.split('#', 1)[1].split('/', 2)[2]
    inside = path.rpartition('#')[2] if '://' in path else path
    below = osp.relpath(inside, part.data_root) if part.data_root and '://' not in path else inside
    return '/'.join(inside.split('/')[-3:]) if below.startswith(('..', '/')) else below


def _pack(path: str, facts: PackFacts, samples: Sequence[Sample], skip_limit: int, overwrite: bool,
          processes: Optional[int]) -> int:
    if osp.lexists(path):
        reason = _in_the_way(path, facts, samples, processes)
        if reason is None:
            print(f'{path} holds these files already, and is whole.', flush=True)
            return len(open_pack(path))
        if not overwrite:
            raise ConfigError(f'{path} is there, and {reason}.\n--overwrite replaces it; or name another OUT_DIR.')
    for reason in write_pack(path, facts, samples, skip_limit, processes):
        print(f'left out: {reason}', flush=True)
    pack = open_pack(path)
    files = (1 + facts.masks) * len(pack)
    print(f'{path}: {len(pack)} samples, {files} files, {os.path.getsize(path) / 1e6:,.1f} MB', flush=True)
    return len(pack)


def _in_the_way(path: str, facts: PackFacts, samples: Sequence[Sample], processes: Optional[int]) -> Optional[str]:
    """Why the pack that is there cannot stay: it is damaged, or in what it differs from the one that would be written;
    None if it can."""
    other = 'is not the pack that would be written'
    try:
        pack = open_pack(path)
    except DamagedPackError as error:
        return f'is damaged: {_first_line(error).split(" is damaged: ", 1)[-1]}'
    except DataError as error:
        return f'{other}: {_first_line(error)}'
    for key in PackFacts._fields:
        if getattr(pack.facts, key) != getattr(facts, key):
            return f'{other}: {_unlike(key, getattr(pack.facts, key), getattr(facts, key))}'
    names = [tuple(pack.names(number)) for number in range(len(pack.rows))]
    changed = difference(samples, pack.rows, names, processes)
    if changed is not None:
        return f'{other}: {changed[1]}'
    faults = damaged_records(path, processes)
    return f'is damaged: {faults[0].rstrip(".")}' if faults else None


def _first_line(error: DataError) -> str:
    return str(error).splitlines()[0].rstrip('.')


def _unlike(key: str, there: Any, wanted: Any) -> str:
    """In what two values of a fact differ, short however long they are."""
    if isinstance(wanted, (list, tuple)) and len(there) == len(wanted):
        i = next(i for i, (one, other) in enumerate(zip(there, wanted)) if one != other)
        return f'its {key} differ, first {i}: {there[i]}, not {wanted[i]}'
    if isinstance(wanted, (list, tuple)):
        return f'its {key} are {_some(there)}; those of the config {_some(wanted)}'
    return f'its {key} is {_some(there)}, not {_some(wanted)}'


def _some(value: Any) -> str:
    if isinstance(value, dict):
        return f'{{{shorten([f"{one}: {other}" for one, other in value.items()])}}}'
    return shorten(list(map(str, value))) if isinstance(value, (list, tuple)) else str(value)
