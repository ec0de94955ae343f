import random
from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from segkit.datasets import Draw, DrawSampler, SeededDataset, seg_collate
from segkit.errors import DataError
from segkit.registry import DATASETS
from segkit.structures import SkippedSample

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(24, 20), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(10, 10)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]


class Noise:
    """Gives three random numbers, one from each source."""

    metainfo = dict(classes=('a', ))

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return int(index), random.random(), np.random.rand(), torch.rand(1).item()


def test_seed_decides_all_three_sources():
    dataset = SeededDataset(Noise())
    first = dataset[Draw(3, 7)]
    torch.rand(2), np.random.rand(), random.random()
    assert dataset[Draw(3, 7)] == first and first[0] == 3
    other = dataset[Draw(3, 8)]
    assert all(a != b for a, b in zip(first[1:], other[1:]))


def test_main_process_keeps_its_own_random_states():
    dataset = SeededDataset(Noise())
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    expected = Noise()[0]
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    dataset[Draw(0, 99)]
    assert Noise()[0] == expected


def test_plain_index_is_handed_through():
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    expected = Noise()[0]
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    assert SeededDataset(Noise())[0] == expected
    assert len(SeededDataset(Noise())) == 5 and SeededDataset(Noise()).metainfo == dict(classes=('a', ))


def test_built_around_a_config(voc_config):
    dataset = DATASETS.build(dict(type='SeededDataset', dataset=dict(
        type='ConcatDataset', datasets=[dict(voc_config, lazy_init=True)], lazy_init=True)))
    dataset.full_init()
    assert len(dataset) == 3 and dataset.get_data_info(1)['img_path'].endswith('b.jpg')
    assert dataset.metainfo['classes'][1] == 'aeroplane'


@pytest.fixture
def batches(voc_config):
    """A function that returns some batches, read by so many loader processes."""
    dataset = SeededDataset(dict(voc_config, pipeline=PIPELINE))

    def batches(num_workers: int, start: int = 0, count: int = 6):
        sampler = DrawSampler(dataset, seed=3)
        sampler.start_at(start)
        loader = DataLoader(dataset, batch_size=2, sampler=sampler, num_workers=num_workers,
                            collate_fn=partial(seg_collate, stack_labels=True))
        return [batch for batch, _ in zip(loader, range(count))]
    return batches


def same(first, second) -> bool:
    return all(torch.equal(a['inputs'], b['inputs']) and torch.equal(a['labels'], b['labels'])
               for a, b in zip(first, second, strict=True))


@pytest.mark.filterwarnings('ignore:This DataLoader will create')
def test_batches_do_not_depend_on_the_number_of_loader_processes(batches):
    alone = batches(0)
    assert not same(alone, batches(0, start=12))
    assert same(alone, batches(1)) and same(alone, batches(4))


def test_a_run_that_starts_late_sees_the_same_and_reads_nothing_else(batches, monkeypatch):
    whole = batches(0)
    read = []
    monkeypatch.setattr(SeededDataset, '__getitem__',
                        lambda self, idx, get=SeededDataset.__getitem__: (read.append(int(idx)), get(self, idx))[1])
    assert same(batches(0, start=8, count=2), whole[4:6])
    assert len(read) <= 6  # two batches, and the one that zip asked for before it stopped


def test_image_and_label_stay_together(voc_config):
    geometry = [step for step in PIPELINE if step['type'] != 'PhotoMetricDistortion']
    dataset = SeededDataset(dict(voc_config, pipeline=geometry))
    loader = DataLoader(dataset, batch_size=2, sampler=DrawSampler(dataset, seed=3),
                        collate_fn=partial(seg_collate, stack_labels=True))
    seen = set()
    for batch, _ in zip(loader, range(10)):
        for image, labels in zip(batch['inputs'], batch['labels']):
            valid = labels != 255
            # in the tree the image with label k has the grey 10 k
            assert (image.float().mean(0)[valid] / 10 - labels[valid]).abs().max() < 0.3
            assert (image[:, ~valid] == 0).all()
            seen |= set(labels[valid].tolist())
    assert seen == {1, 2, 3}


class Half(Noise):
    """Samples with random numbers; every second one cannot be used."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        if index % 2:
            return SkippedSample(f'{index}.jpg', 'is bad', max_refetch=20)
        return dict(index=int(index), noise=torch.rand(1).item())


def test_a_skipped_sample_is_replaced_by_one_that_the_draw_alone_decides():
    dataset = SeededDataset(Half())
    assert 'skipped' not in dataset[Draw(2, 5)]
    first = dataset[Draw(3, 5)]
    assert first['index'] % 2 == 0 and first['skipped'][0].file == '3.jpg'
    torch.rand(3), np.random.rand(2)
    assert dataset[Draw(3, 5)] == first
    replaced = [dataset[Draw(3, seed)] for seed in range(60)]
    assert {sample['index'] for sample in replaced} == {0, 2, 4, 6}  # any sample may come instead
    assert len({sample['noise'] for sample in replaced}) == 60
    assert max(len(sample['skipped']) for sample in replaced) > 2  # those drawn instead may be bad too


def test_a_replacement_leaves_the_main_process_its_random_states():
    dataset = SeededDataset(Half())
    for index in (Draw(1, 5), 1):  # the second one is of a sampler that gives no seed
        torch.manual_seed(1), np.random.seed(1), random.seed(1)
        expected = torch.rand(2), random.random()
        torch.manual_seed(1), np.random.seed(1), random.seed(1)
        sample = dataset[index]
        assert sample['index'] % 2 == 0 and sample['skipped']
        assert torch.equal(torch.rand(2), expected[0]) and random.random() == expected[1]


def test_when_nothing_can_be_used_it_says_so():
    class Bad(Half):
        def __getitem__(self, index):
            return SkippedSample(f'{index}.jpg', f'{index}.jpg is bad', max_refetch=3)
    with pytest.raises(DataError, match='4 samples drawn one after the other') as caught:
        SeededDataset(Bad())[Draw(0, 1)]
    assert 'jpg is bad' in str(caught.value)


def test_when_no_sample_at_all_can_be_used_it_says_how_many_there_are():
    class Bad(Half):
        def __getitem__(self, index):
            return SkippedSample(f'{index}.jpg', f'{index}.jpg is bad', max_refetch=200)
    with pytest.raises(DataError, match='None of the 8 samples to train on') as caught:
        SeededDataset(Bad())[Draw(5, 1)]
    assert 'First: 5.jpg is bad' in str(caught.value)
