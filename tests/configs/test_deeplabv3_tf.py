"""DeepLabV3-Tensorflow from its config files: size, optimizer, learning rate and what reaches the network."""
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from segkit.config import load_config
from segkit.engine.schedule import fill_ends
from segkit.registry import MODELS, PARAM_SCHEDULERS, TRANSFORMS

FOLDER = Path(__file__).parents[2] / 'configs' / 'deeplabv3_tf'
NAME = 'deeplabv3-tf_r{}-d16-mg124_1xb4-600k_voc12aug-513x513.py'


@pytest.fixture(scope='module')
def cfg() -> Config:
    return load_config(FOLDER / NAME.format(50))


def built(cfg: Config) -> nn.Module:
    with torch.device('meta'):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize('depth,count', [(50, 39_048_533), (101, 58_040_661)])
def test_parameters(depth, count):
    model = built(load_config(FOLDER / NAME.format(depth)))
    assert sum(p.numel() for p in model.parameters()) == count
    assert sum(p.numel() for p in model.decode_head.parameters()) == 15_540_501


def test_every_batch_norm_keeps_its_statistics_for_long(cfg):
    norms = [module for module in built(cfg).modules() if isinstance(module, _BatchNorm)]
    assert len(norms) == 53 + 6
    assert {(norm.momentum, norm.eps, norm.weight.requires_grad) for norm in norms} == {(0.0003, 1e-5, True)}


def test_convolutions_alone_decay_and_all_learn_alike(cfg):
    model = built(cfg)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    groups = {parameter: group for group in optimizer.param_groups for parameter in group['params']}
    assert sum(len(group['params']) for group in optimizer.param_groups) == len(groups)
    names = dict(model.named_parameters())
    assert set(groups) == set(names.values())
    decayed = {name for name, parameter in names.items() if groups[parameter]['weight_decay']}
    convs = {f'{name}.weight' for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    assert decayed == convs and len(convs) == 53 + 7
    assert {group['weight_decay'] for group in groups.values()} == {0.0, 0.0001}
    assert {(group['lr'], group['momentum']) for group in groups.values()} == {(0.01, 0.9)}


def test_learning_rate_at_each_step_of_a_short_run():
    cfg = load_config(FOLDER / NAME.format(50), ['train_cfg.max_iters=20', 'param_scheduler.0.end=21'])
    optimizer = build_optim_wrapper(nn.Conv2d(1, 1, 1), cfg.optim_wrapper).optimizer
    scheduler = PARAM_SCHEDULERS.build(
        fill_ends(cfg.param_scheduler[0], cfg.train_cfg), default_args=dict(optimizer=optimizer))
    for i in range(20):
        for group in optimizer.param_groups:
            assert group['lr'] == pytest.approx(0.01 * (1 - i / 20)**0.9, rel=1e-9)
        optimizer.step()
        scheduler.step()


def test_the_whole_run_is_600000_iterations_of_4_photos_with_600_validations(cfg):
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval, cfg.train_dataloader.batch_size) == (600_000, 1000, 4)
    assert cfg.param_scheduler[0].end == 600_001
    assert cfg.default_hooks.checkpoint.interval == 1000
    assert cfg.val_dataloader.batch_size == 1
    assert [t.type for t in cfg.val_dataloader.dataset.pipeline] == [
        'LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs']


def test_a_small_photo_is_padded_with_black_and_void_and_its_colours_stay_bgr(cfg):
    img = np.broadcast_to(np.uint8([10, 100, 200]), (120, 200, 3)).copy()
    results = dict(img=img, gt_seg_map=np.full((120, 200), 7, np.uint8), seg_fields=['gt_seg_map'], img_path='x.jpg',
                   img_shape=(120, 200), ori_shape=(120, 200))
    np.random.seed(0)
    for transform in cfg.train_dataloader.dataset.pipeline[2:]:
        results = TRANSFORMS.build(transform)(results)
    labels = results['data_samples'].gt_sem_seg.data
    photo = labels.reshape(513, 513) == 7
    height, width = (int(photo.any(axis).sum()) for axis in (1, 0))
    assert 60 <= height <= 240 and abs(width / height - 200 / 120) < 0.02
    assert photo.sum() == height * width and (labels.reshape(513, 513)[~photo] == 255).all()
    batch = dict(inputs=[results['inputs']], data_samples=[results['data_samples']])
    inputs = MODELS.build(cfg.model.data_preprocessor)(batch, training=True)['inputs']
    assert inputs.shape == (1, 3, 513, 513)
    mean = torch.tensor([104.00698793, 116.66876762, 122.67891434])
    torch.testing.assert_close(inputs[0, :, 0, 0], torch.tensor([10., 100., 200.]) - mean)
    torch.testing.assert_close(inputs[0, :, 512, 512], -mean)
