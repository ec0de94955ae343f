"""PSPNet and DeepLabV3 of pytorch-segmentation-toolbox: what their configs build and do."""
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from segkit.config import load_config
from segkit.models.segmentors.sliding_window import slide
from segkit.registry import LOSSES, MODELS, PARAM_SCHEDULERS, TRANSFORMS

CONFIGS = Path(__file__).parents[2] / 'configs'
NAMES = ['pspnet', 'deeplabv3']
BOTH = pytest.mark.parametrize('name', NAMES)
SMALL = ['model.backbone.depth=50', 'model.backbone.base_channels=8', 'model.backbone.stem_channels=8',
         'model.decode_head.channels=8', 'model.auxiliary_head.channels=8', 'model.norm_cfg.type=BN']
pytestmark = pytest.mark.filterwarnings('ignore:Unnecessary conv bias')


def config(name, *overrides, form=''):
    path = CONFIGS / f'{name}_toolbox/{name}-toolbox_r101-d8{form}_4xb2-40k_cityscapes-769x769.py'
    return load_config(path, list(overrides), say=lambda line: None)


def small(name, form=''):
    branches = ['model.decode_head.branch_channels=4'] if name == 'deeplabv3' else []
    cfg = config(name, *SMALL, *branches, form=form)
    return cfg, MODELS.build(cfg.model)


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize('name, classes, head, aux, total', [
    ('deeplabv3', 19, 15_873_043, 4_729_875, 63_226_854), ('deeplabv3', 21, None, None, 63_228_906),
    ('pspnet', 19, 23_083_539, 4_729_875, 70_437_350), ('pspnet', 21, None, None, 70_439_402)])
def test_parameters(name, classes, head, aux, total):
    with torch.device('meta'):
        model = MODELS.build(config(name, f'model.num_classes={classes}').model)
    assert count(model.backbone) == 42_623_936 and count(model) == total
    if head:
        assert count(model.decode_head) == head and count(model.auxiliary_head) == aux


