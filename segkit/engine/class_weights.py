"""Weights of classes that are counted from the training masks: 'median_freq' and 'inverse'."""
import copy
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import numpy as np
from mmengine.dist import broadcast_object_list, get_dist_info
from mmengine.registry import FUNCTIONS

from segkit.cache_folder import cache_folder
from segkit.errors import ConfigError, DataError, SegkitError
from segkit.registry import DATASETS

WORDS = ('median_freq', 'inverse')
BEAT_SECONDS = 30  # how often the process that counts lets the others know; their patience is minutes
LIVE_SECONDS, LINE_SECONDS = 0.5, 10  # between two reports on a terminal, and elsewhere


def settle(runner: Any, model: Any) -> Any:
    """A model's config with numbers in place of the words, in ``runner.cfg`` too.

    Nothing is counted where nothing trains; there the losses say so, if one is computed.

    Args:
        runner: With its logger, the config of its training data and, in a distributed run, its group of processes.
        model: The config of the model, which stays as it is; a model that was built passes through.

    Raises:
        ConfigError: If the training set has no masks to count, or a head has one channel.
        DataError: If a mask cannot be read, or none has a valid pixel.
    """
    loader = runner._train_dataloader
    if not any(True for _ in _losses(model)) or not isinstance(loader, dict):
        return model
    model = copy.deepcopy(model)
    counts = _by_one_process(lambda beat: _counts(runner, loader.get('dataset'), beat))
    places: dict[str, list[str]] = {}
    for place, loss in _losses(model):
        word = loss['class_weight']
        loss['class_weight'] = weights_of(counts, word)
        places.setdefault(word, []).append(place)
    for word, of in places.items():
        pairs = ', '.join(f'{name} {weight:.4g}' for name, weight in zip(counts['classes'], weights_of(counts, word)))
        runner.logger.info(f"class_weight='{word}' of {', '.join(of)}: {pairs}")
    absent = [name for name, pixels in zip(counts['classes'], counts['pixels']) if not pixels]
    if absent:
        runner.logger.warning(f'class_weight: no training mask has a pixel of {", ".join(absent)}; '
                              f'{"its weight is" if len(absent) == 1 else "their weights are"} 1')
    if runner.cfg.get('model') is not None:
        runner.cfg['model'] = copy.deepcopy(model)
    return model


def compare(runner: Any, meta: dict) -> None:
    """Say where weights of classes are not those that the run so far was trained with, as when masks were corrected.

    Args:
        runner: The runner, its model's config settled.
        meta: Of the checkpoint that is gone on from, with the config of its run.
    """
    try:
        before = json.loads(meta['config_json'])['model']
    except (KeyError, TypeError, ValueError):  # of another program
        return
    then = dict(_numbers(before))
    for place, weights in _numbers(runner.cfg.get('model')):
        if place in then and not np.allclose(then[place], weights, rtol=1e-4, atol=0):
            runner.logger.warning(f'{place}.class_weight was {_short(then[place])} when the checkpoint was saved, and '
                                  f'is {_short(weights)} now: the loss changes from here on.')


def _short(weights: list[float]) -> str:
    return '[' + ', '.join(f'{weight:.4g}' for weight in weights[:4]) + (', ...]' if len(weights) > 4 else ']')


def _numbers(node: Any, place: str = 'model') -> Iterator[tuple[str, list[float]]]:
    """The place of each loss below ``node`` and its ``class_weight``, where these are numbers."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node if isinstance(node, list) else []):
        if key == 'class_weight' and isinstance(value, (list, tuple)):
            yield place, list(value)
        elif isinstance(value, (dict, list)):
            yield from _numbers(value, f'{place}.{key}')


def without(model: Any) -> tuple[Any, list[str]]:
    """A model's config with None in place of the words, and where they stood."""
    found = [place for place, _ in _losses(model)]
    if found:
        model = copy.deepcopy(model)
        for _, loss in list(_losses(model)):
            loss['class_weight'] = None
    return model, found


def weights_of(counts: dict, word: str) -> list[float]:
    """A weight for each class.

    'median_freq' is the median of the frequencies over the class's own, a frequency being the share of the class in
    the valid pixels of the images that have it (Eigen & Fergus 2015, arXiv 1411.4734, on semantic labels). 'inverse'
    is one over the class's share of all valid pixels, scaled to a mean of 1 over the classes that occur.

    A class that never occurs has weight 1, that of a usual class: a softmax never reads it, and with FocalLoss, where
    it multiplies what keeps a channel low, a weight of 0 would leave that class's score to chance.

    Args:
        counts: ``pixels`` and ``around`` as count_classes gives them.
        word: 'median_freq' or 'inverse'.

    Raises:
        DataError: If no class has a pixel.
    """
    pixels, around = np.array(counts['pixels'], float), np.array(counts['around'], float)
    there = pixels > 0
    if not there.any():
        raise DataError(f'class_weight={word!r}: the {counts["masks"]} training masks hold no pixel that is not void.\n'
                        'Correct data_prefix.seg_map_path, label_map or reduce_zero_label of train_dataloader.dataset.')
    frequency = pixels[there] / around[there] if word == 'median_freq' else pixels[there]
    found = np.median(frequency) / frequency if word == 'median_freq' else (1 / frequency) / (1 / frequency).mean()
    weights = np.ones(len(pixels))
    weights[there] = found
    return [float(f'{weight:.6g}') for weight in weights]  # as config.py and the log can show them


