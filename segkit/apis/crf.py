"""A dense CRF over saved probabilities; the body of tools/analysis/crf.py."""
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Optional

import numpy as np
import torch

from segkit.apis.arguments import say
from segkit.apis.crf_inputs import (
    Index,
    Piece,
    Reading,
    is_there,
    pieces_of,
    read_index,
    read_probabilities,
    refuse_other_order,
    state_of,
)
from segkit.apis.output_folders import refuse_inputs
from segkit.datasets.parallel import map_in_order, process_count
from segkit.datasets.progress import show_progress
from segkit.datasets.transforms.image_file import decode_mask, read_bytes
from segkit.engine.run_folder import write_bytes
from segkit.errors import ConfigError, DataError, SegkitError
from segkit.evaluation.palette_png import write_palette_png
from segkit.evaluation.report import class_scores, image_scores
from segkit.models.postprocess import DenseCRF
from segkit.models.postprocess.dense_crf import check_inputs
from segkit.models.segmentors.refinement import most_probable
from segkit.palette import color_map

SCORES = ('mIoU', 'aAcc', 'mAcc')
SETTINGS, INPUTS, EACH = 'crf.json', 'inputs.json', 'photos.csv'


def refine_folder(probabilities: str, photos: Optional[str], out: str, masks: Optional[str] = None,
                  values: Optional[dict] = None, ignore_index: Optional[int] = None, processes: Optional[int] = None,
                  threshold: Optional[float] = None, reduce_zero_label: bool = False) -> dict[str, dict[str, float]]:
    """Write the refined mask of each file of probabilities.

    A mask that is there is kept, if its probabilities and its photo have the size and the time that they had when it
    was made. Masks appear whole or not at all.

    Args:
        probabilities: Folder of NAME.npy or NAME.npz. Where test.py saved them, its index tells of photos, masks,
            labels and threshold.
        photos: Folder of the photos; None takes those of the index.
        out: Folder for the masks, crf.json (values and scores), inputs.json (what the masks were made of) and
            photos.csv (the accuracy of each photo).
        masks: Folder of true masks; None takes those of the index, and scores nothing where these are not there.
        values: Keyword arguments of DenseCRF.
        ignore_index: Label that is not counted; None takes the index's, or 255.
        processes: As for :func:`segkit.datasets.parallel.map_in_order`.
        threshold: With two classes, the probability above which a pixel is class 1; None takes the index's, or the
            larger probability.
        reduce_zero_label: Without an index: label 0 of the masks is void, and class k is stored as k + 1.

    Returns:
        'without' and 'with' the CRF: score name to per cent; empty where nothing is scored.

    Raises:
        ConfigError: If a value cannot be used, or OUT is read from or holds masks of other values or photos.
        DataError: If files are missing or do not fit each other.
    """
    crf = DenseCRF(**(values or {}))
    refuse_inputs('OUT', out, [Path(one) for one in (probabilities, photos, masks) if one])
    index = read_index(probabilities)
    if index and reduce_zero_label:
        raise ConfigError(f'--reduce-zero-label: {index.path} says how masks become labels.\nLeave the option out.')
    pieces = _scored(list(pieces_of(probabilities, photos, masks, out, index,
                                    Reading(reduce_zero_label=reduce_zero_label))), masks, index)
    threshold = index.threshold if index and threshold is None else threshold
    ignore_index = (index.ignore_index if index else 255) if ignore_index is None else ignore_index
    if threshold is not None:
        _refuse_threshold(threshold, pieces[0].probabilities)
    settings = dict(crf=str(crf), probabilities=os.path.realpath(probabilities), threshold=threshold)
    _read(pieces[0])  # what is wrong with every file is said before OUT is made
    kept = _start(Path(out), settings, pieces)
    bar = show_progress(range(len(pieces)), 'photos')
    totals, rows = [0, 0], ['photo,without,with\n']
    processes = process_count(processes)
    work = partial(_refine, crf=crf, ignore_index=ignore_index, threshold=threshold, alone=processes == 1)
    for counts, number in zip(map_in_order(work, pieces, processes), bar):
        totals = [total + count for total, count in zip(totals, counts)]
        shares = ','.join(f'{100 * image_scores(count)[1]:.4f}' for count in counts)
        rows.append(f'{Path(pieces[number].photo).name},{shares}\n')
    next(bar, None)
    say(f'{len(pieces) - kept} masks written to {out}' + (f', {kept} were there' if kept else ''))
    if pieces[0].mask is None:
        return {}
    scores = {name: _scores(np.asarray(counts)) for name, counts in zip(('without', 'with'), totals)}
    write_bytes(Path(out, EACH), ''.join(rows).encode())
    labels = dict(index=str(index.path.resolve())) if index else dict(reduce_zero_label=reduce_zero_label)
    facts = dict(photos=len(pieces), masks=os.path.realpath(masks) if masks else 'those of the index', **labels,
                 ignore_index=ignore_index)
    write_bytes(Path(out, SETTINGS), json.dumps({**settings, **facts, **scores}, indent=1).encode())
    return scores


