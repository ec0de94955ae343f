"""The recipe's total batch against the run's."""
import json
import re

import pytest
import torch
from mmengine.config import Config

from segkit.engine import recipe
from segkit.errors import ConfigError


def config(total=16, batch=4, name='a.py', norm='SyncBN', **parts):
    cfg = Config(dict(
        model=dict(type='EncoderDecoder', norm_cfg=dict(type=norm) if norm else None),
        train_dataloader=dict(batch_size=batch),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01),
                           paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.)))),
        param_scheduler=[dict(type='PolyLR', eta_min=1e-4, power=0.9, begin=0, by_epoch=False)],
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2000)), **parts))
    if total is not None:
        cfg.auto_scale_lr = dict(base_batch_size=total, enable=False)
    object.__setattr__(cfg, '_filename', name)
    return cfg


def test_one_line_says_what_differs():
    assert recipe.difference(config(), 1) == (
        'recipe: total batch 16; this run 4 = 1 process x 4 (learning rate as stated). '
        '--match-recipe accumulates 4 batches an update; --auto-scale-lr scales the learning rate by 0.25')
    assert '--match-recipe takes 2 images a process' in recipe.difference(config(), 8)
    assert '--match-recipe has no setting' in recipe.difference(config(), 3)


@pytest.mark.parametrize('cfg, processes', [(config(), 4), (config(batch=2), 8), (config(total=None), 1)])
def test_nothing_is_said_where_nothing_differs_or_is_claimed(cfg, processes):
    assert recipe.difference(cfg, processes) is None


def test_accumulated_batches_count():
    cfg = config()
    cfg.optim_wrapper.accumulative_counts = 4
    assert recipe.difference(cfg, 1) is None
    assert 'this run 32 = 2 processes x 4 x 4 accumulated' in recipe.difference(cfg, 2)


def test_a_foreign_config_says_it_in_its_name():
    cfg = config(total=None, name='/x/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py')
    assert recipe.stated(cfg) == (16, ', by the name of the config file')
    assert 'total batch 16 = 4 processes x 4, by the name of the config file; this run 4' in recipe.difference(cfg, 1)
    assert recipe.stated(config(total=8, name=cfg.filename)) == (8, '')  # what the file states wins


def test_no_number_of_processes_is_invented():
    """The batch of a process may be an option's; only the name of the file says how many there were."""
    cfg = config(total=4, batch=2, name='deeplabv3_r18w32-d8_1xb4-2400_scenes-128x128.py')
    assert recipe.difference(cfg, 1).startswith('recipe: total batch 4 = 1 process x 4; this run 2 = 1 process x 2')
    cfg.auto_scale_lr.base_batch_size = 8  # and no more than the total that is stated
    assert recipe.difference(cfg, 1).startswith('recipe: total batch 8; this run 2')


@pytest.mark.parametrize('value', [0, -1, 1.5, True, '2', None])
def test_a_batch_that_is_none_is_refused(value):
    with pytest.raises(ConfigError, match='train_dataloader.batch_size: expected a whole number of images'):
        recipe.difference(config(batch=value), 1)
    cfg = config()
    cfg.optim_wrapper.accumulative_counts = value
    with pytest.raises(ConfigError, match='optim_wrapper.accumulative_counts: expected a whole number of batches'):
        recipe.difference(cfg, 1)


@pytest.mark.parametrize('norm, said', [
    ('SyncBN', 'sees the 8 images of one batch (SyncBN), not the 32 of'),
    ('BN', 'sees the 4 images of one batch (BN, in each process), not the 32 of')])
def test_what_batch_norm_sees_of_accumulated_batches(norm, said):
    cfg = config(norm=norm)
    assert recipe.accumulation(cfg, 2) is None
    cfg.optim_wrapper.accumulative_counts = 4
    assert said in recipe.accumulation(cfg, 2)
    cfg.model.norm_eval = True
    assert recipe.accumulation(cfg, 2) is None
    cfg.model.norm_eval = False
    assert said in recipe.accumulation(cfg, 2)
    cfg.model.norm_cfg.type = 'GN'
    assert recipe.accumulation(cfg, 2) is None


