"""What crf.py reads: probabilities, what the test that saved them says of them, and the photo and mask of each."""
import json
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Optional

import numpy as np

from segkit.apis.mmseg_inferencer import SUFFIXES
from segkit.datasets.transforms.loading import LoadAnnotations, LoadImageFromFile
from segkit.engine.hooks.save_probabilities_hook import INDEX
from segkit.errors import DataError

ENDINGS = ('.npy', '.npz')


class Reading(NamedTuple):
    """How a test read its photos and masks."""
    color_type: str = 'color'
    image_backend: str = 'cv2'
    mask_backend: str = 'pillow'
    color_map: tuple = ()
    reduce_zero_label: bool = False
    label_map: tuple = ()

    def photo(self, path: str) -> np.ndarray:
        """A photo, (H, W, 3) uint8 RGB."""
        load = LoadImageFromFile(color_type=self.color_type, imdecode_backend=self.image_backend)
        return np.ascontiguousarray(load.transform(dict(img_path=path))['img'][..., ::-1])

    def labels(self, path: str) -> np.ndarray:
        """A mask as class indices, (H, W)."""
        load = LoadAnnotations(imdecode_backend=self.mask_backend, color_map={
            tuple(colour): label for colour, label in self.color_map} or None)
        return load.transform(dict(seg_map_path=path, reduce_zero_label=self.reduce_zero_label,
                                   label_map=dict(self.label_map), seg_fields=[]))['gt_seg_map']


class Piece(NamedTuple):
    """The files of one photo; ``mask`` is None where nothing is scored."""
    probabilities: str
    photo: str
    mask: Optional[str]
    out: str
    reading: Reading = Reading()


class Index(NamedTuple):
    """What SaveProbabilitiesHook wrote beside the probabilities."""
    path: Path
    threshold: Optional[float]
    ignore_index: int
    readings: list[Reading]
    files: dict[str, dict]


def read_index(probabilities: str) -> Optional[Index]:
    """The index of a folder of probabilities; None where another program made them.

    Raises:
        DataError: If there is one that cannot be read.
    """
    path = Path(probabilities, INDEX)
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text())
        readings = [Reading(way['image']['color_type'], way['image']['imdecode_backend'],
                            way['labels']['imdecode_backend'], tuple(way['labels']['color_map']),
                            way['labels']['reduce_zero_label'], tuple(way['labels']['label_map']))
                    for way in found['ways']]
        return Index(path, found['threshold'], found['ignore_index'], readings, found['files'])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f'{path} is no index of saved probabilities: {error!r}.\nSave them again (test.py --save-probs '
                        'DIR), or remove it and name PHOTOS and --masks.') from None


def pieces_of(probabilities: str, photos: Optional[str], masks: Optional[str], out: str, index: Optional[Index],
              reading: Reading) -> Iterator[Piece]:
    """What belongs together.

    Args:
        probabilities: Folder of NAME.npy or NAME.npz.
        photos: Folder of the photos, of the same names; of an index's, the end of each one's path is looked for below
            it, the longest one first, and then the only file of its name. None takes the photos where the index has
            them.
        masks: The same for masks NAME.png; None takes those of the index, which may not be there any more.
        out: Folder of the refined masks.
        index: Of the probabilities.
        reading: How files that no index tells of are read.

    Raises:
        DataError: If files are missing, or it is not clear which belong together.
    """
    for folder in filter(None, (probabilities, photos, masks)):
        if not os.path.isdir(folder):
            raise DataError(f'There is no folder {folder}.')
    names = sorted(name for name in os.listdir(probabilities) if name.endswith(ENDINGS))
    if not names:
        raise DataError(f'{probabilities} holds no probabilities ({" or ".join(ENDINGS)}).\n'
                        'tools/test.py CONFIG CHECKPOINT --save-probs DIR writes them.')
    listed = index is not None and bool(index.files)
    if photos is None and not listed:
        raise DataError(f'Which photos belong to {probabilities} is not known: it has no {INDEX} that names them.\n'
                        'Name the folder of the photos: crf.py PROBABILITIES PHOTOS OUT.')
    if listed:
        unknown = [name for name in names if name not in index.files]
        if unknown:
            raise DataError(f'{Path(probabilities, unknown[0])} is not in {index.path}.\nTake files that the test did '
                            f'not save out of the folder, or remove {INDEX} and name PHOTOS and --masks.')
    by_stem = {} if listed else _by_stem(photos)
    photos_below, masks_below = (_Below(folder) if folder else None for folder in (photos, masks))
    stems = [Path(name).stem for name in names]
    for name, stem in zip(names, stems):
        path = os.path.join(probabilities, name)
        if stems.count(stem) > 1:
            raise DataError(f'{path}: expected one file of probabilities of this name; found two files of '
                            'probabilities.')
        mask = None if masks is None else os.path.join(masks, f'{stem}.png')
        if listed:
            entry = index.files[name]
            photo = _recorded_photo(path, entry['img_path'], photos_below)
            recorded, reading = entry['seg_map_path'], index.readings[entry['way']]
            if recorded is not None:
                mask = recorded if masks is None else masks_below.find(recorded) or mask
        else:
            photo = _photo_of(path, by_stem.get(stem, []), photos)
        if masks is not None and not is_there(mask):
            raise DataError(f'{path} has no true mask {mask}.\nLeave --masks out, or take the probabilities of other '
                            'photos out of the folder.')
        yield Piece(path, photo, mask, os.path.join(out, f'{stem}.png'), reading)


