import pytest
import torch

from segkit.errors import ConfigError
from segkit.registry import DECODE_HEADS, MODELS

SHAPES = (2, 8, 17, 13), (2, 16, 9, 7)


def build(in_channels=16, channels=6, **cfg):
    cfg = dict(dict(num_classes=5, norm_cfg=dict(type='BN'), c1_in_channels=8, c1_channels=3,
                    dilations=(1, 2, 4, 6)), **cfg)
    return DECODE_HEADS.build(dict(type='DepthwiseSeparableASPPHead', in_channels=in_channels, channels=channels,
                                   **cfg))


@pytest.mark.parametrize('name, cfg', [
    ('sep', {}), ('sep_corners', dict(align_corners=True)), ('sep_coarse', dict(c1_in_channels=0, c1_channels=0))])
def test_keys_and_scores_are_mmsegmentations(draw, mmseg_outputs, name, cfg):
    mmseg_outputs.check(name, draw.weights(build(**cfg)).eval(), draw.feats(5, *SHAPES))


def test_parameters_of_the_published_model():
    with torch.device('meta'):
        head = build(2048, 512, num_classes=21, dilations=(1, 12, 24, 36), c1_in_channels=256, c1_channels=48)
    assert sum(p.numel() for p in head.parameters()) == 17_698_949


def test_gradients_reach_every_parameter():
    head = build()
    feats = torch.randn(2, 8, 17, 17), torch.randn(2, 16, 9, 9)
    head.loss(feats, torch.randint(0, 5, (2, 33, 33)))['loss_ce'].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


def test_rates_are_those_of_the_depthwise_convolutions_alone():
    head, other = build(), build(dilations=(1, 3, 6, 9))
    other.load_state_dict(head.state_dict())
    feats = torch.randn(1, 8, 17, 13), torch.randn(1, 16, 9, 7)
    head.set_dilations((1, 3, 6, 9))
    assert torch.equal(head.eval()(feats), other.eval()(feats))
    assert [m.depthwise_conv.conv.dilation for m in head.aspp_modules[1:]] == [(3, 3), (6, 6), (9, 9)]
    assert all(m.pointwise_conv.conv.dilation == (1, 1) for m in head.aspp_modules[1:])
    assert head.sep_bottleneck[0].depthwise_conv.conv.dilation == (1, 1)


@pytest.mark.parametrize('cfg', [dict(c1_in_channels=0), dict(c1_channels=0), dict(c1_in_channels=-1)])
def test_refuses_half_a_decoder(cfg):
    with pytest.raises(ConfigError, match='expected both above 0, or both 0'):
        build(**cfg)


def decoder(model_cfg, **cfg):
    model_cfg['decode_head'].update(type='DepthwiseSeparableASPPHead', c1_channels=4, **cfg)
    return MODELS.build(model_cfg)


def test_the_backbone_tells_the_channels_of_the_finer_map(model_cfg):
    assert decoder(model_cfg).decode_head.c1_bottleneck.conv.in_channels == 8


def test_refuses_channels_that_the_backbone_has_not(model_cfg):
    with pytest.raises(ConfigError, match=r'c1_in_channels is 256.* has 8'):
        decoder(model_cfg, c1_in_channels=256)
