"""VortexHead against its definition written with torch's own layers, and against ASPP with the same weights."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segkit.errors import ConfigError
from segkit.registry import DECODE_HEADS, MODELS

BN = dict(type='BN')
SOURCE = dict(first_kernel=1, conv_bias=True, act_cfg=None, pool_first=True, block=False, project_dropout=0)


def build(in_channels=6, channels=4, num_classes=21, kind='VortexHead', **cfg):
    cfg.setdefault('norm_cfg', BN)
    return DECODE_HEADS.build(dict(
        type=kind, in_channels=in_channels, channels=channels, num_classes=num_classes, **cfg))


def count(modules):
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.mark.parametrize('cfg, wanted', [(dict(), 19_729_408), (dict(first_kernel=1), 15_535_104)])
def test_parameters_of_the_module(cfg, wanted):
    with torch.device('meta'):
        head = build(2048, 256, **cfg)
    assert count([head.image_pool, head.aspp_modules, head.project]) == wanted
    assert count([head]) == wanted + 21 * 256 + 21  # no other parts but the classifier


@pytest.mark.parametrize('kind', ['VortexHead', 'DeepLabV3Head'])
def test_parameters_of_the_source_with_either_head(kind):
    with torch.device('meta'):
        assert count([build(2048, 256, kind=kind, **SOURCE)]) == 15_542_037


@pytest.mark.parametrize('cfg', [dict(), SOURCE, dict(pool_first=True, first_kernel=1)])
def test_equal_to_the_definition(cfg, draw):
    head = draw.weights(build(**cfg)).double().eval()
    x = torch.randn(2, 6, 17, 30, dtype=torch.float64)

    def layer(module, x, padding=0, rate=1):
        x = F.conv2d(x, module.conv.weight, module.conv.bias, padding=padding, dilation=rate)
        norm = module.bn
        x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        return x if cfg.get('act_cfg', True) is None else x.relu()

    pool = layer(head.image_pool[1], x.mean((2, 3), keepdim=True)).expand(-1, -1, 17, 30)
    branches = [layer(head.aspp_modules[0], x, padding=int(cfg.get('first_kernel') != 1))]
    for module, k in zip(head.aspp_modules[1:], (3, 9, 27)):
        branches.append(layer(module, F.avg_pool2d(x, k, 1, k // 2), padding=k, rate=k))
    stacked = torch.cat([pool, *branches] if cfg.get('pool_first') else [*branches, pool], dim=1)
    wanted = F.conv2d(layer(head.project, stacked), head.conv_seg.weight, head.conv_seg.bias)
    torch.testing.assert_close(head((x,)), wanted, rtol=0, atol=1e-12)


def test_type_alone_changes_to_aspp_and_back():
    vortex, aspp = build(**SOURCE), build(kind='DeepLabV3Head', dilations=(1, 6, 12, 18), **SOURCE)
    aspp.load_state_dict(vortex.state_dict())
    convs = [[m for m in head.aspp_modules.modules() if isinstance(m, nn.Conv2d)] for head in (vortex, aspp)]
    assert [[m.dilation[0] for m in ms] for ms in convs] == [[1, 3, 9, 27], [1, 6, 12, 18]]
    assert [[m.kernel_size[0] for m in ms] for ms in convs] == [[1, 3, 3, 3]] * 2
    assert not any(isinstance(m, nn.ReLU) for m in vortex.modules())
    assert all(m.bias is not None for m in vortex.modules() if isinstance(m, nn.Conv2d))


def test_first_kernel_is_read_by_aspp_too():
    head = build(kind='DeepLabV3Head', first_kernel=3)
    assert [module.conv.kernel_size for module in head.aspp_modules] == [(3, 3)] * 4
    x = torch.randn(2, 6, 9, 11)
    assert head.eval()((x,)).shape == (2, 21, 9, 11)
    head.set_dilations((1, 12, 24, 36))
    assert [module.conv.padding for module in head.aspp_modules] == [(1, 1), (12, 12), (24, 24), (36, 36)]


@pytest.mark.parametrize('size', [(1, 1), (5, 40), (33, 32)])
def test_sizes_are_kept(size):
    assert build().eval()((torch.rand(2, 6, *size),)).shape == (2, 21, *size)


def test_gradients_reach_every_parameter():
    head = build(act_cfg=dict(type='LeakyReLU'))
    head.loss((torch.randn(2, 6, 29, 30),), torch.randint(0, 21, (2, 40, 40)))['loss_ce'].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_under_autocast(layout, draw):
    head = draw.weights(build(16, 16)).eval()
    x = torch.randn(2, 16, 20, 21)
    wanted = head((x,))
    head, x = head.to(memory_format=layout), x.contiguous(memory_format=layout).requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        scores = head((x,))
        loss = head.loss((x,), torch.zeros(2, 20, 21, dtype=torch.long))['loss_ce']
    assert scores.dtype == torch.bfloat16
    assert (scores - wanted).abs().mean() < 0.02 * wanted.abs().mean()
    loss.backward()
    assert x.grad.isfinite().all() and x.grad.abs().sum() > 0


def model(**test_cfg):
    return MODELS.build(dict(
        type='EncoderDecoder', num_classes=5, norm_cfg=BN,
        backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, output_stride=16),
        decode_head=dict(type='VortexHead', channels=8), test_cfg=test_cfg))


@pytest.mark.parametrize('dilations', [None, (1, 3, 9, 27)])
def test_rates_do_not_follow_the_output_stride(dilations):
    torch.manual_seed(0)
    at_8, rates = model(output_stride=8, dilations=dilations).eval(), []

    def note(head, inputs, scores):
        rates.append((tuple(scores.shape[-2:]), [branch.conv.dilation[0] for branch in head.aspp_modules]))

    at_8.decode_head.register_forward_hook(note)
    at_8.predict(torch.randn(1, 3, 96, 64))
    at_8(torch.randn(1, 3, 96, 64))
    assert rates == [((12, 8), [1, 3, 9, 27]), ((6, 4), [1, 3, 9, 27])]


@pytest.mark.parametrize('cfg', [dict(dilations=(1, 6, 12, 18)), dict(dilations=(1,)), dict(first_kernel=5)])
def test_values_that_cannot_be_are_refused(cfg):
    with pytest.raises(ConfigError, match=f'VortexHead.{next(iter(cfg))}'):
        build(**cfg)
    with pytest.raises(ConfigError, match='rates are'):
        model(output_stride=8, dilations=(1, 6, 18, 54))
