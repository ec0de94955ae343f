"""Samples that are skipped, from the loader processes to the account of all processes."""
import csv
from functools import partial

import pytest
import torch
import torch.distributed as dist
from torch.utils.data import Dataset

from segkit.engine.skipped_samples import SkippedSamples, SkippingLoader, write_table
from segkit.errors import DataError
from segkit.structures import SkippedSample


class Squares(Dataset):
    """Numbers; those of ``bad`` are skipped, and 3 was drawn in place of a skipped one."""

    bad = (0, 1, 5)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        if index in self.bad:
            return SkippedSample(f'{index}.jpg', f'{index}.jpg is bad')
        sample = dict(value=index * index)
        if index == 3:
            sample['skipped'] = [SkippedSample('9.jpg', '9.jpg is bad'), SkippedSample('9.jpg', '9.jpg is bad')]
        return sample


def values(samples):
    assert all(set(sample) == {'value'} for sample in samples)  # nothing of the account reaches the model
    return [sample['value'] for sample in samples]


def loader(workers=0, **kwargs):
    return SkippingLoader(Squares(), batch_size=2, num_workers=workers, collate_fn=values,
                          skipped=SkippedSamples('val', 10), **kwargs)


@pytest.mark.parametrize('workers, kwargs', [(0, {}), (2, {}), (2, dict(persistent_workers=True)),
                                             (1, dict(multiprocessing_context='forkserver'))])
def test_batches_arrive_without_what_was_skipped(workers, kwargs):
    data = loader(workers, **kwargs)
    for met in (1, 2):  # passes over the data
        assert list(data) == [None, [4, 9], [16], [36, 49]]
        assert sorted(data.skipped.passing) == sorted(
            (name, f'{name} is bad') for name in ('0.jpg', '1.jpg', '9.jpg', '9.jpg', '5.jpg'))
        assert data.skipped.files == {name: [f'{name} is bad', met * times] for name, times in
                                      (('0.jpg', 1), ('1.jpg', 1), ('9.jpg', 2), ('5.jpg', 1))}
    data.skipped.agree()
    assert data.skipped.skipped_in_pass == 5
    assert data.skipped.report() == 'val data: 10 samples skipped, of 4 bad files'


def test_a_batch_is_counted_when_it_arrives_and_not_when_it_is_read_ahead():
    data = loader(2, prefetch_factor=4)
    batches = iter(data)
    assert next(batches) is None and next(batches) == [4, 9]
    assert set(data.skipped.files) == {'0.jpg', '1.jpg', '9.jpg'}  # 5 has been read in a loader process


def test_each_file_is_said_once(monkeypatch):
    lines = []
    monkeypatch.setattr('segkit.engine.skipped_samples.print_log', lambda text, *where: lines.append(text))
    account = SkippedSamples('train', 10)
    for _ in range(3):
        account.note([SkippedSample('a.jpg', 'a.jpg is empty')])
    account.add_found({'b.jpg': 'b.jpg is cut short'})  # by the check: said there
    account.note([SkippedSample('b.jpg', 'b.jpg is cut')])
    assert lines == ['train data: sample skipped (1 bad file so far, 10 allowed): a.jpg is empty',
                     'train data: sample skipped (2 bad files so far, 10 allowed): b.jpg is cut short']
    assert account.files == {'a.jpg': ['a.jpg is empty', 3], 'b.jpg': ['b.jpg is cut short', 1]}
    assert account.passing == []  # a training has no end at which it would be read


def test_more_files_than_the_limit_end_the_run_and_are_written_down_first():
    account, written = SkippedSamples('train', 2), []
    account.on_change = lambda: written.append(list(account.files))
    for name in 'abab':
        account.note([SkippedSample(name, f'{name} is bad')])
    with pytest.raises(DataError, match='3 files of the train data cannot be used, more than the 2') as caught:
        account.note([SkippedSample('c', 'c is bad')])
    assert 'First: a is bad' in str(caught.value) and len(str(caught.value).splitlines()) <= 4
    assert written[-1] == ['a', 'b', 'c']


def test_a_joined_dataset_s_own_limit():
    account = SkippedSamples('train', 4, beyond=lambda files: (list(files)[-2:], 1) if len(files) > 2 else None)
    account.note([SkippedSample('a', 'a is bad'), SkippedSample('b', 'b is bad')])
    with pytest.raises(DataError, match='2 files of the train data cannot be used, more than the 1 that') as caught:
        account.note([SkippedSample('c', 'c is bad')])
    assert 'First: b is bad' in str(caught.value)


def test_an_evaluation_of_nothing_is_refused():
    account = SkippedSamples('val', 10, samples=2)
    account.note([SkippedSample('a', 'a is bad')])
    account.agree()
    account.note([SkippedSample('b', 'b is bad')])
    with pytest.raises(DataError, match='None of the 2 samples of the val data can be used') as caught:
        account.agree()
    assert 'First: a is bad' in str(caught.value)


def test_the_limit_counts_what_the_check_found():
    account = SkippedSamples('train', 2)
    account.add_found({'a': 'a is bad', 'b': 'b is bad'})
    account.note([SkippedSample('b', 'b is bad')])
    with pytest.raises(DataError, match='3 files'):
        account.note([SkippedSample('c', 'c is bad')])


def test_the_account_goes_on_after_a_resume():
    account, other = SkippedSamples('train', 2), SkippedSamples('train', 2)
    account.note([SkippedSample('a', 'a is bad')] * 4)
    other.restore(account.state())
    other.note([SkippedSample('a', 'a is bad')])
    assert other.files == {'a': ['a is bad', 5]} and account.files == {'a': ['a is bad', 4]}


def test_table(tmp_path):
    account = SkippedSamples('train', 5)
    account.note([SkippedSample('a, b.jpg', 'is "bad"')])
    write_table(tmp_path / 't.csv', [account])
    assert list(csv.DictReader((tmp_path / 't.csv').open())) == [
        dict(data='train', file='a, b.jpg', reason='is "bad"', times_met='1')]


def _share(rank, world, init_file, result_file, limit):
    dist.init_process_group('gloo', init_method=f'file://{init_file}', rank=rank, world_size=world)
    account = SkippedSamples('val', limit)
    if rank == 0:
        account.add_found({'0.jpg': 'found by the check'})
    account.note([SkippedSample(f'{rank}.jpg', 'bad')] * (rank + 1))
    account.note([SkippedSample('both.jpg', 'bad')])
    before, error = account.state(), None
    try:
        account.agree()
        account.agree()  # nothing is counted twice
    except DataError as caught:
        error = str(caught)
    torch.save((before, account.state(), account.skipped_in_pass, error), f'{result_file}.{rank}')
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize('limit', [3, 2])
def test_two_processes_count_together(in_processes, tmp_path, limit):
    in_processes(_share, 2, tmp_path / 'init', tmp_path / 'result', limit)
    results = [torch.load(f'{tmp_path / "result"}.{rank}') for rank in range(2)]
    assert results[0] == results[1]
    before, after, skipped, error = results[0]
    assert before == {}  # no process decides by itself, so that none goes on while another one stops
    assert after == {'0.jpg': ['found by the check', 1], 'both.jpg': ['bad', 2], '1.jpg': ['bad', 2]}
    assert skipped == 5
    assert error is None if limit == 3 else '3 files' in error


def test_any_collate_function_of_a_config_works(run):
    from mmengine.dataset import pseudo_collate
    data = SkippingLoader(Squares(), batch_size=8, collate_fn=partial(pseudo_collate), skipped=SkippedSamples('val', 9))
    assert next(iter(data)) == dict(value=[4, 9, 16, 36, 49])