def is_there(path: str) -> bool:
    """Whether a file is there; what no path of this machine names (a packed record) is taken to be."""
    return '://' in path or os.path.isfile(path)


def _by_stem(photos: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(os.listdir(photos)):
        if name.lower().endswith(SUFFIXES):
            found.setdefault(Path(name).stem, []).append(os.path.join(photos, name))
    return found


def _photo_of(path: str, fitting: list[str], photos: str) -> str:
    if len(fitting) != 1:
        raise DataError(f'{path}: expected one photo {Path(path).stem}.* in {photos}; found photos: '
                        f'{", ".join(map(os.path.basename, fitting)) or "none"}.')
    return fitting[0]


class _Below:
    """The files in all folders below one."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @cached_property
    def named(self) -> dict[str, list[str]]:
        """Name to the paths of the files of that name; walked when the first one is looked for."""
        found: dict[str, list[str]] = {}
        for where, folders, names in os.walk(self.folder):
            folders.sort()
            for name in names:
                found.setdefault(name, []).append(os.path.join(where, name))
        return found

    def find(self, recorded: str) -> Optional[str]:
        """The file whose path ends as the recorded one does, by the longest such end; else the only one of its name."""
        parts = PurePosixPath(recorded).parts
        ends = (os.path.join(self.folder, *parts[i:]) for i in range(1, len(parts)))
        found = next(filter(os.path.isfile, ends), None)
        if found is not None:
            return found
        named = self.named.get(parts[-1], [])
        return named[0] if len(named) == 1 else None


def _recorded_photo(path: str, recorded: str, photos: Optional[_Below]) -> str:
    found = recorded if photos is None else photos.find(recorded)
    if found is not None and is_there(found):
        return found
    several = [] if photos is None else photos.named.get(PurePosixPath(recorded).name, [])
    if len(several) > 1:
        raise DataError(f'{path}: its photo {recorded} may be any of {len(several)} files of that name below '
                        f'{photos.folder}, such as {several[0]}.\nName a folder that holds one of them alone.')
    raise DataError(f'{path}: its photo {recorded} is not {f"below {photos.folder}" if photos else "there any more"}.\n'
                    'Name the folder that it is in now: crf.py PROBABILITIES PHOTOS OUT.')


def state_of(path: str) -> list[int]:
    """What changes when a file does: its size in bytes and its time in ns; of a packed record, those of its pack."""
    try:
        found = os.stat(path.partition('://')[2].partition('#')[0] if '://' in path else path)
    except OSError:  # in a storage that is no local disk
        return [0, 0]
    return [found.st_size, found.st_mtime_ns]


def read_probabilities(path: str) -> np.ndarray:
    """The (K, H, W) float32 array of a .npy file, or of an .npz file with a single array.

    Raises:
        DataError: If the file holds something else.
    """
    try:
        found = np.load(path)
        if not isinstance(found, np.ndarray):
            with found:
                arrays = {name: found[name] for name in found.files}
            if len(arrays) != 1:
                raise DataError(f'{path}: expected one array; it holds {", ".join(arrays) or "none"}.')
            found = next(iter(arrays.values()))
    except (ValueError, EOFError, OSError) as error:
        if 'Object arrays' in str(error):
            raise DataError(f'{path} holds Python objects, which are not read; expected one array of numbers (K, H, W).'
                            '\nSave each photo by itself: numpy.save(NAME.npy, probabilities.astype(numpy.float16)).'
                            ) from None
        reason = str(error).splitlines()[0]
        if 'allow_pickle' in reason:  # numpy's advice would let the file run code
            reason = 'it is no file of numpy.save or numpy.savez.'
        raise DataError(f'{path} cannot be read as an array: {reason}') from error
    if found.ndim != 3 or len(found) < 2 or found.dtype.kind != 'f':
        raise DataError(f'{path}: expected probabilities (K, H, W) of 2 classes or more, in floating point; got '
                        f'{found.dtype} of shape {found.shape}.')
    broken = int(np.count_nonzero(~np.isfinite(found)))
    if broken:
        raise DataError(f'{path} holds {broken:,} values of {found.size:,} that are NaN or infinite.\nThe network that '
                        'made them gave no finite scores there; a float16 above 65504 is infinite too.')
    return found.astype(np.float32)


def refuse_other_order(path: str, shape: Sequence[int], photo: np.ndarray) -> None:
    """Refuse probabilities (H, W, K), which fit a photo (H, W, 3) once they are transposed.

    Raises:
        DataError: Saying how.
    """
    if tuple(shape[1:]) != photo.shape[:2] == tuple(shape[:2]):
        raise DataError(f'{path}: expected probabilities (K, H, W); got {tuple(shape)}, which is (H, W, K) of its '
                        'photo.\nSave them transposed: probabilities.transpose(2, 0, 1).')
