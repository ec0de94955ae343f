import pytest
import torch
from torch import nn

from segkit.errors import ConfigError
from segkit.registry import DECODE_HEADS

SHAPES = (2, 8, 17, 13), (2, 16, 9, 7)


def build(in_channels=16, channels=6, **cfg):
    cfg = dict(dict(num_classes=5, norm_cfg=dict(type='BN'), in_index=-1), **cfg)
    return DECODE_HEADS.build(dict(type='PSPHead', in_channels=in_channels, channels=channels, **cfg))


@pytest.mark.parametrize('name, corners', [('psp', False), ('psp_corners', True)])
def test_keys_and_scores_are_mmsegmentations(draw, mmseg_outputs, name, corners):
    head = draw.weights(build(align_corners=corners)).eval()
    mmseg_outputs.check(name, head, draw.feats(5, *SHAPES))


def test_parameters_of_the_published_model():
    with torch.device('meta'):
        assert sum(p.numel() for p in build(2048, 512, num_classes=21).parameters()) == 23_084_565


def test_a_level_is_the_mean_of_its_cells():
    head = build(1, 1, pool_scales=(2,), norm_cfg=None, act_cfg=None).eval()
    nn.init.ones_(head.psp_modules[0][1].conv.weight)
    nn.init.zeros_(head.psp_modules[0][1].conv.bias)
    x = torch.arange(16.).view(1, 1, 4, 4)
    level = head.psp_modules[0](x)
    assert level.flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


def test_gradients_reach_every_parameter():
    head = build()
    head.loss((torch.randn(2, 16, 9, 9),), torch.randint(0, 5, (2, 33, 33)))['loss_ce'].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


def test_names_the_norms_that_need_two_images():
    head = build(pool_scales=(1, 2))
    norms = [m for m in head.single_value_norms() if isinstance(m, nn.BatchNorm2d)]
    assert norms == [head.psp_modules[0][1].bn]
    assert not build(pool_scales=(2, 3)).single_value_norms()


@pytest.mark.parametrize('scales', [(), (0, 1), 3])
def test_refuses_scales_that_are_no_grid(scales):
    with pytest.raises(ConfigError, match='PSPHead.pool_scales'):
        build(pool_scales=scales)
