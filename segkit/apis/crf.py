"""A dense CRF over saved probabilities; the body of tools/analysis/crf.py."""
import json
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Optional

import numpy as np
import torch

from segkit.apis.arguments import say
from segkit.apis.mmseg_inferencer import SUFFIXES
from segkit.apis.output_folders import refuse_inputs
from segkit.datasets.parallel import map_in_order
from segkit.datasets.progress import show_progress
from segkit.datasets.transforms.image_file import decode_image, decode_mask, read_bytes
from segkit.engine.run_folder import write_bytes
from segkit.errors import ConfigError, DataError, SegkitError
from segkit.evaluation.palette_png import write_palette_png
from segkit.evaluation.report import class_scores, image_scores
from segkit.models.postprocess import DenseCRF
from segkit.palette import color_map

SCORES = ('mIoU', 'aAcc', 'mAcc')
ENDINGS = ('.npy', '.npz')
SETTINGS, EACH = 'crf.json', 'photos.csv'


class Piece(NamedTuple):
    """The files of one photo; ``mask`` is None where nothing is scored."""
    probabilities: str
    photo: str
    mask: Optional[str]
    out: str


def refine_folder(probabilities: str, photos: str, out: str, masks: Optional[str] = None,
                  values: Optional[dict] = None, ignore_index: int = 255,
                  processes: Optional[int] = None) -> dict[str, dict[str, float]]:
    """Write the refined mask of each file of probabilities.

    A mask that is there and younger than its probabilities is kept. Masks appear whole or not at all.

    Args:
        probabilities: Folder of NAME.npy or NAME.npz.
        photos: Folder of the photos.
        out: Folder for the masks, crf.json (values and scores) and photos.csv (the accuracy of each photo).
        masks: Folder of true masks; None scores nothing.
        values: Keyword arguments of DenseCRF.
        ignore_index: Label that is not counted.
        processes: As for :func:`segkit.datasets.parallel.map_in_order`.

    Returns:
        'without' and 'with' the CRF: score name to per cent; empty without ``masks``.

    Raises:
        ConfigError: If a value cannot be used, or OUT is read from or holds masks of other values.
        DataError: If files are missing or do not fit each other.
    """
    crf = DenseCRF(**(values or {}))
    refuse_inputs('OUT', out, [Path(one) for one in (probabilities, photos, masks) if one])
    pieces = list(_pieces(probabilities, photos, masks, out))
    settings = dict(crf=str(crf), probabilities=os.path.realpath(probabilities))
    _refuse_other_masks(Path(out, SETTINGS), settings, pieces)
    write_bytes(Path(out, SETTINGS), json.dumps(settings, indent=1).encode())
    bar = show_progress(range(len(pieces)), 'photos')
    totals, kept, rows = [0, 0], 0, ['photo,without,with\n']
    work = partial(_refine, crf=crf, ignore_index=ignore_index, alone=processes == 1)
    for (there, counts), number in zip(map_in_order(work, pieces, processes), bar):
        kept += there
        totals = [total + count for total, count in zip(totals, counts)]
        shares = ','.join(f'{100 * image_scores(count)[1]:.4f}' for count in counts)
        rows.append(f'{Path(pieces[number].photo).name},{shares}\n')
    next(bar, None)
    say(f'{len(pieces) - kept} masks written to {out}' + (f', {kept} were there' if kept else ''))
    if masks is None:
        return {}
    scores = {name: _scores(np.asarray(counts)) for name, counts in zip(('without', 'with'), totals)}
    write_bytes(Path(out, EACH), ''.join(rows).encode())
    write_bytes(Path(out, SETTINGS), json.dumps(dict(settings, photos=len(pieces), masks=os.path.realpath(masks),
                                                     **scores), indent=1).encode())
    return scores


def table(scores: dict[str, dict[str, float]]) -> list[str]:
    """Lines that show what :func:`refine_folder` gives."""
    if not scores:
        return []
    rows = [f'{name + " CRF":12}' + ''.join(f'{row[key]:8.2f}' for key in SCORES) for name, row in scores.items()]
    return [' ' * 12 + ''.join(f'{key:>8}' for key in SCORES), *rows]