def _losses(node: Any, place: str = 'model') -> Iterator[tuple[str, dict]]:
    """The place and config of each loss below ``node`` whose ``class_weight`` is one of the words."""
    if isinstance(node, (list, tuple)):
        for i, one in enumerate(node):
            yield from _losses(one, f'{place}.{i}')
    elif isinstance(node, dict):
        for key, value in node.items():
            for found, loss in _losses(value, f'{place}.{key}'):
                if key == 'loss_decode' and node.get('out_channels') == 1:
                    raise ConfigError(f"{found}.class_weight={loss['class_weight']!r} is one number a class, and "
                                      f'{place} has out_channels=1.\nGive class_weight=[n]: how much a pixel of class '
                                      '1 counts more.')
                yield found, loss
        if isinstance(node.get('class_weight'), str) and node['class_weight'] in WORDS:
            yield place, node


def _counts(runner: Any, dataset: Any, beat: Callable[[], None]) -> dict:
    """The counts of a training set, from the cache where it has them."""
    if isinstance(dataset, dict):
        dataset = DATASETS.build(copy.deepcopy(dataset))
    key = FUNCTIONS.get('class_counts_key')(dataset)
    folder = cache_folder('class_counts')
    path = None if key is None or folder is None else folder / f'{key}.json'
    counts = None if path is None else _read(path)
    if counts is not None:
        runner.logger.info(f'class weights: {counts["masks"]} masks, counted before ({path})')
        return counts
    started = time.time()
    counts = FUNCTIONS.get('count_classes')(dataset, _Progress(runner, beat))
    kept = '' if key is None else _keep(counts, path)
    runner.logger.info(f'class weights: counted {counts["masks"]} masks in {time.time() - started:.1f} s{kept}')
    return counts


def _read(path: Path) -> Optional[dict]:
    """Counts from a file; None where there are none, or they are not whole."""
    try:
        counts = json.loads(path.read_text())
        whole = len(counts['classes']) == len(counts['pixels']) == len(counts['around']) > 0 and counts['masks'] > 0
        return counts if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(counts: dict, path: Optional[Path]) -> str:
    """Write counts, whole or not at all; a cache that cannot be written only costs the next run the time."""
    if path is None:
        return ' (not kept: this user has no home folder; XDG_CACHE_HOME names another)'
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(json.dumps(counts))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        return f' (not kept: {path.parent}: {error.strerror})'
    return f' (kept in {path})'


class _Progress:
    """Says how far the counting is and how long it will take."""

    def __init__(self, runner: Any, beat: Callable[[], None]) -> None:
        self.runner, self.beat = runner, beat
        self.started = self.said = time.time()

    def __call__(self, done: int, total: int) -> None:
        now, terminal = time.time(), self.runner.console.terminal
        self.beat()
        if done and done < total and now - self.said >= (LIVE_SECONDS if terminal else LINE_SECONDS):
            self.said = now
            left = round((now - self.started) / done * (total - done))
            line = f'class weights: {done}/{total} masks counted, {left // 60}:{left % 60:02d} (min:s) left'
            self.runner.console.live(line) if terminal else self.runner.logger.info(line)


def _by_one_process(count: Callable[[Callable[[], None]], dict]) -> dict:
    """What ``count`` gives in the first process; the others wait for it, however long it takes.

    Args:
        count: Takes a function that it calls now and then, by which the others hear that it is at work.

    Raises:
        SegkitError: In every process, what ``count`` raised.
    """
    rank, processes = get_dist_info()
    if processes == 1:
        return count(lambda: None)
    result: list = [None]
    if rank > 0:
        while result[0] is None:
            broadcast_object_list(result, src=0)
    else:
        last = time.time()

        def beat() -> None:
            nonlocal last
            if time.time() - last > BEAT_SECONDS:
                last = time.time()
                broadcast_object_list([None], src=0)
        try:
            result = [count(beat)]
        except SegkitError as error:
            result = [error]
        broadcast_object_list(result, src=0)
    if isinstance(result[0], SegkitError):
        raise result[0]
    return result[0]
