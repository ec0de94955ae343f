import pytest
import torch
from torch import nn

from segkit.registry import DECODE_HEADS

BN = dict(type='BN')


def build(in_channels=6, channels=4, **cfg):
    cfg.setdefault('norm_cfg', BN)
    return DECODE_HEADS.build(dict(type='ASPPHead', in_channels=in_channels, channels=channels, num_classes=21, **cfg))


def test_parameters_and_keys_are_mmsegmentations(mmseg_keys):
    with torch.device('meta'):
        head = build(2048, 512, dilations=(1, 12, 24, 36))
    assert sum(p.numel() for p in head.parameters()) == 42_222_101
    wanted = {k.split('.', 1)[1]: v for k, v in mmseg_keys.items() if k.startswith('decode_head.')}
    assert {k: tuple(v.shape) for k, v in head.state_dict().items()} == wanted


@pytest.mark.parametrize('size', [(7, 9), (33, 17), (1, 1)])
def test_output_has_the_features_size(size):
    assert build().eval()((torch.rand(2, 6, *size),)).shape == (2, 21, *size)


def test_gradients_reach_every_parameter():
    head = build(dilations=(1, 2, 3, 4))
    labels = torch.randint(0, 21, (2, 40, 40))
    head.loss((torch.randn(2, 6, 9, 9),), labels)['loss_ce'].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


def test_receptive_field_of_the_branches():
    head = build(1, 1, norm_cfg=None, act_cfg=None, dilations=(1, 2, 4, 6)).eval()
    for parameter in head.parameters():
        nn.init.constant_(parameter, 1.)
    nn.init.zeros_(head.image_pool[1].conv.weight)  # the pool sees everything
    x = torch.zeros(1, 1, 31, 31, requires_grad=True)
    head((x,))[0, 0, 15, 15].backward()
    seen = x.grad[0, 0].nonzero()
    # The 3x3 over the concatenation adds one pixel on each side of the widest branch.
    assert seen.min(0)[0].tolist() == [15 - 7] * 2 and seen.max(0)[0].tolist() == [15 + 7] * 2


def test_norm_act_and_conv_are_built_as_said():
    head = build(norm_cfg=dict(type='GN', num_groups=2), act_cfg=dict(type='LeakyReLU', negative_slope=0.2))
    kinds = [type(m) for m in head.modules()]
    assert kinds.count(nn.GroupNorm) == kinds.count(nn.LeakyReLU) == 6
    assert nn.BatchNorm2d not in kinds and nn.ReLU not in kinds
    head = build(norm_cfg=None, act_cfg=None, conv_cfg=dict(type='ConvWS'))
    assert type(head.bottleneck.conv).__name__ == 'ConvWS2d' and head.bottleneck.conv.bias is not None
