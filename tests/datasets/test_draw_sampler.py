import itertools
import pickle

import pytest

from segkit.datasets import draw_sampler
from segkit.datasets.draw_sampler import Draw, DrawSampler
from segkit.registry import DATA_SAMPLERS

DATASET = range(11)


def draws(sampler, count):
    return [(int(draw), draw.seed) for draw in itertools.islice(sampler, count)]


@pytest.fixture
def process(monkeypatch):
    """A function that makes the sampler of process r of W."""
    def process(rank, world_size, **kwargs):
        monkeypatch.setattr(draw_sampler, 'get_dist_info', lambda: (rank, world_size))
        return DrawSampler(DATASET, seed=5, **kwargs)
    return process


def test_configs_know_it_as_infinite_sampler():
    assert DATA_SAMPLERS.get('InfiniteSampler') is DATA_SAMPLERS.get('DrawSampler') is DrawSampler


def test_every_epoch_is_another_permutation():
    indices = [index for index, _ in draws(DrawSampler(DATASET, seed=0), 33)]
    epochs = [indices[:11], indices[11:22], indices[22:]]
    assert all(sorted(epoch) == list(DATASET) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] and epochs[0] != list(DATASET)
    assert len({seed for _, seed in draws(DrawSampler(DATASET, seed=0), 33)}) == 33


def test_seed_decides_and_each_iteration_over_it_begins_anew():
    sampler = DrawSampler(DATASET, seed=1)
    assert draws(sampler, 20) == draws(sampler, 20) == draws(DrawSampler(DATASET, seed=1), 20)
    assert draws(sampler, 20) != draws(DrawSampler(DATASET, seed=2), 20)


def test_without_shuffle():
    assert [index for index, _ in draws(DrawSampler(DATASET, shuffle=False, seed=1), 13)] == [*range(11), 0, 1]


@pytest.mark.parametrize('shuffle', [True, False])
def test_total_batch_decides_not_the_number_of_processes(process, shuffle):
    total, iterations = 8, 6
    alone = draws(process(0, 1, shuffle=shuffle), total * iterations)
    for world_size in (2, 4):
        each = total // world_size
        ranks = [draws(process(r, world_size, shuffle=shuffle), each * iterations) for r in range(world_size)]
        for i in range(iterations):
            together = [draw for rank in ranks for draw in rank[each * i:each * (i + 1)]]
            assert sorted(together) == sorted(alone[total * i:total * (i + 1)])


@pytest.mark.parametrize('world_size', [1, 2])
def test_start_at_continues_where_a_run_stopped(process, world_size):
    total, done = 4, 9
    for rank in range(world_size):
        each = total // world_size
        whole = draws(process(rank, world_size), each * 20)
        resumed = process(rank, world_size)
        resumed.start_at(total * done)
        assert draws(resumed, each * 11) == whole[each * done:]


def test_draw_is_an_integer_that_travels_between_processes():
    draw = pickle.loads(pickle.dumps(Draw(7, seed=9)))
    assert draw == 7 and [*'abcdefgh'][draw] == 'h' and draw.seed == 9 and repr(draw) == 'Draw(7, seed=9)'
