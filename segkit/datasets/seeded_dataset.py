"""Randomness that depends on the draw alone."""
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Union

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from segkit.datasets.draw_sampler import Draw
from segkit.errors import DataError
from segkit.registry import DATASETS
from segkit.structures import SkippedSample


@DATASETS.register_module()
class SeededDataset(Dataset):
    """Seeds ``random``, NumPy and torch with the draw's own seed before it asks the dataset inside for the sample.

    It stands outermost, around wrappers such as ConcatDataset. A sample then does not depend on which process reads
    it, or on what was read before. In the main process (no loader processes) the random states are put back.

    In place of a sample that its dataset skips another one is drawn, decided by the draw's seed and the number of the
    attempt. The sample that is given has the skipped ones in its entry ``skipped``.

    Reference: takes the place of the ``max_refetch`` of MMEngine's datasets, whose other samples are drawn in silence
    and differ from process to process.

    Args:
        dataset: The dataset, or its config.

    Raises:
        DataError: From an index: if too many samples one after the other cannot be used.
    """

    def __init__(self, dataset: Union[Dataset, dict]) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset

    @property
    def metainfo(self) -> dict:
        """The metainfo of the dataset inside."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """List the samples of the dataset inside, if that was put off."""
        if hasattr(self.dataset, 'full_init'):
            self.dataset.full_init()

    def get_data_info(self, idx: int) -> dict:
        """What the dataset inside knows of a sample before it is read."""
        return self.dataset.get_data_info(idx)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, idx: int) -> Any:
        if not isinstance(idx, Draw):  # of a sampler that seeds nothing
            sample = self.dataset[idx]
            if not isinstance(sample, SkippedSample):
                return sample
            draw = Draw(idx, int(np.random.randint(2**31)))
            with own_random_state(keep=True):
                return self._another(draw, sample)
        with own_random_state(keep=get_worker_info() is None):
            sample = self._read(idx)
            return self._another(idx, sample) if isinstance(sample, SkippedSample) else sample

    def _read(self, draw: Draw) -> Any:
        random.seed(draw.seed)
        np.random.seed(draw.seed)
        torch.default_generator.manual_seed(draw.seed)
        return self.dataset[int(draw)]

    def _another(self, draw: Draw, sample: SkippedSample) -> Any:
        """Read other samples until one can be used."""
        skipped: list[SkippedSample] = []
        drawn = {int(draw)}
        while isinstance(sample, SkippedSample):
            skipped.append(sample)
            if len(skipped) > sample.max_refetch:
                if len(drawn) == len(self.dataset):
                    raise DataError(f'None of the {len(drawn)} samples to train on can be used, so bad_samples leaves '
                                    f'nothing.\nFirst: {skipped[0].reason}\n'
                                    'Mend the files, or correct the dataset that has bad_samples.')
                raise DataError(f'{len(skipped)} samples drawn one after the other cannot be used; the last one:\n'
                                f'{sample.reason}\nMend the files, or correct the dataset that has bad_samples.')
            place, seed = np.random.SeedSequence((draw.seed, len(skipped))).generate_state(2)
            drawn.add(int(place) % len(self.dataset))
            sample = self._read(Draw(int(place) % len(self.dataset), int(seed)))
        if isinstance(sample, dict):
            sample['skipped'] = skipped
        return sample


@contextmanager
def own_random_state(keep: bool) -> Iterator[None]:
    """Put the process's random states back at the end, if ``keep``."""
    if not keep:
        yield
        return
    states = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.default_generator.set_state(states[2])