@BOTH
def test_rates_strides_and_norm_activations(name):
    with torch.device('meta'):
        model = MODELS.build(config(name).model).eval()
        feats = model.backbone(torch.empty(1, 3, 769, 769))
        assert model.decode_head(feats).shape == model.auxiliary_head(feats).shape == (1, 19, 97, 97)
    net = model.backbone
    rates = [[block.conv2.dilation for block in stage] for stage in (net.layer1, net.layer2, net.layer3, net.layer4)]
    assert rates == [[(1, 1)] * 3, [(1, 1)] * 4, [(2, 2)] * 23, [(4, 4)] * 3]  # no block keeps the rate before
    strides = [(block.conv1.stride, block.conv2.stride) for block in net.layer2]
    assert strides == [((1, 1), (2, 2))] + [((1, 1), (1, 1))] * 3
    assert net.maxpool.ceil_mode and model.align_corners
    assert not any(isinstance(m, nn.LeakyReLU) for m in net.modules())
    for head in (model.decode_head, model.auxiliary_head):
        slopes = [m.negative_slope for m in head.modules() if isinstance(m, nn.LeakyReLU)]
        norms = [m for m in head.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        assert slopes == [0.01] * len(norms) and not any(isinstance(m, nn.ReLU) for m in head.modules())
        assert {(m.eps, m.momentum) for m in norms} == {(1e-5, 0.1)}
        assert type(head.dropout) is nn.Dropout2d and head.dropout.p == 0.1


@BOTH
def test_losses_of_scores_that_are_zero(name):
    _, model = small(name)
    for head in (model.decode_head, model.auxiliary_head):
        nn.init.zeros_(head.conv_seg.weight)
        nn.init.zeros_(head.conv_seg.bias)
    labels = torch.randint(0, 19, (2, 33, 33))
    labels[:, :9] = 255
    losses = model.loss(torch.randn(2, 3, 33, 33), labels=labels)
    assert losses['decode.loss_ce'].item() == pytest.approx(math.log(19))
    assert losses['aux.loss_ce'].item() == pytest.approx(0.4 * math.log(19))


@BOTH
def test_hard_pixels_are_those_of_the_main_head_alone(name):
    cfg, model = small(name, '-ohem')
    loss, = model.decode_head.loss_decode
    assert (type(loss), loss.thres, loss.min_kept, loss.search_stride, loss.loss_weight) == (
        LOSSES.get('OhemCrossEntropy'), 0.6, 200_000, 8, 1.)
    losses = model.loss(torch.randn(2, 3, 33, 33), labels=torch.randint(0, 19, (2, 33, 33)))
    assert {key for key in losses if 'loss' in key} == {'decode.loss_ohem', 'aux.loss_ce'}
    plain = config(name)
    cfg.model.decode_head.loss_decode = plain.model.decode_head.loss_decode
    for key in ('train_dataloader', 'val_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'tta_pipeline',
                'tta_model'):
        assert cfg[key] == plain[key], key


@BOTH
def test_the_windows_are_the_sources(name):
    test_cfg = config(name).model.test_cfg
    assert test_cfg.mode == 'slide'
    # Its rule, with an overlap of a third, on a frame of 1024x2048.
    step = math.ceil(769 * (1 - 1 / 3))
    wanted = []
    for row in range(math.ceil((1024 - 769) / step) + 1):
        for column in range(math.ceil((2048 - 769) / step) + 1):
            bottom, right = min(row * step + 769, 1024), min(column * step + 769, 2048)
            wanted.append((max(bottom - 769, 0), max(right - 769, 0), bottom, right))
    assert wanted == [(top, left, top + 769, left + 769) for top in (0, 255) for left in (0, 513, 1026, 1279)]

    seen, counts = [], torch.zeros(1024, 2048)
    rows, columns = torch.arange(1024.)[:, None].expand(1024, 2048), torch.arange(2048.).expand(1024, 2048)

    def score(window):
        (top, left), (bottom, right) = window[0, :2, 0, 0].int().tolist(), window[0, :2, -1, -1].int().tolist()
        seen.append((top, left, bottom + 1, right + 1))
        counts[top:bottom + 1, left:right + 1] += 1
        return window[:, :1]

    out = slide(score, torch.stack([rows, columns, rows])[None], test_cfg.crop_size, test_cfg.stride, 1)
    assert seen == wanted
    assert counts.min() == 1 and counts.max() == 6 and torch.equal(out[0, 0], rows)


@BOTH
def test_training_scales_pads_and_colours(name):
    cfg = config(name)
    scale, = (TRANSFORMS.build(t) for t in cfg.train_dataloader.dataset.pipeline if t.type == 'RandomScale')
    frame = np.zeros((100, 200, 3), np.uint8)
    np.random.seed(0)
    sizes = {scale(dict(img=frame, img_shape=frame.shape[:2]))['img'].shape[:2] for _ in range(400)}
    assert sizes == {(f * 10, f * 20) for f in range(7, 22)}

    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    blue_green_red = torch.tensor([104, 117, 123], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 500, 769)
    sample = dict(inputs=blue_green_red, labels=torch.zeros(1, 500, 769, dtype=torch.uint8))
    batch = preprocessor(sample, training=True)
    assert batch['inputs'].shape == (1, 3, 769, 769) and (batch['inputs'][:, :, 500:] == 0).all()
    assert batch['inputs'][0, :, 0, 0].tolist() == pytest.approx([-0.00698793, 0.33123238, 0.32107], abs=1e-4)
    assert (batch['labels'][:, 500:] == 255).all() and (batch['labels'][:, :500] == 0).all()


@BOTH
def test_one_rate_for_every_layer_and_decay_of_every_parameter(name):
    cfg, model = small(name)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    assert {(g['lr'], g['weight_decay'], g['momentum']) for g in wrapper.optimizer.param_groups} == {(0.01, 5e-4, 0.9)}
    assert sum(len(g['params']) for g in wrapper.optimizer.param_groups) == len(list(model.parameters()))
    assert cfg.train_dataloader.batch_size == 2 and cfg.auto_scale_lr.base_batch_size == 8


@pytest.mark.slow
def test_poly_rate_of_the_source():
    cfg = config('pspnet')
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(()))], **{
        key: value for key, value in cfg.optim_wrapper.optimizer.items() if key != 'type'})
    scheduler = PARAM_SCHEDULERS.build(cfg.param_scheduler[0], default_args=dict(optimizer=optimizer))
    rates = []
    for _ in range(cfg.train_cfg.max_iters):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    assert len(rates) == 40_000
    for i in (0, 1, 20_000, 39_998, 39_999):
        assert rates[i] == pytest.approx(0.01 * (1 - i / 40_000)**0.9, rel=1e-6)
    assert rates[20_000] == pytest.approx(5.358867e-3, rel=1e-6)


@BOTH
def test_views_of_the_whole_test(name):
    cfg = config(name, 'model.test_cfg.mode=whole')
    assert cfg.tta_model == dict(type='SegTTAModel', fusion='logit')
    augment = cfg.tta_pipeline[1]
    augment.transforms[2] = [dict(type='PackSegInputs')]  # no labels here
    del augment.transforms[3:]
    frame = np.zeros((64, 128, 3), np.uint8)
    views = TRANSFORMS.build(augment)(dict(img=frame, img_shape=(64, 128), ori_shape=(64, 128)))
    wanted = [(64 * q // 4, 128 * q // 4) for q in (3, 4, 5, 6, 7, 8) for _ in range(2)]
    assert [tuple(img.shape[-2:]) for img in views['inputs']] == wanted
    assert [bool(s.metainfo.get('flip')) for s in views['data_samples']] == [False, True] * 6
    assert cfg.model.test_cfg.mode == 'whole'
