import pytest
import torch
from torch import nn

from segkit.registry import DECODE_HEADS

BN = dict(type='BN')


def build(in_channels=6, channels=4, num_classes=21, **cfg):
    cfg.setdefault('norm_cfg', BN)
    return DECODE_HEADS.build(dict(
        type='DeepLabV3Head', in_channels=in_channels, channels=channels, num_classes=num_classes, **cfg))


PAPER = dict(block=False, project_dropout=0)
VORTEX = dict(PAPER, act_cfg=None, conv_bias=True, pool_first=True)
TOOLBOX = dict(PAPER, branch_channels=256, channels=512, dropout_ratio=0.1, channel_dropout=True, pool_first=True,
               act_cfg=dict(type='LeakyReLU', negative_slope=0.01), align_corners=True)


@pytest.mark.parametrize('cfg, num_classes, wanted', [
    (dict(), 21, 16_130_837),  # torchvision
    (dict(dropout_ratio=0.1, align_corners=True), 21, 16_130_837),  # GluonCV
    (PAPER, 21, 15_540_501),  # DeepLabV3-Tensorflow
    (VORTEX, 21, 15_542_037),
    (TOOLBOX, 19, 15_873_043),
])
def test_parameters_of_the_five_systems(cfg, num_classes, wanted):
    with torch.device('meta'):
        head = build(2048, **{'channels': 256, **cfg}, num_classes=num_classes)
    assert sum(p.numel() for p in head.parameters()) == wanted


def test_gradients_reach_every_parameter_and_sizes_are_kept():
    head = build(dilations=(1, 2, 3, 4))
    feats = (torch.randn(2, 6, 9, 11),)
    assert head(feats).shape == (2, 21, 9, 11)
    head.loss(feats, torch.randint(0, 21, (2, 40, 40)))['loss_ce'].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


def test_pool_first_is_a_permutation_of_the_projections_inputs():
    last, first = build(pool_first=False).eval(), build(pool_first=True).eval()
    state = last.state_dict()
    weight = state['project.conv.weight']
    first.load_state_dict({**state, 'project.conv.weight': torch.cat([weight[:, -4:], weight[:, :-4]], dim=1)})
    feats = (torch.randn(2, 6, 5, 5),)
    torch.testing.assert_close(first(feats), last(feats))


def test_dropouts():
    assert build().project_dropout.p == 0.5 and build().dropout is None
    assert build(project_dropout=0.2).project_dropout.p == 0.2
    assert type(build(dropout_ratio=0.1).dropout) is nn.Dropout
    assert type(build(dropout_ratio=0.1, channel_dropout=True).dropout) is nn.Dropout2d


def test_activation_and_bias():
    modules = list(build(**VORTEX).modules())
    assert not any(isinstance(m, nn.ReLU) for m in modules)
    assert all(m.bias is not None for m in modules if isinstance(m, nn.Conv2d))
    head = build()
    assert [name for name, m in head.named_modules() if isinstance(m, nn.Conv2d) and m.bias is not None] == ['conv_seg']