def table(scores: dict[str, dict[str, float]]) -> list[str]:
    """Lines that show what :func:`refine_folder` gives."""
    if not scores:
        return []
    rows = [f'{name + " CRF":12}' + ''.join(f'{row[key]:8.2f}' for key in SCORES) for name, row in scores.items()]
    return [' ' * 12 + ''.join(f'{key:>8}' for key in SCORES), *rows]


def _scored(pieces: list[Piece], masks: Optional[str], index: Optional[Index]) -> list[Piece]:
    """The pieces, without their masks where an index names some that are not there."""
    missing = [piece for piece in pieces if piece.mask is None or not is_there(piece.mask)]
    if masks is None and index and missing:
        mask = missing[0].mask
        say(f'not scored, {len(missing)} of {len(pieces)} masks are not there: {Path(missing[0].probabilities).name} '
            + (f'had {mask}' if mask else f'has none in {index.path}') + '; --masks DIR names their folder')
        return [piece._replace(mask=None) for piece in pieces]
    return pieces


def _refuse_threshold(threshold: float, first: str) -> None:
    if not 0 <= threshold <= 1:
        raise ConfigError(f'--threshold: expected a probability, 0 to 1; got {threshold:g}.')
    classes = len(read_probabilities(first))
    if classes != 2:
        raise ConfigError(f'--threshold {threshold:g} is for a binary head; {first} has {classes} classes, of which '
                          'the one with the largest probability counts.\nLeave the option out.')


def _start(out: Path, settings: dict, pieces: Sequence[Piece]) -> int:
    """Write down what masks are made of, and remove those that were made of something else.

    Returns:
        How many masks are kept.

    Raises:
        ConfigError: If the folder's masks are of another run.
    """
    _refuse_other_masks(out / SETTINGS, settings, pieces)
    inputs, before, old = {}, _read_json(out / INPUTS), []
    for piece in pieces:
        name = os.path.basename(piece.out)
        photo = piece.photo if '://' in piece.photo else os.path.realpath(piece.photo)
        inputs[name] = dict(photo=photo, photo_state=state_of(photo), probabilities_state=state_of(piece.probabilities))
        other = before.get(name, inputs[name])['photo']
        if other != photo:
            raise ConfigError(f'{out} holds masks of other photos, by its {INPUTS}: {name} is of {other}\nnow: '
                              f'{photo}\nName another folder as OUT, or remove that one.')
        if before.get(name) != inputs[name] and os.path.isfile(piece.out):
            old.append(piece.out)
    for path in old:  # ahead of the new states: a run that is stopped must not leave old masks beside them
        os.remove(path)
    if old:
        say(f'{len(old)} masks are made anew: their photos or probabilities have changed')
    write_bytes(out / INPUTS, json.dumps({**before, **inputs}, indent=1).encode())
    write_bytes(out / SETTINGS, json.dumps(settings, indent=1).encode())
    return sum(os.path.isfile(piece.out) for piece in pieces)


