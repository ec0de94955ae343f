"""Batch norms that are frozen in name only are told of when a training starts."""
import pytest
from torch import nn

from segkit.apis import train
from segkit.engine.checks.frozen_norms import moving
from segkit.registry import MODELS


def model(**cfg):
    backbone = dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, output_stride=16,
                    **cfg.pop('backbone', {}))
    head = dict(type='DeepLabV3Head', channels=8, **cfg.pop('decode_head', {}))
    return MODELS.build(dict(type='EncoderDecoder', num_classes=3, backbone=backbone, decode_head=head, **cfg))


FIXED = dict(type='SyncBN', requires_grad=False)


@pytest.mark.parametrize('cfg, count, first', [
    (dict(norm_cfg=FIXED), '27 of 27', 'backbone.bn1'),
    (dict(norm_cfg=FIXED, backbone=dict(norm_eval=True)), '7 of 27', 'decode_head.image_pool.1.bn'),
    (dict(norm_cfg=FIXED, decode_head=dict(norm_cfg=dict(type='BN'))), '20 of 27', 'backbone.bn1'),
    (dict(norm_cfg=FIXED, backbone=dict(frozen_stages=1), decode_head=dict(norm_eval=True)), '15 of 27',
     'backbone.layer2.0.bn1'),
])
def test_those_that_move_are_counted(cfg, count, first):
    line = moving(model(**cfg))
    assert line.startswith(f'{count} batch norms') and f' {first} for one' in line and 'model.norm_eval=True' in line
    assert '\n' not in line


@pytest.mark.parametrize('cfg', [
    dict(norm_cfg=FIXED, norm_eval=True), dict(norm_cfg=dict(type='SyncBN')), dict(),
    dict(norm_cfg=dict(type='GN', num_groups=2, requires_grad=False)),
    dict(norm_cfg=dict(type='SyncBN'), backbone=dict(frozen_stages=4)),
])
def test_nothing_is_said_of_what_is_frozen_or_learns(cfg):
    assert moving(model(**cfg)) is None


def test_norms_without_factors_are_meant_to_move_and_the_mode_stays():
    net = nn.Sequential(nn.BatchNorm2d(2, affine=False), nn.BatchNorm2d(2, track_running_stats=False)).eval()
    for parameter in net.parameters():
        parameter.requires_grad = False
    assert moving(net) is None and not any(module.training for module in net.modules())


@pytest.mark.parametrize('norm_eval', [False, True])
def test_a_training_says_it_once(tiny_config, tmp_path, capsys, norm_eval):
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'run'), '--cfg-options', 'train_cfg.max_iters=1',
                'model.norm_cfg.requires_grad=False', f'+model.norm_eval={norm_eval}'])
    out = capsys.readouterr()
    said = [line for line in (out.out + out.err).splitlines() if 'batch norms learn no factors' in line]
    assert len(said) == (0 if norm_eval else 1)
