"""Randomness that depends on the draw alone."""
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Union

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from segkit.datasets.draw_sampler import Draw
from segkit.registry import DATASETS


@DATASETS.register_module()
class SeededDataset(Dataset):
    """Seeds ``random``, NumPy and torch with the draw's own seed before it asks the dataset inside for the sample.

    It stands outermost, around wrappers such as ConcatDataset. A sample then does not depend on which process reads
    it, or on what was read before. In the main process (no loader processes) the random states are put back.

    Args:
        dataset: The dataset, or its config.
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
        if not isinstance(idx, Draw):
            return self.dataset[idx]
        with _own_random_state(keep=get_worker_info() is None):
            random.seed(idx.seed)
            np.random.seed(idx.seed)
            torch.default_generator.manual_seed(idx.seed)
            return self.dataset[int(idx)]


@contextmanager
def _own_random_state(keep: bool) -> Iterator[None]:
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
