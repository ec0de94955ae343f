"""Runs that go without some of their samples."""
import csv

import pytest
import torch
from mmengine.registry import FUNCTIONS

from segkit.errors import DataError

SKIP = dict(train_dataloader__dataset__bad_samples='skip', val_dataloader__dataset__bad_samples='skip')


@pytest.fixture
def spoil(tmp_path):
    """Cut images of the tiny data set short: 0 to 6 are trained on, 7 to 11 validated."""
    def spoil(*numbers):
        for number in numbers:
            path = tmp_path / f'data/JPEGImages/im{number:02d}.jpg'
            path.write_bytes(path.read_bytes()[:-30])
    return spoil


def table(folder) -> dict:
    return {(row['data'], row['file'][-8:-4]): int(row['times_met'])
            for row in csv.DictReader((folder / 'bad_samples.csv').open())}


def weights_of(folder, iteration):
    return torch.load(folder / f'iter_{iteration}.pth', weights_only=True)['state_dict']


def test_error_is_the_default(run, spoil):
    spoil(3)
    with pytest.raises(DataError, match='im03.jpg'):
        run().train()


def test_skipped_files_are_said_counted_and_reported(run, spoil, tmp_path, capsys):
    spoil(3, 8)
    run(**SKIP).train()
    said = capsys.readouterr().out
    assert 'training: 7 pairs checked' in said and '1 file is to be skipped (bad_samples; 10 may be)' in said
    assert said.count('warning: train data: sample skipped') == 1 and said.count('warning: val data: sample skip') == 1
    assert said.count('1 of 5 images skipped: im08.jpg') == 2 and 'protocol: 4 images' in said
    assert '(4 of 5 images in ' in said and 'images were counted' not in said
    counts = table(tmp_path / 'run')
    assert counts[('val', 'im08')] == 2 and counts[('train', 'im03')] >= 1 and len(counts) == 2
    assert f'train data: {counts[("train", "im03")]} sample' in said and 'val data: 2 samples skipped' in said
    log = (tmp_path / 'run/train.log').read_text()
    assert 'im03.jpg is cut short' in log and 'bad_samples.csv' in log
    state = torch.load(tmp_path / 'run/iter_6.pth', weights_only=True)['message_hub']['runtime_info']['bad_samples']
    assert [times for _, times in state['train'].values()] == [counts[('train', 'im03')]]


def test_nothing_is_written_where_nothing_is_skipped(run, tmp_path, capsys):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/bad_samples.csv').write_text('of an earlier run')
    run(**SKIP).train()
    assert not (tmp_path / 'run/bad_samples.csv').exists() and 'skip' not in capsys.readouterr().out


@pytest.mark.parametrize('numbers, known', [(range(7), 'None of the 7 samples'), (range(7, 12), 'None of the 5 samp')])
def test_a_split_of_which_nothing_is_left(run, spoil, monkeypatch, numbers, known):
    spoil(*numbers)
    with pytest.raises(DataError, match=known):
        run(**SKIP).train()
    monkeypatch.setitem(FUNCTIONS.module_dict, 'check_dataset', lambda dataset, found: 'nothing found')
    with pytest.raises(DataError, match=known) as caught:
        run('met', **SKIP).train()
    assert 'is cut short' in str(caught.value)


def test_more_files_than_the_limit(run, spoil, tmp_path, monkeypatch):
    limit = dict(train_dataloader__dataset__bad_samples=dict(policy='skip', limit=2))
    spoil(1, 2, 3)
    with pytest.raises(DataError, match='3 files of 7 samples cannot be used, more than the 2'):
        run(**limit).train()
    monkeypatch.setitem(FUNCTIONS.module_dict, 'check_dataset', lambda dataset, found: 'nothing found')
    with pytest.raises(DataError, match='3 files of the train data cannot be used, more than the 2'):
        run('met', **limit).train()
    assert len(table(tmp_path / 'met')) == 3


@pytest.mark.slow
def test_neither_loader_processes_nor_a_resume_change_what_is_drawn(run, spoil, tmp_path):
    spoil(1, 3, 5, 9, 10)
    run('whole', **SKIP, train_cfg__max_iters=8).train()
    run('workers', **SKIP, train_cfg__max_iters=8, train_dataloader__num_workers=2,
        val_dataloader__num_workers=1).train()
    # 5 is no validation and no logged iteration
    part = dict(SKIP, default_hooks__checkpoint__interval=1, default_hooks__checkpoint__max_keep_ckpts=-1)
    run('part', **part, train_cfg__max_iters=8, train_dataloader__num_workers=2).train()
    for path in (tmp_path / 'part').glob('iter_[678].pth*'):
        path.unlink()
    (tmp_path / 'part/last_checkpoint').write_text(str(tmp_path / 'part/iter_5.pth'))
    run('part', **part, train_cfg__max_iters=8, resume=True).train()
    whole = weights_of(tmp_path / 'whole', 8)
    for other in ('workers', 'part'):
        theirs = weights_of(tmp_path / other, 8)
        assert all(torch.equal(whole[name], theirs[name]) for name in whole), other
        assert table(tmp_path / other) == table(tmp_path / 'whole')


def test_a_validation_alone_and_a_test(run, spoil, tmp_path, capsys):
    spoil(8)
    skip = dict(val_dataloader__dataset__bad_samples='skip')
    runner = run(**skip, train_cfg=None, train_dataloader=None, optim_wrapper=None, param_scheduler=None)
    scores = runner.val()
    assert '4 of 5 images' in capsys.readouterr().out and scores['aAcc'] >= 0
    assert table(tmp_path / 'run/test') == {('val', 'im08'): 1}


def test_batches_of_an_evaluation_may_be_empty(run, spoil, capsys):
    spoil(7, 8, 9, 10)
    run(**SKIP).train()
    assert '4 of 5 images skipped: im07.jpg, im08.jpg, im09.jpg and 1 more' in capsys.readouterr().out