def test_it_is_said_once_and_in_place_of_mmengine_s_warning(tiny_config, tmp_path, capsys):
    train(tiny_config, tmp_path / 'a', '--cfg-options', 'train_cfg.max_iters=2', '+optim_wrapper.accumulative_counts=2')
    out, err = capsys.readouterr()
    assert (out + err).count('batch norm sees') == 1 and 'Gradient accumulative' not in out + err


@pytest.mark.parametrize('total', [0, -4, 2.5, '16'])
def test_a_total_that_is_none_is_refused(total):
    with pytest.raises(ConfigError, match='auto_scale_lr.base_batch_size: expected'):
        recipe.stated(config(total=total))


@pytest.mark.parametrize('processes, size, accumulation', [(1, 4, 4), (2, 4, 2), (4, 4, 1), (8, 2, 1), (16, 1, 1)])
def test_match_keeps_the_batch_where_it_divides(processes, size, accumulation):
    cfg = config()
    lines = recipe.match(cfg, processes)
    assert cfg.train_dataloader.batch_size == size
    assert cfg.optim_wrapper.get('accumulative_counts', 1) == accumulation
    assert cfg.train_cfg.max_iters == 20000 * accumulation
    assert cfg.default_hooks.checkpoint.interval == 2000 * accumulation
    assert recipe.of_run(cfg, processes).total == 16 and recipe.difference(cfg, processes) is None
    assert len(lines) == (2 if accumulation > 1 else 1)


def test_match_lowers_a_batch_that_does_not_divide():
    cfg = config(batch=3)
    recipe.match(cfg, 1)
    assert (cfg.train_dataloader.batch_size, cfg.optim_wrapper.accumulative_counts) == (2, 8)


def test_match_names_the_numbers_that_work():
    with pytest.raises(ConfigError, match='by 3 processes.\nNumbers that can: 1, 2, 4, 8, 16.'):
        recipe.match(config(), 3)


@pytest.mark.parametrize('norm, processes, said', [
    ('SyncBN', 1, 'batch norm sees 4 images (SyncBN), the recipe 16'),
    ('SyncBN', 2, 'batch norm sees 8 images (SyncBN), the recipe 16'),
    ('SyncBN', 8, 'batch norm sees 16 images (SyncBN), as in the recipe'),
    ('BN', 1, 'batch norm sees 4 images (BN, in each process), as in the recipe'),
    ('BN', 8, 'batch norm sees 2 images (BN, in each process), the recipe 4')])
def test_match_says_what_batch_norm_sees(norm, processes, said):
    assert said in recipe.match(config(norm=norm), processes)[0]


def test_match_says_nothing_of_batch_norm_where_there_is_none():
    assert 'batch norm' not in recipe.match(config(norm='GN'), 1)[0]


def test_what_was_matched_is_matched():
    cfg = config()
    recipe.match(cfg, 1)
    again = Config(cfg.to_dict())
    assert recipe.match(again, 1) == ['recipe: total batch 16 = 1 process x 4 x 4 accumulated already; --match-recipe '
                                      'changes nothing']
    assert again.to_dict() == cfg.to_dict()


def test_the_learning_rate_follows_the_total_batch():
    cfg = config()
    cfg.param_scheduler.append(dict(type='PolyMomentum', eta_min=0.5, by_epoch=False))
    lines = recipe.scale_lr(cfg, 1)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.0025)
    assert cfg.param_scheduler[0].eta_min == pytest.approx(2.5e-5)
    assert cfg.param_scheduler[1]['eta_min'] == 0.5  # a momentum
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys.decode_head.lr_mult == 10.
    assert lines == ['recipe: total batch 16; this run 4 = 1 process x 4: learning rate x 0.25: '
                     'optim_wrapper.optimizer.lr 0.01 -> 0.0025; param_scheduler.0.eta_min 0.0001 -> 2.5e-05']
    assert cfg.auto_scale_lr == dict(base_batch_size=4, enable=False)  # a run from the saved config scales no more
    assert recipe.difference(cfg, 1) is None


