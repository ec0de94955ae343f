"""A run goes on from its newest whole checkpoint, and from no other kind (what is saved: test_seg_runner.py)."""
import ast
import shutil
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist

from segkit import checkpoint as ckpt
from segkit.engine import checkpointing
from segkit.errors import CheckpointError, ConfigError, SegkitError


def weights(path):
    return torch.load(path, weights_only=True)['state_dict']


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


def names(folder):
    return {p.name for p in folder.glob('*.pth')}


def test_damaged_newest_checkpoint_is_gone_round(run, tmp_path, capsys):
    run('whole').train()
    whole, folder = tmp_path / 'whole', tmp_path / 'run'
    shutil.copytree(whole, folder)
    damage(folder / 'iter_6.pth')
    capsys.readouterr()
    run('run', resume=True).train()
    out = capsys.readouterr().out
    assert 'iter_6.pth (' in out and 'moved to damaged/, going on from ' + str(folder / 'iter_4.pth') in out
    assert f'resumed from {folder / "iter_4.pth"} at iteration 4' in out
    assert names(folder) == {'iter_4.pth', 'iter_6.pth', 'best_mIoU.pth'}
    assert names(folder / 'damaged') == {'iter_6.pth'}
    assert (folder / 'last_checkpoint').read_text() == str(folder / 'iter_6.pth')
    for name in names(folder):
        ckpt.verify(folder / name)
    one, two = weights(whole / 'iter_6.pth'), weights(folder / 'iter_6.pth')
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_damaged_checkpoint_that_is_named_is_an_error_and_never_replaced(run, tmp_path):
    run().train()
    damage(tmp_path / 'run/iter_6.pth')
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / 'run').glob('*.pth*')}
    for resume in (True, False):
        with pytest.raises(CheckpointError, match='iter_6.pth .* is damaged: its sha256'):
            run('run' if resume else 'other', resume=resume, load_from=str(tmp_path / 'run/iter_6.pth')).train()
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / 'run').glob('*.pth*')} == before


def test_damaged_best_weights_are_said_and_written_anew(run, tmp_path, capsys):
    run(train_cfg__max_iters=4).train()
    damage(tmp_path / 'run/best_mIoU.pth')
    capsys.readouterr()
    run(resume=True).train()
    out = capsys.readouterr().out
    assert 'best_mIoU.pth (' in out and 'The next validation writes it anew.' in out
    ckpt.verify(tmp_path / 'run/best_mIoU.pth')


@pytest.mark.parametrize('key, value, words', [
    ('train_dataloader__batch_size', 3,
     'with 1 process x 2 images x 1 accumulated, this run has 1 process x 3 images x 1 accumulated.\n'
     'Set processes x train_dataloader.batch_size to 2 and optim_wrapper.accumulative_counts to 1: both'),
    ('optim_wrapper__accumulative_counts', 2,
     '2 images x 1 accumulated, this run has 1 process x 2 images x 2'),
])
def test_other_batch_is_refused_with_the_reason(run, key, value, words):
    run(train_cfg__max_iters=2).train()
    with pytest.raises(CheckpointError, match=words):
        run(resume=True, **{key: value}).train()


def test_accumulation_of_the_checkpoint_is_that_of_the_run(run, tmp_path):
    run(train_cfg__max_iters=4, optim_wrapper__accumulative_counts=2).train()
    assert ckpt.load_file(tmp_path / 'run/iter_4.pth')['meta']['accumulative_counts'] == 2
    run(resume=True, optim_wrapper__accumulative_counts=2).train()


def test_data_of_another_length_are_said(run, capsys):
    run(train_cfg__max_iters=2).train()
    run(resume=True, train_cfg__max_iters=3).train()
    assert 'the training data have' not in capsys.readouterr().out
    run(resume=True, train_cfg__max_iters=4, **{'+train_dataloader__dataset__indices': 5}).train()
    assert 'warning: the training data have 5 samples, and had 7 when the' in capsys.readouterr().out


