import pytest
import torch
import torch.nn.functional as F
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


TOOLBOX = dict(pool_first=True, act_cfg=dict(type='LeakyReLU', negative_slope=0.01), align_corners=True)


def test_parameters_of_the_toolbox():
    with torch.device('meta'):
        head = build(2048, 512, num_classes=19, **TOOLBOX)
    assert sum(p.numel() for p in head.parameters()) == 23_083_539
    assert type(head.dropout) is nn.Dropout2d and head.dropout.p == 0.1


def test_the_toolboxes_form_step_by_step(draw):
    head = draw.weights(build(**TOOLBOX)).eval()
    state, (x,) = head.state_dict(), draw.feats(5, (2, 16, 9, 7))

    def layer(x, name, padding=0):
        x = F.conv2d(x, state[f'{name}.conv.weight'], padding=padding)
        norm = (state[f'{name}.bn.{key}'] for key in ('running_mean', 'running_var', 'weight', 'bias'))
        return F.leaky_relu(F.batch_norm(x, *norm, eps=1e-5), 0.01)

    parts = [F.interpolate(layer(F.adaptive_avg_pool2d(x, cells), f'psp_modules.{i}.1'), (9, 7), mode='bilinear',
                           align_corners=True) for i, cells in enumerate((1, 2, 3, 6))]
    out = layer(torch.cat([*parts, x], 1), 'bottleneck', padding=1)
    wanted = F.conv2d(out, state['conv_seg.weight'], state['conv_seg.bias'])
    torch.testing.assert_close(head((x,)), wanted)
    assert (out < 0).any()


def test_pool_first_is_a_permutation_of_the_bottlenecks_inputs():
    last, first = build().eval(), build(pool_first=True).eval()
    state = last.state_dict()
    weight = state['bottleneck.conv.weight']
    first.load_state_dict({**state, 'bottleneck.conv.weight': torch.cat([weight[:, 16:], weight[:, :16]], dim=1)})
    feats = (torch.randn(2, 16, 9, 9),)
    torch.testing.assert_close(first(feats), last(feats))


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
