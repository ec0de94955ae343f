"""The steps every converter takes: look at each file, write masks and lists, try the result out.

Each file is looked at before anything is written: photos and masks of an image format by their headers, sizes and ends,
which takes no decoding, .mat files and polygons as a whole. The labels of masks of an image format and the run lengths
of PASCAL Context are judged while the new masks are written: what is wrong is named when all the others are there, and
no list is written. Masks and lists are whole or not there: a run that is stopped goes on where it was, and a second one
mends what was changed. A file of other content is kept under another name.
"""
import os
import os.path as osp
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Optional

import numpy as np

from segkit.apis.converters.placing import keep, put_file, telling, write_bytes
from segkit.datasets.check import check_dataset
from segkit.datasets.image_header import ImageHeader, read_header
from segkit.datasets.parallel import in_pieces, map_in_order
from segkit.datasets.progress import show_progress
from segkit.datasets.transforms.image_file import check_whole, decode_mask, read_bytes
from segkit.errors import DataError
from segkit.evaluation.palette_png import write_palette_png
from segkit.registry import DATASETS

AT_ONCE = 50  # files that a process gets
TRIED_OUT = 1000  # pairs of each split that the data set class looks at in the end


class Mask(NamedTuple):
    """A mask to be made: what it is made from (a path mostly), the file to write, and the photo it belongs to."""

    source: Any
    target: str
    photo: str


Reader = Callable[[Any], np.ndarray]  # source -> (H, W) uint8 labels, or a DataError that names the file


def look_at(masks: Sequence[Mask], what: str, read: Optional[Reader] = None, processes: Optional[int] = None) -> None:
    """Look at each photo and at what its mask is made from: unreadable files, and sizes that differ.

    Of images that is their header and their end; :func:`write_masks` decodes them.

    Args:
        masks: The masks to be made.
        what: What they are, for the progress bar.
        read: How sources that are no image files are read; None looks at the headers of images.
        processes: As for :func:`~segkit.datasets.parallel.map_in_order`.

    Raises:
        DataError: Naming the first faulty files, and how many there are.
    """
    _raise(list(fan_out(partial(_faults_of_some, read=read), masks, what, processes)), len(masks))


def read_all(masks: Sequence[Mask], read: Reader, what: str, processes: Optional[int] = None) -> None:
    """Read each mask to its last pixel, of a set whose files stay as they are.

    Raises:
        DataError: Naming the first ones that cannot be read or have labels that must not occur, and how many there are.
    """
    _raise(list(fan_out(partial(_unreadable, read=read), masks, what, processes)), len(masks))


def write_masks(masks: Sequence[Mask], read: Reader, palette: Sequence[Sequence[int]], split: str,
                processes: Optional[int] = None) -> None:
    """Write each mask that is not there whole and with the same labels; says how many.

    What is there instead is kept under another name, unless it is a damaged image.

    Args:
        masks: The masks.
        read: Gives the labels of a source.
        palette: Colours of the stored labels, for viewers.
        split: What they are called.
        processes: As for :func:`~segkit.datasets.parallel.map_in_order`.

    Raises:
        DataError: Behind all others, if some could not be made; it names the first ones.
    """
    for folder in {osp.dirname(mask.target) for mask in masks}:
        os.makedirs(folder, exist_ok=True)
    written, mended, faults = 0, 0, []
    with telling(split) as kept:
        for one in fan_out(partial(_write_some, read=read, palette=palette), masks, f'masks of {split}', processes):
            written, mended = written + one.written, mended + one.mended
            kept += one.kept
            faults.append(one.faults)
        there = len(masks) - written - sum(map(len, faults))
        print(f'{split}: {written} mask{"s" * (written != 1)} written, {there} {"was" if there == 1 else "were"} there'
              + (f'; {mended} of the written ones were there with other labels or damaged' if mended else ''),
              flush=True)
    _raise(faults, len(masks))


def fan_out(function: Callable[[list], Any], items: Sequence, what: str, processes: Optional[int]) -> Iterator[Any]:
    """``function`` of pieces of the items, several at once, behind a progress bar that counts items.

    Args:
        function: Takes a list of items; as for :func:`~segkit.datasets.parallel.map_in_order`.
        items: What is worked on.
        what: What they are, for the bar.
        processes: How many work.
    """
    bar = iter(show_progress(range(len(items)), what))
    for result, piece in zip(map_in_order(function, in_pieces(items, AT_ONCE), processes), in_pieces(items, AT_ONCE)):
        for _ in islice(bar, len(piece)):
            pass
        yield result
    next(bar, None)


def write_list(path: str, names: Sequence[str]) -> None:
    """Write one name a line, at once; a list of other content that is there is kept under another name."""
    os.makedirs(osp.dirname(path) or '.', exist_ok=True)
    with telling(path) as kept:
        write_bytes(path, ''.join(f'{name}\n' for name in names).encode(), kept)


def put_files(pairs: Sequence[tuple[str, str]], what: str) -> None:
    """Put photos at a second place, as :func:`~segkit.apis.converters.placing.put_file` does.

    Args:
        pairs: (file, where it is wanted too).
        what: What they are, for the progress bar.
    """
    with telling(what) as kept:
        for source, target in show_progress(pairs, what):
            put_file(source, target, kept)