def _pieces(probabilities: str, photos: str, masks: Optional[str], out: str) -> Iterator[Piece]:
    for folder in filter(None, (probabilities, photos, masks)):
        if not os.path.isdir(folder):
            raise DataError(f'There is no folder {folder}.')
    names = sorted(name for name in os.listdir(probabilities) if name.endswith(ENDINGS))
    if not names:
        raise DataError(f'{probabilities} holds no probabilities ({" or ".join(ENDINGS)}).\n'
                        'tools/test.py CONFIG CHECKPOINT --save-probs DIR writes them.')
    by_stem: dict[str, list[str]] = {}
    for name in sorted(os.listdir(photos)):
        if name.lower().endswith(SUFFIXES):
            by_stem.setdefault(Path(name).stem, []).append(name)
    stems = [Path(name).stem for name in names]
    for name, stem in zip(names, stems):
        fitting = by_stem.get(stem, [])
        if len(fitting) != 1 or stems.count(stem) > 1:
            what = f'photos: {", ".join(fitting) or "none"}' if stems.count(stem) == 1 else 'two files of probabilities'
            raise DataError(f'{Path(probabilities, name)}: expected one photo {stem}.* in {photos}, and one file of '
                            f'probabilities; found {what}.')
        mask = None if masks is None else os.path.join(masks, f'{stem}.png')
        if mask is not None and not os.path.isfile(mask):
            raise DataError(f'{Path(probabilities, name)} has no true mask {mask}.\nLeave --masks out, or take the '
                            'probabilities of other photos out of the folder.')
        yield Piece(os.path.join(probabilities, name), os.path.join(photos, fitting[0]), mask,
                    os.path.join(out, f'{stem}.png'))


def _refuse_other_masks(path: Path, settings: dict, pieces: Sequence[Piece]) -> None:
    if not path.is_file():
        there = [piece.out for piece in pieces if os.path.exists(piece.out)]
        if there:
            raise ConfigError(f'{path.parent} holds masks that are not of a run of crf.py, such as {there[0]}: it has '
                              f'no {path.name}.\nName another folder as OUT.')
        return
    try:
        there = json.loads(path.read_text())
    except ValueError:
        there = {}
    for key, value in settings.items():
        if there.get(key) != value:
            raise ConfigError(f'{path.parent} holds masks of another run, by its {path.name}: {key}='
                              f'{there.get(key)}\nnow: {value}\nName another folder as OUT, or remove that one.')


def _refine(piece: Piece, crf: DenseCRF, ignore_index: int, alone: bool) -> tuple[bool, list]:
    """Whether the piece's mask was there, and confusion matrices (K, K) without and with the CRF, if it is scored."""
    if not alone:
        torch.set_num_threads(1)  # the processes share the cores
    scores = read_probabilities(piece.probabilities)
    there = os.path.isfile(piece.out) and os.path.getmtime(piece.out) >= os.path.getmtime(piece.probabilities)
    if there:
        refined = decode_mask(read_bytes(piece.out), piece.out)
    else:
        photo = decode_image(read_bytes(piece.photo), piece.photo)[..., ::-1]
        try:
            refined = crf(torch.from_numpy(scores), np.ascontiguousarray(photo)).max(dim=0)[1].numpy()
        except SegkitError as error:
            raise type(error)(f'{piece.probabilities} with {piece.photo}:\n{error}') from None
        write_palette_png(piece.out, refined, color_map(len(scores)))
    if piece.mask is None:
        return there, []
    label = decode_mask(read_bytes(piece.mask), piece.mask)
    without = torch.from_numpy(scores).max(dim=0)[1].numpy()  # several times as fast as argmax
    return there, [_counts(one, label, len(scores), ignore_index, piece.mask) for one in (without, refined)]


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
        raise DataError(f'{path} cannot be read as an array: {str(error).splitlines()[0]}') from error
    if found.ndim != 3 or len(found) < 2 or found.dtype.kind != 'f':
        raise DataError(f'{path}: expected probabilities (K, H, W) of 2 classes or more, in floating point; got '
                        f'{found.dtype} of shape {found.shape}.')
    return found.astype(np.float32)


def _counts(prediction: np.ndarray, label: np.ndarray, classes: int, ignore_index: int, path: str) -> np.ndarray:
    """Pixels of each (true class, predicted class)."""
    if prediction.shape != label.shape:
        raise DataError(f'{path}: the mask is {label.shape} (h, w), the prediction {prediction.shape}.')
    valid = label != ignore_index
    if (label[valid] >= classes).any():
        raise DataError(f'{path}: label {label[valid].max()}; expected 0 to {classes - 1}, or {ignore_index} (void: '
                        '--ignore-index).')
    index = label[valid].astype(np.int64) * classes + prediction[valid]
    return np.bincount(index, minlength=classes * classes).reshape(classes, classes)


def _scores(counts: np.ndarray) -> dict[str, float]:
    found = class_scores(counts)
    return dict(mIoU=100 * float(np.nanmean(found['IoU'])), mAcc=100 * float(np.nanmean(found['Acc'])),
                aAcc=100 * float(np.diag(counts).sum() / counts.sum()))