def test_the_best_score_is_that_of_a_file_that_is_there(run, tmp_path, capsys):
    """MMEngine's log holds a best score too; what it belongs to lies elsewhere, if anywhere."""
    run(train_cfg__max_iters=2).train()
    saved = torch.load(tmp_path / 'run/iter_2.pth', weights_only=True)
    saved['message_hub']['runtime_info'].update(best_score=99.0, best_ckpt='/nowhere/best_mIoU_iter_2.pth')
    (tmp_path / 'theirs').mkdir()
    torch.save(saved, tmp_path / 'theirs/iter_2.pth')
    capsys.readouterr()
    runner = run('theirs', resume=True, train_cfg__max_iters=4, train_cfg__val_interval=4)
    runner.train()
    out = capsys.readouterr().out
    assert 'best mIoU - ' in out and '99.00' not in out
    assert torch.load(tmp_path / 'theirs/best_mIoU.pth', weights_only=True)['meta']['iter'] == 4


def test_the_seed_is_the_run_s_whatever_each_process_adds_to_it(run, tmp_path, monkeypatch):
    """The second process of a run with diff_rank_seed, whose own seed is another than the one that is saved."""
    monkeypatch.setattr('mmengine.runner.utils.get_rank', lambda: 1)
    options = {'+randomness': dict(seed=3, diff_rank_seed=True), 'train_cfg__max_iters': 2}
    runner = run(**options)
    runner.set_randomness(**runner._randomness_cfg)
    assert torch.initial_seed() == 4 and runner.seed == 3
    runner.train()
    assert runner.train_dataloader.sampler.seed == 3
    assert ckpt.load_file(tmp_path / 'run/iter_2.pth')['meta']['seed'] == 3


def test_a_seed_of_the_config_yields_to_the_run_s_and_is_written_so(run, tmp_path, capsys):
    run(train_cfg__max_iters=2, **{'+randomness__seed': 7}).train()
    runner = run(resume=True, train_cfg__max_iters=4, **{'+randomness__seed': 5})
    runner.train()
    assert 'seed 7 of the checkpoint is used, not 5 of the config' in capsys.readouterr().out
    assert runner.seed == runner.train_dataloader.sampler.seed == 7
    assert "'seed': 7" in (tmp_path / 'run/config.py').read_text().replace('seed=7', "'seed': 7")
    assert 'seed: 7\n' in (tmp_path / 'run/environment.txt').read_text()
    assert '"seed": 7' in ckpt.load_file(tmp_path / 'run/iter_4.pth')['meta']['config_json']


def _source(rank, init, folder):
    dist.init_process_group('gloo', init_method=f'file://{init}', rank=rank, world_size=2)
    runner = SimpleNamespace(_resume=True, _load_from=None, _train_loop=object(), rank=rank, work_dir=str(folder),
                             logger=SimpleNamespace(warning=lambda line: None))
    try:
        said = checkpointing.source(runner)
    except SegkitError as error:
        said = f'{type(error).__name__} {error}'
    (folder / f'said{rank}').write_text(said)
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize('damaged', [1, 3])
def test_all_processes_are_told_the_same(in_processes, tmp_path, damaged):
    """The second process is never asked what it sees: rank 0 has moved the damaged file by then."""
    for number in (2, 4, 6):
        ckpt.write_atomic(dict(w=torch.zeros(99)), tmp_path / f'iter_{number}.pth')
    for number in (6, 4, 2)[:damaged]:
        damage(tmp_path / f'iter_{number}.pth')
    in_processes(_source, tmp_path / 'meet', tmp_path)
    first, second = ((tmp_path / f'said{rank}').read_text() for rank in (0, 1))
    assert first == second
    assert first.startswith(str(tmp_path / 'iter_4.pth') if damaged == 1 else 'CheckpointError --resume: each of')


