from types import SimpleNamespace

import pytest
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from segkit.errors import ConfigError
from segkit.models.segmentors.part_configs import backbone_config, head_config, takes
from segkit.registry import BACKBONES, DECODE_HEADS, MODELS

BACKBONE = SimpleNamespace(out_channels=(8, 16, 32), output_stride=8)
SHARED = dict(num_classes=5, norm_cfg=dict(type='BN'), align_corners=True, ignore_index=254)


def complete(cfg, shared=SHARED, backbone=BACKBONE):
    return head_config(cfg, shared, backbone, 'model.decode_head')


def test_a_head_is_told_what_it_does_not_say():
    cfg = dict(type='ASPPHead', channels=4)
    out = complete(cfg)
    assert out == dict(type='ASPPHead', channels=4, **SHARED, in_channels=32, dilations=(1, 12, 24, 36))
    assert cfg == dict(type='ASPPHead', channels=4)  # the file's own dict is left alone


def test_a_key_that_is_present_wins_also_none():
    own = dict(num_classes=3, norm_cfg=None, align_corners=False, ignore_index=0, in_channels=16, dilations=(1, 2))
    out = complete(dict(type='ASPPHead', channels=4, in_index=1, **own))
    assert {key: out[key] for key in own} == own


def test_what_the_segmentor_was_not_told_is_not_handed_down():
    shared = dict.fromkeys(SHARED)
    out = complete(dict(type='FCNHead', channels=4, num_classes=2), shared)
    assert out == dict(type='FCNHead', channels=4, num_classes=2, in_channels=32)


def test_several_feature_maps():
    out = complete(dict(type='FCNHead', channels=4, in_index=[0, 2], input_transform='resize_concat'))
    assert out['in_channels'] == [8, 32]


@pytest.mark.parametrize('stride, wanted', [(8, (1, 12, 24, 36)), (16, (1, 6, 12, 18))])
def test_dilations_follow_the_backbone(stride, wanted):
    backbone = SimpleNamespace(out_channels=(8,), output_stride=stride)
    assert complete(dict(type='DeepLabV3Head'), backbone=backbone)['dilations'] == wanted


@pytest.mark.parametrize('cfg, backbone, message', [
    (dict(in_index=3), BACKBONE, r'model.decode_head.in_index=3 is out of range.*3 feature maps'),
    (dict(in_index=[0, -4]), BACKBONE, r'in_index=\[0, -4\] is out of range'),
    (dict(in_index='3'), BACKBONE, r"in_index='3'.*\nThey are: 0 \(stage 1, \d+ channels\), 1 \(stage 2"),
    (dict(in_channels=2048), BACKBONE, 'in_channels is 2048.*gives 32'),
    (dict(), SimpleNamespace(output_stride=8), 'in_channels is missing'),
    (dict(), SimpleNamespace(out_channels=(8,)), 'dilations is missing'),
])
def test_head_and_backbone_that_do_not_fit(cfg, backbone, message):
    with pytest.raises(ConfigError, match=message):
        complete(dict(type='ASPPHead', channels=4, **cfg), backbone=backbone)


def test_num_classes_must_be_somewhere():
    with pytest.raises(ConfigError, match='model.num_classes'):
        complete(dict(type='FCNHead', channels=4), shared={})


@pytest.mark.parametrize('cfg', [dict(channels=4), 'ASPPHead', None])
def test_a_part_needs_its_type(cfg):
    with pytest.raises(ConfigError, match="model.decode_head must be a dict with the key 'type'"):
        complete(cfg)


def test_backbone_norm_and_pretrained():
    out = backbone_config(dict(type='ResNet', depth=50), SHARED, 'torchvision://resnet50')
    assert out == dict(type='ResNet', depth=50, norm_cfg=dict(type='BN'),
                       init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'))
    assert backbone_config(dict(type='ResNetV1c', depth=50, norm_cfg=None), SHARED, None)['norm_cfg'] is None
    with pytest.raises(ConfigError, match='Both model.pretrained and model.backbone.init_cfg'):
        backbone_config(dict(type='ResNet', depth=50, init_cfg=dict(type='Kaiming')), SHARED, 'a.pth')


def test_a_backbone_without_norm_cfg_is_not_told():
    class Bare(nn.Module):

        def __init__(self, width):
            super().__init__()

    assert backbone_config(dict(type=Bare, width=3), SHARED, None) == dict(type=Bare, width=3)


def test_takes_looks_through_the_bases():
    assert takes(BACKBONES.get('ResNetV1c'), 'norm_cfg')
    assert takes(DECODE_HEADS.get('ASPPHead'), 'align_corners')
    assert not takes(DECODE_HEADS.get('FCNHead'), 'dilations')


def test_norm_eval_stands_once_and_a_part_s_own_wins():
    model = MODELS.build(dict(
        type='EncoderDecoder', num_classes=3, norm_cfg=dict(type='SyncBN', requires_grad=False), norm_eval=True,
        backbone=dict(type='ResNet', depth=18, stem_channels=8, base_channels=8, output_stride=16),
        decode_head=dict(type='ASPPHead', channels=8),
        auxiliary_head=dict(type='FCNHead', in_index=2, channels=8, norm_eval=False))).train()
    norms = {name: module for name, module in model.named_modules() if isinstance(module, _BatchNorm)}
    assert len(norms) > 20
    for name, norm in norms.items():
        assert norm.training is name.startswith('auxiliary_head'), name
        assert not norm.weight.requires_grad and not norm.bias.requires_grad
