import pytest
import torch
from torch import nn

from segkit.errors import ConfigError
from segkit.models.backbones.mobilenet_v3 import MobileNetV3

IMAGE = (2, 3, 65, 49)
TORCHVISION = dict(norm_cfg=dict(type='BN', eps=0.001), adaptive_padding=False)


def rates(backbone):
    return [block.strided_conv.dilation[0] for block, in backbone.stages]


@pytest.mark.parametrize('arch, cfg', [
    ('small', dict(out_indices=(0, 1, 12))), ('large', dict(out_indices=(1, 3, 16), reduction_factor=2))])
def test_keys_and_maps_are_mmsegmentations(draw, mmseg_outputs, arch, cfg):
    backbone = draw.weights(MobileNetV3(arch, **cfg)).eval()
    mmseg_outputs.check(f'mobilenet_v3_{arch}', backbone, draw.feats(5, IMAGE)[0])


@pytest.mark.parametrize('arch', ['small', 'large'])
@pytest.mark.parametrize('dilated', [False, True])
def test_computes_what_torchvisions_does(draw, arch, dilated):
    """torchvision's layers stand in the same order, its squeezing in front of the last convolution of a block too."""
    try:
        from torchvision.models import mobilenetv3
    except Exception as error:  # a torchvision built for another torch fails with a RuntimeError
        pytest.skip(f'torchvision does not import: {error}')
    settings = mobilenetv3._mobilenet_v3_conf(f'mobilenet_v3_{arch}', dilated=dilated)
    theirs = mobilenetv3.MobileNetV3(*settings).features.eval()
    ours = draw.weights(MobileNetV3(arch, out_indices=(12 if arch == 'small' else 16,),
                                    output_stride=16 if dilated else 32, **TORCHVISION)).eval()
    target = ours.state_dict()
    assert [v.shape for v in theirs.state_dict().values()] == [v.shape for v in target.values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), target.values())))
    x = draw.feats(3, IMAGE)[0]
    with torch.no_grad():
        torch.testing.assert_close(ours(x)[0], theirs(x), rtol=1e-5, atol=1e-6)


def test_rates_behind_a_denied_stride():
    # MMSegmentation's: 2 from layer 7 on and 4 from layer 13 on; torchvision's DeepLabV3: 2 from layer 13 on.
    assert rates(MobileNetV3('large')) == [1] * 6 + [2] * 6 + [4] * 3
    assert rates(MobileNetV3('large', output_stride=16)) == [1] * 12 + [2] * 3
    assert rates(MobileNetV3('small')) == [1] * 3 + [2] * 5 + [4] * 3
    assert rates(MobileNetV3('large', contract_dilation=True)) == [1] * 7 + [2] * 6 + [4] * 2
    assert MobileNetV3('small', output_stride=32).output_stride == 32


def test_with_contraction_the_finer_grid_holds_the_coarser_one(draw):
    """Which is why ImageNet weights keep their meaning; without contraction they do not."""
    cfg = dict(out_indices=(16,), adaptive_padding=False)
    coarse = draw.weights(MobileNetV3('large', output_stride=32, **cfg)).double().eval()
    # No squeezing: its means are over another grid.
    for block, in coarse.stages:
        block.se = None
    x = torch.randn(1, 3, 129, 97, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        at32 = coarse(x)[0]
        for contract in (True, False):
            fine = MobileNetV3('large', output_stride=16, contract_dilation=contract, **cfg).double().eval()
            for block, in fine.stages:
                block.se = None
            fine.load_state_dict(coarse.state_dict())
            assert torch.allclose(fine(x)[0][..., ::2, ::2], at32, rtol=1e-9) == contract


def test_the_output_stride_changes_in_place(draw):
    x = draw.feats(3, IMAGE)[0]
    one = draw.weights(MobileNetV3('small', output_stride=16, contract_dilation=True)).eval()
    other = MobileNetV3('small', output_stride=8, contract_dilation=True).eval()
    other.load_state_dict(one.state_dict())
    one.set_output_stride(8)
    assert rates(one) == rates(other)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(one(x), other(x)))
    # Each convolution keeps its spacing in pixels: layer 4 read the grid of stride 8 before, and does.
    one = MobileNetV3('small', output_stride=16)
    one.set_output_stride(8)
    assert rates(one) == [1] * 4 + [2] * 4 + [4] * 3


def test_channels_and_sizes():
    backbone = MobileNetV3('large', out_indices=(0, 3, 12, 16), output_stride=16, reduction_factor=2).eval()
    outs = backbone(torch.rand(1, 3, 33, 64))
    assert [tuple(out.shape[1:]) for out in outs] == [(16, 17, 32), (24, 9, 16), (112, 3, 4), (960, 3, 4)]
    assert backbone.out_channels == (16, 24, 112, 960)


def test_frozen_layers_and_norm_eval():
    backbone = MobileNetV3(frozen_stages=2).train()
    assert not any(m.training for layer in backbone.layers[:3] for m in layer.modules())
    assert not any(p.requires_grad for layer in backbone.layers[:3] for p in layer.parameters())
    assert backbone.layer3.training and all(p.requires_grad for p in backbone.layer3.parameters())
    backbone = MobileNetV3(norm_eval=True).train()
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and not any(m.training for m in norms) and all(p.requires_grad for p in backbone.parameters())


def test_with_cp_gives_the_same_gradients(draw):
    grads = []
    for with_cp in (False, True):
        backbone = draw.weights(MobileNetV3(with_cp=with_cp)).train()
        backbone(draw.feats(3, IMAGE)[0])[-1].sum().backward()
        grads.append([p.grad for p in backbone.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*grads))


@pytest.mark.parametrize('cfg, words', [
    (dict(arch='tiny'), "arch is 'tiny'"), (dict(out_indices=(13,)), 'out_indices'),
    (dict(out_indices=()), 'can hold 0'), (dict(frozen_stages=13), 'frozen_stages is 13'),
    (dict(reduction_factor=3), 'reduction_factor is 3'),
    (dict(output_stride=4), 'output_stride is 4')])
def test_arguments_out_of_range(cfg, words):
    with pytest.raises(ConfigError, match=words):
        MobileNetV3(**cfg)