def test_accumulation_counts_when_the_rate_is_scaled():
    cfg = config()
    cfg.optim_wrapper.accumulative_counts = 2
    recipe.scale_lr(cfg, 4)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.02)


def test_both_flags_leave_nothing_to_scale():
    cfg = config()
    recipe.match(cfg, 1)
    assert recipe.scale_lr(cfg, 1) == ['recipe: total batch 16 = 1 process x 4 x 4 accumulated; --auto-scale-lr has '
                                       'nothing to scale']
    assert cfg.optim_wrapper.optimizer.lr == 0.01


@pytest.mark.parametrize('change', [recipe.match, recipe.scale_lr])
def test_flags_need_a_recipe(change):
    with pytest.raises(ConfigError, match=r'does not say what total batch.*\n.*auto_scale_lr=dict\(base_batch_size='):
        change(config(total=None), 1)
    cfg = config()
    cfg.train_dataloader = dict(batch_sampler=dict(type='X', batch_size=4))
    with pytest.raises(ConfigError, match='batch_sampler'):
        change(cfg, 1)


def test_a_rate_that_is_not_stated_cannot_be_scaled():
    cfg = config()
    del cfg.optim_wrapper.optimizer['lr']
    with pytest.raises(ConfigError, match='optim_wrapper.optimizer states no lr'):
        recipe.scale_lr(cfg, 1)


def test_each_of_several_optimizers_is_scaled_and_none_accumulates():
    cfg = config()
    cfg.optim_wrapper = dict(constructor='Mine', a=dict(optimizer=dict(type='SGD', lr=0.1)),
                             b=dict(optimizer=dict(type='SGD', lr=1.)))
    with pytest.raises(ConfigError, match='optim_wrapper has several.\nRun on 4 processes'):
        recipe.match(cfg, 1)
    recipe.scale_lr(cfg, 1)
    assert (cfg.optim_wrapper.a.optimizer.lr, cfg.optim_wrapper.b.optimizer.lr) == (0.025, 0.25)


def test_the_config_is_settled_in_a_copy():
    cfg = config()
    assert recipe.settled(cfg, 1) == (cfg, [])
    cfg.auto_scale_lr.enable = True
    settled, lines = recipe.settled(cfg, 1)
    assert cfg.optim_wrapper.optimizer.lr == 0.01 and settled.optim_wrapper.optimizer.lr == 0.0025 and len(lines) == 1
    cfg.train_dataloader = None  # a test of the same config
    assert recipe.settled(cfg, 1) == (cfg, [])


def train(config_file, folder, *args):
    from segkit.apis import train as tool
    tool.main([str(config_file), '--work-dir', str(folder), *map(str, args)])


def updates(folder):
    """Learning rate at each logged iteration, from the run folder."""
    rows = [json.loads(row) for row in (folder / 'vis_data/scalars.json').open()]
    return {row['step']: row['lr'] for row in rows if 'loss' in row}