def try_out(configs: dict[str, dict]) -> dict[str, int]:
    """Build each split as a config would, and let the data set class look at its files.

    Args:
        configs: Split -> the data set's config.

    Returns:
        Split -> how many samples it has.

    Raises:
        DataError: If the class cannot read what was written.
    """
    sizes = {}
    for split, config in configs.items():
        dataset = DATASETS.build(config)
        sizes[split] = len(dataset)
        print(f'{split}: {len(dataset):,} samples of {config["type"]}; {check_dataset(dataset, TRIED_OUT)}', flush=True)
    return sizes


def photo_header(path: str) -> ImageHeader:
    """The header of a photo or mask.

    Raises:
        DataError: If the file cannot be read, is no JPEG or PNG, or was cut short; it is named.
    """
    try:
        header = read_header(path)
    except OSError as error:
        raise DataError(f'{path} cannot be read: {error.strerror}.') from error
    except IndexError:
        header = None
    if header is None:
        raise DataError(f'{path} is empty (0 bytes).' if osp.getsize(path) == 0
                        else f'{path} is no JPEG or PNG file, or its header is damaged.')
    if header.size_fault:
        raise DataError(f'{path} {header.size_fault}.')
    if not header.whole:
        raise DataError(f'{path} is cut short: the end of the {header.format} is missing.')
    return header


def holds(path: str, labels: np.ndarray) -> bool:
    """Whether a mask is there, whole, and has these labels."""
    try:
        return np.array_equal(decode_mask(read_bytes(path), path), labels)
    except DataError:
        return False


def map_labels(labels: np.ndarray, table: np.ndarray, path: str, known: str) -> np.ndarray:
    """Replace each label by its entry in a table.

    Args:
        labels: (H, W) integers.
        table: (N,) int; the new label of each, -1 for one that must not occur.
        path: The file, for the message.
        known: What the labels of this set are.

    Returns:
        (H, W) uint8.

    Raises:
        DataError: If a label must not occur.
    """
    if labels.ndim != 2:
        raise DataError(f'{path} holds colours; expected one label a pixel: {known}.')
    if labels.dtype == np.uint8:  # np.unique sorts, which takes ten times as long
        counts = np.bincount(labels.ravel())
        values = np.flatnonzero(counts)
        counts = counts[values]
    else:
        values, counts = np.unique(labels, return_counts=True)
    for value, count in zip(values, counts):
        if not 0 <= value < len(table) or table[int(value)] < 0:
            raise DataError(f'{path} has the label {value} in {count:,} pixels; {known}.')
    return table.astype(np.uint8)[labels]


def _faults_of_some(masks: Sequence[Mask], read: Optional[Reader]) -> list[str]:
    faults = []
    for mask in masks:
        try:
            photo = photo_header(mask.photo)
            if read is None:
                source = photo_header(mask.source)
                size = (source.width, source.height)
            else:
                size = read(mask.source).shape[::-1]
            if size not in ((photo.width, photo.height), photo.turned_size):
                raise DataError(f'{_name_of(mask)} has {size[0]}x{size[1]} pixels, its photo {mask.photo} '
                                f'{photo.width}x{photo.height}.')
        except DataError as error:
            faults.append(' '.join(str(error).split()))
    return faults


def _unreadable(masks: Sequence[Mask], read: Reader) -> list[str]:
    faults = []
    for mask in masks:
        try:
            read(mask.source)
        except DataError as error:
            faults.append(' '.join(str(error).split()))
    return faults


class _Done(NamedTuple):
    written: int
    mended: int  # of the written ones: those that replaced a file
    kept: list[str]
    faults: list[str]


def _write_some(masks: Sequence[Mask], read: Reader, palette: Sequence[Sequence[int]]) -> _Done:
    """What was done, and what is wrong with the masks that could not be made."""
    written, mended, kept, faults = 0, 0, [], []
    for mask in masks:
        try:
            labels = read(mask.source)
        except DataError as error:
            faults.append(' '.join(str(error).split()))
            continue
        there = osp.lexists(mask.target)
        if there and holds(mask.target, labels):
            continue
        if there and not _is_damaged(mask.target):
            keep(mask.target, kept)
        write_palette_png(mask.target, labels, palette)
        written, mended = written + 1, mended + there
    return _Done(written, mended, kept, faults)


def _is_damaged(path: str) -> bool:
    """Whether a file is an image that was cut short or changed on the disk; not if it is anything else."""
    try:
        with open(path, 'rb') as file:
            check_whole(file.read(), path)
    except DataError:
        return True
    except OSError:
        return False
    return False


def _raise(faults: Sequence[Sequence[str]], total: int) -> None:
    found = [fault for some in faults for fault in some]
    if found:
        more = f'\n{len(found):,} of {total:,} files cannot be used; next: {found[1]}' if len(found) > 1 else ''
        raise DataError(f'{found[0]}{more}\nCopy or download them again, and run the command again.')


def _name_of(mask: Mask) -> str:
    return mask.source if isinstance(mask.source, str) else f'The mask for {osp.basename(mask.target)}'
