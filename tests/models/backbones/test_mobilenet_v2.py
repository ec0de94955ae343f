import pytest
import torch
from torch import nn

from segkit.errors import ConfigError
from segkit.models.backbones.mobilenet_v2 import MobileNetV2

IMAGE = (2, 3, 65, 49)


def rates(backbone):
    return [block.strided_conv.dilation[0] for stage in backbone.stages for block in stage]


@pytest.mark.parametrize('name, cfg', [
    ('mobilenet', {}),
    ('mobilenet_d8', dict(strides=(1, 2, 2, 1, 1, 1, 1), dilations=(1, 1, 1, 2, 2, 4, 4)))])
def test_keys_and_maps_are_mmsegmentations(draw, mmseg_outputs, name, cfg):
    backbone = draw.weights(MobileNetV2(widen_factor=0.25, **cfg)).eval()
    mmseg_outputs.check(name, backbone, draw.feats(5, IMAGE)[0])


def test_parameters():
    with torch.device('meta'):
        assert sum(p.numel() for p in MobileNetV2().parameters()) == 1_811_712


def test_computes_what_torchvisions_does():
    try:
        from torchvision.models import mobilenet_v2
    except Exception as error:  # a torchvision built for another torch fails with a RuntimeError
        pytest.skip(f'torchvision does not import: {error}')
    theirs, ours = mobilenet_v2().eval(), MobileNetV2(out_indices=(6,)).eval()
    source, target = list(theirs.features[:-1].state_dict().values()), ours.state_dict()
    assert [v.shape for v in source] == [v.shape for v in target.values()]
    for key, value in zip(target, source):
        if key.endswith(('running_mean', 'running_var')):
            value = value + torch.rand_like(value)
        target[key].copy_(value)
    theirs.features[:-1].load_state_dict(dict(zip(theirs.features[:-1].state_dict(), target.values())))
    x = torch.randn(IMAGE)
    with torch.no_grad():
        torch.testing.assert_close(ours(x)[0], theirs.features[:-1](x), rtol=0, atol=0)


def test_rates_behind_a_denied_stride():
    # Printed from the DeepLabV3 MobileNetV2 of tensorflow/models: 2 in features.8 to .14, 4 in .15 to .17.
    at8 = MobileNetV2(widen_factor=0.25, output_stride=8)
    assert rates(at8) == [1] * 7 + [2] * 7 + [4] * 3
    assert at8.output_stride == 8
    assert rates(MobileNetV2(widen_factor=0.25, output_stride=16)) == [1] * 14 + [2] * 3


def test_the_finer_grid_holds_the_coarser_one():
    coarse = MobileNetV2(widen_factor=0.25, out_indices=(6,), output_stride=32).double().eval()
    x = torch.randn(1, 3, 129, 97, dtype=torch.float64)
    with torch.no_grad():
        at32 = coarse(x)[0]
        for stride in (16, 8):
            fine = MobileNetV2(widen_factor=0.25, out_indices=(6,), output_stride=stride).double().eval()
            fine.load_state_dict(coarse.state_dict())
            step = 32 // stride
            torch.testing.assert_close(fine(x)[0][..., ::step, ::step], at32, rtol=1e-12, atol=1e-12)
            coarse.set_output_stride(stride)
            assert rates(coarse) == rates(fine)
            assert torch.equal(coarse(x)[0], fine(x)[0])
            coarse.set_output_stride(32)


def test_one_map_is_a_tuple_too():
    out = MobileNetV2(widen_factor=0.25, out_indices=(3,)).eval()(torch.rand(1, 3, 32, 32))
    assert isinstance(out, tuple) and out[0].shape == (1, 16, 2, 2)


def test_frozen_stages_and_norm_eval():
    backbone = MobileNetV2(widen_factor=0.25, frozen_stages=2).train()
    assert not backbone.conv1.bn.training and not any(m.training for m in backbone.layer2.modules())
    assert not any(p.requires_grad for p in backbone.layer1.parameters())
    assert backbone.layer3.training and all(p.requires_grad for p in backbone.layer3.parameters())
    backbone = MobileNetV2(widen_factor=0.25, norm_eval=True).train()
    assert backbone.layer7.training and not any(m.training for m in backbone.modules()
                                                if isinstance(m, nn.BatchNorm2d))


def test_computed_again_changes_no_number():
    results = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        backbone = MobileNetV2(widen_factor=0.25, with_cp=with_cp).train()
        sum(out.square().mean() for out in backbone(torch.randn(IMAGE))).backward()
        results.append([p.grad for p in backbone.parameters()] + list(backbone.state_dict().values()))
    assert all(map(torch.equal, *results))


@pytest.mark.parametrize('cfg, message', [
    (dict(output_stride=8, strides=(1, 2, 2, 1, 1, 1, 1)), 'Keep either'),
    (dict(strides=(1, 2, 2)), 'one entry for each of the 7 stages'),
    (dict(strides=(1, 2, 2, 3, 1, 1, 1)), 'a stride is 1 or 2'),
    (dict(out_indices=(7,)), 'can hold 0 to 6'),
    (dict(frozen_stages=8), '-1 to 7'),
    (dict(widen_factor=0), 'above 0'),
    (dict(output_stride=12), '8, 16 or 32'),
])
def test_refuses(cfg, message):
    with pytest.raises(ConfigError, match=message):
        MobileNetV2(**cfg)
