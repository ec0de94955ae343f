"""The train loop's parts; whole runs are in test_seg_runner.py."""
import itertools

import torch
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler

from segkit.engine.loops.iter_based_train_loop import batches_from, step_seed


class Positions(torch.utils.data.Sampler):
    """0, 1, 2, ... from where it is told to start."""
    start = 0

    def start_at(self, position):
        self.start = position

    def __iter__(self):
        return itertools.count(self.start)

    def __len__(self):
        return 10


class Identity:

    def __getitem__(self, i):
        return i

    def __len__(self):
        return 5


def test_position_is_told_to_the_sampler():
    loader = DataLoader(Identity(), batch_size=3, sampler=Positions())
    assert next(batches_from(loader, 4, world_size=2)).tolist() == [24, 25, 26]


def test_finite_sampler_goes_on_behind_what_was_trained_on(capsys):
    loader = DataLoader(Identity(), batch_size=2, sampler=SequentialSampler(range(5)))
    fresh = list(itertools.islice(batches_from(loader, 0, 1), 7))
    again = list(itertools.islice(batches_from(loader, 4, 1), 3))
    assert [b.tolist() for b in fresh[:4]] == [[0, 1], [2, 3], [4], [0, 1]]
    assert [b.tolist() for b in again] == [b.tolist() for b in fresh[4:]]


def test_epoch_is_told_to_a_sampler_that_shuffles():
    told = []
    sampler = RandomSampler(range(5))
    sampler.set_epoch = told.append
    list(itertools.islice(batches_from(DataLoader(Identity(), 2, sampler=sampler), 3, 1), 4))
    assert told == [1, 2]


def test_step_seed_depends_on_each_of_its_parts():
    seeds = {step_seed(s, i, r) for s in range(3) for i in range(3) for r in range(3)}
    assert len(seeds) == 27


def test_validation_intervals(run):
    runner = run(train_cfg__max_iters=9, train_cfg__val_interval=2, train_cfg__val_begin=3,
                 **{'+train_cfg__dynamic_intervals': [[6, 3]]})
    seen = []
    runner.build_train_loop(runner._train_loop)
    runner.val_loop.run = lambda: seen.append(runner.iter)
    runner.train()
    # Every second one from the third on, every third one from the sixth on, and the last.
    assert seen == [4, 6, 9]
