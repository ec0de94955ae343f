"""The evaluation sampler: every image exactly once."""
from collections.abc import Iterator, Sized
from typing import Optional

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from segkit.datasets.draw_sampler import Draw
from segkit.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module(name=['DefaultSampler', 'EvaluationSampler'])
class EvaluationSampler(Sampler):
    """Gives each sample to exactly one process, once an epoch.

    Reference: takes the place of MMEngine's DefaultSampler, under whose name configs know it. That one repeats
    samples until all processes have equally many, which counts some images twice in an evaluation.

    Process r of W takes the entries r, r + W, r + 2W, ...; each draw carries a seed decided by (seed, epoch, entry).

    Args:
        dataset: The dataset; only its length is used.
        shuffle: Permute each epoch.
        seed: The same in all processes; None: drawn, and shared among the processes.
        round_up: Repeat samples until every process has equally many, which epoch-based training on several
            processes needs so that none of them waits for ever.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: Optional[int] = None,
                 round_up: bool = False) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.round_up = round_up
        self.epoch = 0

    def __iter__(self) -> Iterator[Draw]:
        order = np.arange(self.size)
        if self.shuffle:
            order = np.random.RandomState([self.seed, self.epoch]).permutation(self.size)
        for entry in range(self.rank, len(self) * self.world_size if self.round_up else self.size, self.world_size):
            seed = int(np.random.SeedSequence((self.seed, self.epoch, entry)).generate_state(1)[0])
            yield Draw(int(order[entry % self.size]), seed)

    def __len__(self) -> int:
        """How many samples this process gets in an epoch."""
        if self.round_up:
            return -(-self.size // self.world_size)
        return len(range(self.rank, self.size, self.world_size))

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation of the next pass."""
        self.epoch = epoch