def test_phase_starts_from_the_folder_of_the_one_before_and_resumes_from_its_own(run, tmp_path, capsys):
    run('first', train_cfg__max_iters=4).train()
    start = dict(load_from=str(tmp_path / 'first'), model__backbone__init_cfg=dict(
        type='Pretrained', checkpoint='not-here.pth'))  # which a run that starts from a checkpoint does not need
    with pytest.raises(ConfigError, match='--resume: no checkpoint in'):
        run('second', resume=True, **start)
    capsys.readouterr()
    run('second', **start).train()
    assert f'tensors from {tmp_path / "first/iter_4.pth"}' in capsys.readouterr().out
    whole = weights(tmp_path / 'second/iter_6.pth')
    for name in ('iter_6.pth', 'iter_6.pth.sha256', 'last_checkpoint'):
        (tmp_path / 'second' / name).unlink()
    run('second', resume=True, **start).train()
    assert f'resumed from {tmp_path / "second/iter_4.pth"} at iteration 4' in capsys.readouterr().out
    again = weights(tmp_path / 'second/iter_6.pth')
    assert all(torch.equal(value, again[key]) for key, value in whole.items())


def test_phase_whose_first_one_is_missing_is_refused_at_once(run, tmp_path):
    with pytest.raises(ConfigError, match='load_from: .*first does not exist'):
        run('second', load_from=str(tmp_path / 'first'))
    assert not (tmp_path / 'second').exists()


FOUR = {f'{name}_dataloader__dataset__metainfo': dict(classes=('ground', 'green', 'red', 'blue'),
                                                      palette=[[i] * 3 for i in range(4)]) for name in ('train', 'val')}


def test_other_number_of_classes_leads_to_a_start_from_the_backbone(run, tmp_path, capsys):
    run(train_cfg__max_iters=2).train()
    path = tmp_path / 'run/iter_2.pth'
    capsys.readouterr()
    with pytest.raises(CheckpointError, match='The file has 3 classes, the model 4') as caught:
        run('four', load_from=str(path), model__num_classes=4, **FOUR).train()
    text, out = str(caught.value), capsys.readouterr().out
    assert 'all the same' not in out and 'set model.num_classes' not in text and len(text.splitlines()) <= 4
    key, _, value = text.splitlines()[-1].removeprefix('--cfg-options "').removesuffix('"').partition('=')
    advice = {key.replace('.', '__'): ast.literal_eval(value)}
    runner = run('four', model__num_classes=4, train_cfg__max_iters=1, **advice, **FOUR)
    runner.train()
    assert f'tensors from {path}' in capsys.readouterr().out
    runner = run('again', model__num_classes=4, **advice, **FOUR)
    runner._init_model_weights()
    before, backbone = weights(path), runner.model.backbone
    assert all(torch.equal(value, before[f'backbone.{name}']) for name, value in backbone.named_parameters())


def test_classes_of_other_names_are_told_of_once_the_weights_are_there(run, tmp_path, capsys):
    run(train_cfg__max_iters=2).train()
    path, others = tmp_path / 'run/iter_2.pth', dict(classes=('a', 'b', 'c'), palette=[[i] * 3 for i in range(3)])
    capsys.readouterr()
    run('other', load_from=str(path), train_cfg__max_iters=1, train_dataloader__dataset__metainfo=others,
        val_dataloader__dataset__metainfo=others).train()
    out = capsys.readouterr().out
    assert out.count('The weights are loaded all the same.') == 1 and 'compute something else' not in out


@pytest.mark.parametrize('resume', [True, False])
def test_weights_of_another_function_are_told_of(run, tmp_path, capsys, resume):
    run(train_cfg__max_iters=2).train()
    capsys.readouterr()
    run('run' if resume else 'other', resume=resume, load_from=str(tmp_path / 'run/iter_2.pth'),
        train_cfg__max_iters=3, model__align_corners=True).train()
    out = ' '.join(capsys.readouterr().out.split())
    assert 'decode_head.align_corners False -> True' in out and 'fit, but compute something else' in out
