"""A runner that does something else instead of training."""
import pytest
from mmengine.config import Config
from mmengine.hooks import Hook

from segkit.engine.dry_runner import DryRunner, OneBatch, local_config


@pytest.fixture
def dry(tiny_config, tmp_path):
    from segkit.config import load_config

    def build(**overrides):
        overrides = {key.replace('__', '.'): value for key, value in overrides.items()}
        cfg = load_config(tiny_config, overrides, say=lambda line: None)
        return DryRunner.from_cfg(local_config(cfg, tmp_path / 'folder'))

    return build


def test_walk_replaces_the_training(dry):
    runner, seen = dry(), []
    runner.walk = lambda runner: seen.append((runner.iter, type(runner.optim_wrapper).__name__,
                                              len(runner.param_schedulers)))
    runner.train()
    assert seen == [(0, 'OptimWrapper', 1)]


@pytest.mark.parametrize('schedule', [
    [dict(type='PolyLR', eta_min=1e-4, power=0.9, begin=0, by_epoch=False)],
    [dict(type='LinearLR', start_factor=0.1, begin=0, end=3, by_epoch=False),
     dict(type='MultiStepLR', milestones=[4], by_epoch=False)]])
def test_learning_rates_are_those_of_the_training(dry, schedule, run):
    runner, foreseen = dry(param_scheduler=schedule), []
    runner.walk = lambda runner: foreseen.extend(runner.learning_rates(list(range(6))))
    runner.train()
    rates = []
    real = run(param_scheduler=schedule)
    real.register_hook(type('Note', (Hook, ), dict(
        before_train_iter=lambda self, runner, **_: rates.append(runner.optim_wrapper.param_groups[0]['lr'])))())
    real.train()

    assert foreseen == pytest.approx(rates)


def test_local_config_writes_to_one_folder(tmp_path):
    cfg = Config(dict(
        work_dir='elsewhere', train_dataloader=dict(num_workers=8), val_dataloader=None,
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', out_dir='/far'), other=None),
        visualizer=dict(type='V', save_dir='/far', vis_backends=[
            dict(type='WandbVisBackend'), dict(type='TensorboardVisBackend', save_dir='/far')])))
    local = local_config(cfg, tmp_path)
    assert local.work_dir == str(tmp_path) and local.train_dataloader.num_workers == 0
    assert local.default_hooks.checkpoint.out_dir is None
    assert local.visualizer == dict(type='V', vis_backends=[dict(type='TensorboardVisBackend')])
    assert cfg.work_dir == 'elsewhere' and cfg.visualizer.save_dir == '/far'


def test_one_batch_is_the_loader_for_all_else():
    class Loader:
        dataset, batch_size = [1, 2, 3], 7

    one = OneBatch(Loader(), ['batch'], total=2)
    assert list(one) == ['batch'] and len(one) == 1 and one.batch_size == 7 and len(one.dataset) == 2
