"""Finding the files of a dataset: split lists, folders, and what to say when something is not there."""
import os
import os.path as osp
from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np
from mmengine import fileio

from segkit.errors import DataError


class Source(NamedTuple):
    """What is put around a sample's name to make the paths of its image and of its mask.

    The folders end with a separator (or are empty); ``seg_dir`` is None where there are no labels.
    """

    img_dir: str
    img_suffix: str
    seg_dir: Optional[str]
    seg_suffix: str


def is_local(path: str, backend_args: Optional[dict]) -> bool:
    """Whether the operating system can list this path: no other storage was named."""
    return '://' not in path and (backend_args or {}).get('backend', 'local') == 'local'


def require_folder(folder: str, key: str, backend_args: Optional[dict] = None, hint: str = '') -> None:
    """Raise a DataError that says how far the path is right, unless ``folder`` exists.

    Args:
        folder: The folder.
        key: The config key it comes from.
        backend_args: The storage; one that is not local is not asked.
        hint: How to get the folder, if that is known.
    """
    if not is_local(folder, backend_args) or osp.isdir(folder or '.'):
        return
    parent = osp.dirname(osp.abspath(folder))
    while not osp.isdir(parent):
        parent = osp.dirname(parent)
    start = '' if osp.isabs(folder) else f'; a relative path, looked for from the current folder {os.getcwd()}'
    holds = sorted(name for name in os.listdir(parent) if not name.startswith('.'))
    raise DataError(f'The folder does not exist: {folder} (dataset key {key}){start}.\n'
                    f'The path is right up to {parent}, which holds: {shorten(holds) if holds else "nothing"}.\n'
                    + (hint or f'Correct data_root or {key}.'))


def read_split(path: str, hint: str = '', backend_args: Optional[dict] = None) -> list[str]:
    """Return the names in a split list, one a line, empty lines left out.

    Args:
        path: The list.
        hint: What else to say when the list is not there.
        backend_args: The storage it lies in.

    Raises:
        DataError: If the list does not exist or names nothing.
    """
    if is_local(path, backend_args):
        if not osp.isfile(path):
            folder = osp.dirname(path) or '.'
            require_folder(folder, 'ann_file', hint=hint)
            there = sorted(name for name in os.listdir(folder) if name.endswith('.txt'))
            raise DataError(f'The split list does not exist: {path} (dataset key ann_file).\n'
                            f'Lists in that folder: {shorten(there) if there else "none"}.' + (hint and f'\n{hint}'))
        try:
            with open(path, encoding='utf-8-sig') as file:  # Windows editors put a mark before the first name
                lines = file.read().splitlines()
        except UnicodeDecodeError as error:
            raise DataError(f'The split list {path} is not a text file (dataset key ann_file).\n'
                            'Expected one name a line, without folder and suffix.') from error
    else:
        lines = fileio.list_from_file(path, backend_args=backend_args)
    names = [name for name in map(str.strip, lines) if name]
    if not names:
        raise DataError(f'The split list is empty: {path} (dataset key ann_file).\n'
                        'Expected one name a line, without folder and suffix.')
    return names


def list_files(folder: str, suffixes: Sequence[str], backend_args: Optional[dict] = None) -> list[str]:
    """Return the files under ``folder``, at any depth, that end with one of ``suffixes``; paths relative to it, sorted.

    Hidden files and folders are left out.
    """
    suffixes = tuple(suffixes)
    if not is_local(folder, backend_args):
        return sorted(fileio.list_dir_or_file(folder, list_dir=False, suffix=suffixes, recursive=True,
                                              backend_args=backend_args))
    found, waiting = [], ['']
    while waiting:
        below = waiting.pop()
        with os.scandir(osp.join(folder, below) or '.') as entries:
            for entry in entries:
                if entry.name.startswith('.'):
                    continue
                if entry.name.endswith(suffixes):
                    found.append(below + entry.name)
                elif entry.is_dir():
                    waiting.append(f'{below}{entry.name}/')
    return sorted(found)


def missing_files(folder: str, names: Sequence[str], suffix: str) -> list[str]:
    """Return those of ``names`` for which ``folder/name + suffix`` does not exist.

    Each folder is listed once, which asks less of a network disk than one question per file.
    """
    present: dict[str, set[str]] = {}
    missing = []
    for name in names:
        below, _, base = name.rpartition('/')
        if below not in present:
            path = osp.join(folder, below) or '.'
            present[below] = set(os.listdir(path)) if osp.isdir(path) else set()
        if base + suffix not in present[below]:
            missing.append(name)
    return missing


def first_with_mask(names: Sequence[str], sources: Sequence[Source]) -> np.ndarray:
    """Return for each name the index (uint8) of the first source that has its mask; 0 where none has it."""
    source_of = np.zeros(len(names), np.uint8)
    if len(sources) > 1:
        waiting = np.ones(len(names), bool)
        for k, source in enumerate(sources):
            absent = set(missing_files(source.seg_dir, names, source.seg_suffix))
            here = waiting & np.array([name not in absent for name in names])
            source_of[here] = k
            waiting &= ~here
    return source_of


def require_files(names: Sequence[str], source: Source, with_masks: bool, backend_args: Optional[dict]) -> None:
    """Raise a DataError naming the first missing image, or mask, and how many there are."""
    for kind, key, folder, suffix in (('image', 'img', source.img_dir, source.img_suffix),
                                      ('mask', 'seg_map', source.seg_dir, source.seg_suffix)):
        if folder is None or (kind == 'mask' and not with_masks) or not is_local(folder, backend_args):
            continue
        missing = missing_files(folder, names, suffix)
        if missing:
            looks_whole = len(missing) == len(names) and ('/' in missing[0] or osp.splitext(missing[0])[1])
            raise DataError(f"No {kind} for '{missing[0]}': expected {folder}{missing[0]}{suffix}.\n"
                            f'{len(missing)} of {len(names)} {kind}s are missing.\n' + (
                                'A split list has one name a line, without folder and suffix: correct it, or '
                                f'data_prefix.{key}_path and {key}_suffix.' if looks_whole else
                                f'Complete the data or correct the split list, data_prefix.{key}_path or '
                                f'{key}_suffix.'))


def shorten(names: Sequence[str], limit: int = 8) -> str:
    """The first names, and how many there are if that is not all."""
    more = f', ... ({len(names)} in all)' if len(names) > limit else ''
    return ', '.join(names[:limit]) + more
