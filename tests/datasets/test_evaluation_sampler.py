import pytest

from segkit.datasets import evaluation_sampler
from segkit.datasets.evaluation_sampler import EvaluationSampler
from segkit.registry import DATA_SAMPLERS

DATASET = range(11)


@pytest.fixture
def process(monkeypatch):
    """A function that makes the sampler of process r of W."""
    def process(rank, world_size, **kwargs):
        monkeypatch.setattr(evaluation_sampler, 'get_dist_info', lambda: (rank, world_size))
        return EvaluationSampler(DATASET, seed=5, **kwargs)
    return process


def test_configs_know_it_as_default_sampler():
    assert DATA_SAMPLERS.get('DefaultSampler') is EvaluationSampler


@pytest.mark.parametrize('world_size', [1, 2, 3, 4, 20])
@pytest.mark.parametrize('shuffle', [True, False])
def test_each_image_once_for_any_number_of_processes(process, world_size, shuffle):
    ranks = [process(r, world_size, shuffle=shuffle) for r in range(world_size)]
    parts = [[int(draw) for draw in sampler] for sampler in ranks]
    assert sorted(sum(parts, [])) == list(DATASET)
    assert [len(sampler) for sampler in ranks] == [len(part) for part in parts]


def test_in_order_on_one_process(process):
    assert list(process(0, 1, shuffle=False)) == list(DATASET)


def test_epochs_differ_and_repeat(process):
    sampler = process(0, 1)
    first, again = list(sampler), list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert first == again != second and sorted(second) == list(DATASET)
    seeds = {draw.seed for draw in first + second}
    assert len(seeds) == 22


def test_round_up_gives_every_process_equally_many(process):
    parts = [list(process(r, 4, round_up=True)) for r in range(4)]
    assert [len(part) for part in parts] == [3] * 4 and set(sum(parts, [])) == set(DATASET)
    assert len(process(3, 4, round_up=True)) == 3