@pytest.mark.parametrize('flag', ['--auto-scale-lr', None])
def test_train_scales_by_flag_or_by_config(tiny_config, tmp_path, capsys, flag):
    key = ['--cfg-options', 'train_cfg.max_iters=1'] + ([] if flag else ['auto_scale_lr.enable=True'])
    tiny_config.write_text(tiny_config.read_text() + 'auto_scale_lr = dict(base_batch_size=8, enable=False)\n')
    train(tiny_config, tmp_path / 'a', *([flag] if flag else []), *key)
    out = capsys.readouterr().out
    assert out.count('optim_wrapper.optimizer.lr 0.01 -> 0.0025') == 1 and '--match-recipe' not in out
    lrs = {round(g['lr'], 9) for g in torch.load(tmp_path / 'a/iter_1.pth')['optimizer']['param_groups']}
    initial = {round(g['initial_lr'], 9) for g in torch.load(tmp_path / 'a/iter_1.pth')['optimizer']['param_groups']}
    assert initial == {0.0025, 0.025} and lrs  # the head's multiplier keeps its ratio
    text = (tmp_path / 'a/config.py').read_text()
    assert re.search(r'auto_scale_lr = dict\(base_batch_size=2, enable=False\)', text)


def test_train_says_what_differs_and_changes_nothing(tiny_config, tmp_path, capsys):
    tiny_config.write_text(tiny_config.read_text() + 'auto_scale_lr = dict(base_batch_size=8, enable=False)\n')
    train(tiny_config, tmp_path / 'a', '--cfg-options', 'train_cfg.max_iters=1')
    out = capsys.readouterr().out
    assert out.count('recipe: total batch 8; this run 2 = 1 process x 2 (learning rate as') == 1
    assert 'recipe: total batch 8' in (tmp_path / 'a/train.log').read_text()
    train(tiny_config, tmp_path / 'b', '--cfg-options', 'train_cfg.max_iters=1', 'train_dataloader.batch_size=8')
    assert 'recipe:' not in capsys.readouterr().out


def test_a_matched_run_ends_with_the_weights_of_the_recipe(tiny_config, tmp_path, capsys):
    """One process x 4 is the recipe; one x 2 matches it: same images an update, same rates, same weights."""
    text = tiny_config.read_text().replace("norm_cfg=dict(type='SyncBN', requires_grad=True)",
                                           "norm_cfg=dict(type='GN', num_groups=2)").replace(
                                               'dropout_ratio=0.1', 'dropout_ratio=0.').replace(
                                                   "type='ProgressHook', interval=2", "type='ProgressHook', interval=1")
    tiny_config.write_text(text + 'auto_scale_lr = dict(base_batch_size=4, enable=False)\n')
    train(tiny_config, tmp_path / 'stated', '--cfg-options', 'train_dataloader.batch_size=4')
    assert 'recipe:' not in capsys.readouterr().out
    train(tiny_config, tmp_path / 'matched', '--match-recipe')
    out = capsys.readouterr().out
    assert 'recipe: total batch 4; this run 1 process x 2 x 2 accumulated' in out
    assert 'train_cfg.max_iters 6 -> 12' in out

    expected, found = updates(tmp_path / 'stated'), updates(tmp_path / 'matched')
    assert {step: found[2 * step] for step in expected} == pytest.approx(expected, rel=1e-6)
    one = torch.load(tmp_path / 'stated/iter_6.pth')['state_dict']
    two = torch.load(tmp_path / 'matched/iter_12.pth')['state_dict']
    for name, value in one.items():
        assert torch.allclose(two[name], value, rtol=1e-3, atol=1e-5), name

    # Stopped half-way, a resume goes on from the saved config, or from the original one with the flag.
    (tmp_path / 'matched/iter_12.pth').unlink()
    saved = tmp_path / 'saved.py'
    saved.write_text((tmp_path / 'matched/config.py').read_text())
    for number, source in enumerate([(tiny_config, '--match-recipe'), (saved, )]):
        folder = tmp_path / f'resumed{number}'
        folder.mkdir()
        newest = sorted((tmp_path / 'matched').glob('iter_*.pth'))[0]
        assert newest.name == 'iter_8.pth'
        for path in (tmp_path / 'matched').glob('iter_8.pth*'):
            (folder / path.name).write_bytes(path.read_bytes())
        train(source[0], folder, '--resume', *source[1:])
        again = torch.load(folder / 'iter_12.pth')['state_dict']
        assert all(torch.equal(again[name], value) for name, value in two.items())
