"""The training sampler: every draw is a function of the seed and of its position in the run."""
from collections.abc import Iterator, Sized
from typing import Optional

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from segkit.registry import DATA_SAMPLERS


class Draw(int):
    """The index of a sample, which also carries the seed of its augmentation.

    As it is an integer, any dataset can be asked for it; :class:`~segkit.datasets.seeded_dataset.SeededDataset`
    applies the seed.
    """

    seed: int

    def __new__(cls, index: int, seed: int) -> 'Draw':
        draw = super().__new__(cls, index)
        draw.seed = seed
        return draw

    def __getnewargs__(self) -> tuple[int, int]:
        return int(self), self.seed

    def __repr__(self) -> str:
        return f'Draw({int(self)}, seed={self.seed})'


@DATA_SAMPLERS.register_module(name=['InfiniteSampler', 'DrawSampler'])
class DrawSampler(Sampler):
    """Draws training samples without end, each decided by the seed and its position in the run alone.

    Position p belongs to epoch p // n and is an entry of that epoch's permutation, which (seed, epoch) decides; the
    augmentation's seed comes from (seed, p). Process r of W takes the positions r, r + W, r + 2W, ..., so that the
    batches of one iteration together hold the same draws for any number of processes with the same total batch.

    Reference: takes the place of MMEngine's InfiniteSampler, under whose name configs know it; there a resumed run
    has to read everything it was trained on once more, and the augmentation depends on the number of loader
    processes.

    Args:
        dataset: The dataset; only its length is used.
        shuffle: Permute each epoch.
        seed: The run's seed, the same in all processes; None: drawn, and shared among the processes.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: Optional[int] = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.position = 0

    def start_at(self, position: int) -> None:
        """Begin the next iteration over the sampler at ``position``.

        Args:
            position: Number of draws that all processes together have made: iterations x total batch size.
        """
        self.position = position

    def __iter__(self) -> Iterator[Draw]:
        position, epoch, order = self.position + self.rank, -1, None
        while True:
            if position // self.size != epoch:
                epoch = position // self.size
                order = self._order(epoch)
            seed = int(np.random.SeedSequence((self.seed, position)).generate_state(1)[0])
            yield Draw(int(order[position % self.size]), seed)
            position += self.world_size

    def __len__(self) -> int:
        """The length of the dataset, as MMEngine's sampler of this name has it; the draws have no end."""
        return self.size

    def set_epoch(self, epoch: int) -> None:
        """Nothing: positions count through all epochs."""

    def _order(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(self.size)
        # RandomState's stream is frozen: a run resumes with the same draws under a later NumPy.
        return np.random.RandomState([self.seed, epoch]).permutation(self.size)