def _read_json(path: Path) -> dict:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):  # none, or what a hand has changed: masks are then made anew
        return {}
    return found if isinstance(found, dict) else {}


def _refuse_other_masks(path: Path, settings: dict, pieces: Sequence[Piece]) -> None:
    if not path.is_file():
        there = [piece.out for piece in pieces if os.path.exists(piece.out)]
        if there:
            raise ConfigError(f'{path.parent} holds masks that are not of a run of crf.py, such as {there[0]}: it has '
                              f'no {path.name}.\nName another folder as OUT.')
        return
    there = _read_json(path)
    for key, value in settings.items():
        if there.get(key) != value:
            raise ConfigError(f'{path.parent} holds masks of another run, by its {path.name}: {key}='
                              f'{there.get(key)}\nnow: {value}\nName another folder as OUT, or remove that one.')


def _refine(piece: Piece, crf: DenseCRF, ignore_index: int, threshold: Optional[float], alone: bool) -> list:
    """Confusion matrices (K, K) without and with the CRF, if the piece is scored."""
    if not alone:
        torch.set_num_threads(1)  # the processes share the cores
    if os.path.isfile(piece.out):
        scores = torch.from_numpy(read_probabilities(piece.probabilities))
        refined = decode_mask(read_bytes(piece.out), piece.out)
    else:
        scores, photo = _read(piece)
        try:
            refined = most_probable(crf(scores, photo), threshold).numpy()
        except SegkitError as error:
            raise type(error)(f'{piece.probabilities} with {piece.photo}:\n{error}') from None
        write_palette_png(piece.out, refined, color_map(len(scores)))
    if piece.mask is None:
        return []
    label, without = piece.reading.labels(piece.mask), most_probable(scores, threshold).numpy()
    return [_counts(one, label, len(scores), ignore_index, piece.mask) for one in (without, refined)]


def _read(piece: Piece) -> tuple[torch.Tensor, np.ndarray]:
    """Probabilities (K, H, W) and photo (H, W, 3) that fit each other.

    Raises:
        DataError: If they do not.
    """
    scores, photo = read_probabilities(piece.probabilities), piece.reading.photo(piece.photo)
    refuse_other_order(piece.probabilities, scores.shape, photo)
    try:
        check_inputs(torch.from_numpy(scores), photo)
    except DataError as error:
        raise DataError(f'{piece.probabilities} with {piece.photo}:\n{error}') from None
    return torch.from_numpy(scores), photo


def _counts(prediction: np.ndarray, label: np.ndarray, classes: int, ignore_index: int, path: str) -> np.ndarray:
    """Pixels of each (true class, predicted class)."""
    if prediction.shape != label.shape:
        raise DataError(f'{path}: the mask is {label.shape} (h, w), the prediction {prediction.shape}.')
    valid = label != ignore_index
    if (label[valid] >= classes).any():
        raise DataError(f'{path}: label {label[valid].max()}; expected the index of a class, 0 to {classes - 1}, or '
                        f'{ignore_index} (void: --ignore-index).\nMasks that store other numbers are read as the test '
                        'did where test.py --save-probs wrote its index.json; --reduce-zero-label is for 0 as void.')
    index = label[valid].astype(np.int64) * classes + prediction[valid]
    return np.bincount(index, minlength=classes * classes).reshape(classes, classes)


def _scores(counts: np.ndarray) -> dict[str, float]:
    found = class_scores(counts)
    return dict(mIoU=100 * float(np.nanmean(found['IoU'])), mAcc=100 * float(np.nanmean(found['Acc'])),
                aAcc=100 * float(np.diag(counts).sum() / counts.sum()))
