"""Files that lie in the folders of a dataset and are in none of its splits; no registered class lives here."""
import os.path as osp
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.folder_dataset import IMAGE_SUFFIXES, both_cases
from segkit.datasets.listing import is_local, list_files

ANY = tuple(both_cases(IMAGE_SUFFIXES))


class Unlisted(NamedTuple):
    """Paths of photos whose mask is there too, of photos without a mask, and of masks without a photo."""

    pairs: list[str]
    photos: list[str]
    masks: list[str]


def unlisted(parts: Sequence[BaseSegDataset]) -> Unlisted:
    """Compare the folders of all splits with what the splits name.

    A second mask of a photo that has another one in a split is nothing to tell.

    Args:
        parts: The datasets of all splits. Those with files elsewhere than on a local disk, and those that list their
            samples in their own way, are left out.
    """
    used: set[str] = set()
    photo_dirs: dict[str, set[str]] = defaultdict(set)  # folder -> suffixes
    mask_dirs: dict[tuple, set[str]] = defaultdict(set)  # folder, what follows the name, suffixes -> photos' folders
    for part in parts:
        for i in range(len(part)):
            info = part.get_data_info(i)
            used.update(info[key] for key in ('img_path', 'seg_map_path') if info.get(key))
        for source in part.listed_sources:
            if not _is_there(source.img_dir, part):
                continue
            photo_dirs[source.img_dir].update([part.img_suffix] if part.img_suffix else ANY)
            if source.seg_dir is not None and _is_there(source.seg_dir, part):
                suffixes = (part.seg_map_suffix,) if part.seg_map_suffix else ANY
                mask_dirs[source.seg_dir, source.seg_suffix, suffixes].add(source.img_dir)
    photos = {folder: list_files(folder, sorted(suffixes)) for folder, suffixes in photo_dirs.items()}
    stems = {folder: {_without(name, photo_dirs[folder]) for name in names} for folder, names in photos.items()}
    masked: dict[str, set[str]] = defaultdict(set)  # photos' folder -> names that have a mask
    alone: dict[str, None] = {}
    for (folder, usual, suffixes), img_dirs in mask_dirs.items():
        for name in list_files(folder, suffixes):
            stem = _without(name, (usual,) if name.endswith(usual) else suffixes)
            for img_dir in img_dirs:
                masked[img_dir].add(stem)
            if folder + name not in used and not any(stem in stems[img_dir] for img_dir in img_dirs):
                alone[folder + name] = None
    found = Unlisted([], [], [])
    for folder, names in photos.items():
        for name in names:
            if folder + name not in used:
                stem = _without(name, photo_dirs[folder])
                (found.pairs if stem in masked[folder] else found.photos).append(folder + name)
    return found._replace(masks=sorted(set(alone) - set(found.pairs) - set(found.photos)))


def _is_there(folder: str, part: BaseSegDataset) -> bool:
    return is_local(folder, part.backend_args) and osp.isdir(folder or '.')


def same_but_for_case(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of paths that are one file on a disk that does not tell capital letters, or forms of accents, apart."""
    seen: dict[str, str] = {}
    found = []
    for path in paths:
        other = seen.setdefault(unicodedata.normalize('NFC', path).casefold(), path)
        if other != path:
            found.append((other, path))
    return found


def odd_names(paths: Iterable[str]) -> list[str]:
    """Paths whose file name has characters that other programs or disks stumble over."""
    return [path for path in paths if not all(' ' <= letter <= '~' and letter not in '\\"\'*?:<>|$`'
                                              for letter in osp.basename(path))
            or osp.basename(path) != osp.basename(path).strip()]


def _without(name: str, suffixes: Iterable[str]) -> str:
    return next((name[:-len(suffix)] for suffix in suffixes if suffix and name.endswith(suffix)), name)
