import pytest
import torch
from torch import nn

from segkit.errors import ConfigError
from segkit.registry import DECODE_HEADS


def build(in_channels=6, channels=4, **cfg):
    cfg.setdefault('norm_cfg', dict(type='BN'))
    cfg.setdefault('num_classes', 21)
    return DECODE_HEADS.build(dict(type='FCNHead', in_channels=in_channels, channels=channels, **cfg))


def test_auxiliary_form_has_mmsegmentations_parameters_and_keys(mmseg_keys):
    with torch.device('meta'):
        head = build(1024, 256, num_convs=1, concat_input=False)
    assert sum(p.numel() for p in head.parameters()) == 2_365_205
    wanted = {k.split('.', 1)[1]: v for k, v in mmseg_keys.items() if k.startswith('auxiliary_head.')}
    assert {k: tuple(v.shape) for k, v in head.state_dict().items()} == wanted


@pytest.mark.filterwarnings('ignore:Unnecessary conv bias')
def test_parameters_of_the_toolboxes_dsn_head():
    cfg = dict(num_convs=1, concat_input=False, act_cfg=dict(type='LeakyReLU', negative_slope=0.01), num_classes=19)
    with torch.device('meta'):
        head = build(1024, 512, conv_bias=True, **cfg)
        assert sum(p.numel() for p in build(1024, 512, **cfg).parameters()) == 4_729_875 - 512
    assert sum(p.numel() for p in head.parameters()) == 4_729_875
    assert [name for name, p in head.named_parameters()] == [
        'conv_seg.weight', 'conv_seg.bias', 'convs.0.conv.weight', 'convs.0.conv.bias', 'convs.0.bn.weight',
        'convs.0.bn.bias']
    assert head.convs[0].activate.negative_slope == 0.01


def test_what_the_dropout_drops():
    assert type(build().dropout) is nn.Dropout2d
    single = build(channel_dropout=False, dropout_ratio=0.3).dropout
    assert type(single) is nn.Dropout and single.p == 0.3
    assert build(channel_dropout=False, dropout_ratio=0).dropout is None


@pytest.mark.parametrize('num_convs', [0, 1, 2, 3])
@pytest.mark.parametrize('concat_input', [False, True])
def test_convolutions_and_gradients(num_convs, concat_input):
    head = build(6, 6, num_convs=num_convs, concat_input=concat_input)
    kinds = [type(m) for m in head.modules()]
    assert kinds.count(nn.Conv2d) == num_convs + concat_input + 1
    feats = (torch.randn(2, 6, 5, 7),)
    assert head(feats).shape == (2, 21, 5, 7)
    head.loss(feats, torch.randint(0, 21, (2, 10, 10)))['loss_ce'].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


@pytest.mark.parametrize('kernel_size, dilation, num_convs, radius', [
    (3, 1, 1, 1), (3, 2, 2, 4), (5, 1, 2, 4), (1, 1, 2, 0)])
def test_receptive_field(kernel_size, dilation, num_convs, radius):
    head = build(1, 1, num_convs=num_convs, kernel_size=kernel_size, dilation=dilation, concat_input=False,
                 norm_cfg=None, act_cfg=None).eval()
    for parameter in head.parameters():
        nn.init.constant_(parameter, 1.)
    x = torch.zeros(1, 1, 21, 21, requires_grad=True)
    head((x,))[0, 0, 10, 10].backward()
    seen = x.grad[0, 0].nonzero()
    assert seen.min(0)[0].tolist() == [10 - radius] * 2 and seen.max(0)[0].tolist() == [10 + radius] * 2


def test_concat_puts_the_input_first():
    head = build(2, 2, num_convs=1, kernel_size=1, norm_cfg=None, act_cfg=None).eval()
    nn.init.zeros_(head.conv_cat.conv.weight[:, 2:])  # only the input is left
    nn.init.dirac_(head.conv_cat.conv.weight[:, :2])
    nn.init.zeros_(head.conv_cat.conv.bias)
    x = torch.randn(1, 2, 3, 3)
    torch.testing.assert_close(head((x,)), head.conv_seg(x))


def test_without_convolutions_the_channels_must_be_the_inputs():
    with pytest.raises(ConfigError, match='num_convs=0'):
        build(6, 4, num_convs=0)
