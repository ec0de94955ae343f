"""Files of other systems are known by their keys."""
import json

import pytest

from segkit.checkpoint.layouts import importable, layout_of, place_of, stride_place
from segkit.models.backbones import MobileNetV2, ResNet, ResNetV2


@pytest.mark.parametrize('keys, name', [
    (['conv1.weight', 'layer1.0.conv1.weight', 'layer5.conv2d_list.0.weight'], 'a DeepLabV2'),
    (['Scale.conv1.weight', 'Scale.layer5.conv2d_list.3.bias'], 'a DeepLabV2'),
    (['conv1.weight', 'res2a_branch1.weight', 'bn2a_branch1.weight'], 'names of Caffe'),
    (['conv1.0.weight', 'layer1.0.bn1.gamma', 'head.aspp.concurent.0.0.weight'], "GluonCV's DeepLabV3"),
    (['deeplabv30_resnetv1b0_layers1_syncbatchnorm0_gamma'], 'older names'),
    (['backbone.conv1.weight', 'classifier.0.convs.0.0.weight', 'classifier.4.weight'], "torchvision's DeepLabV3"),
    (['backbone.conv1.weight', 'classifier.0.weight', 'classifier.4.weight'], "torchvision's segmentation model"),
    (['features.0.0.weight', 'classifier.1.weight'], "MobileNetV2 in torchvision's layout"),
    (['backbone.features.0.0.weight', 'head.logits.weight'], "MobileNetV2 in torchvision's layout"),
    (['encoder.conv1.weight', 'segmentation_head.0.weight'], "segmentation_models_pytorch's"),
    (['backbone.layer1.0.conv.0.conv.weight'], "MobileNetV2 in MMSegmentation's layout"),
    (['backbone.stages.0.blocks.0.norm1.weight'], 'Swin'),
    (['conv1.weight', 'conv2.weight', 'conv3.weight', 'bn3.bias'], "MIT's names"),
    (['conv1.0.weight', 'conv1.6.weight', 'bn1.bias'], "deep stem under GluonCV's names"),
])
def test_layouts(keys, name):
    assert name in layout_of(keys)


def test_own_names_are_of_no_other_kind():
    keys = ['backbone.stem.0.weight', 'backbone.layer1.0.conv1.weight', 'backbone.layer1.0.downsample.0.weight',
            'decode_head.image_pool.1.conv.weight', 'decode_head.aspp_modules.0.bn.weight', 'fc.weight',
            'auxiliary_head.convs.0.conv.weight', 'decode_head.conv_seg.bias']
    assert layout_of(keys) == ''


@pytest.mark.parametrize('keys, meta, source, place', [
    (['layer1.0.conv3.weight', 'layer5.conv2d_list.0.bias'], None, 'x.pth', 'caffe'),
    (['Scale.conv1.weight', 'Scale.layer5.conv2d_list.0.bias'], None, 'x.pth', 'caffe'),
    (['conv1.weight', 'bn2a_branch1.weight'], None, 'x.pth', 'caffe'),
    (['backbone.conv1.bias', 'backbone.bn1.running_mean', 'backbone.layer1.0.conv3.weight'], {}, 'x.pth', 'caffe'),
    (['conv1.bias', 'conv1.weight'], None, 'x.pth', None),  # no batch norm behind it
    (['conv1.weight', 'fc.weight'], None, 'x.pth', None),
    (['conv1.weight', 'fc.weight'], None, 'torchvision://resnet50', 'pytorch'),
    (['backbone.conv1.weight'], dict(type='ResNetV1c'), 'x.pth', 'pytorch'),
    (['backbone.conv1.weight'], dict(type='mmseg.ResNet', style='caffe'), 'x.pth', 'caffe'),
    (['backbone.conv1.weight'], dict(type='ResNet', style='slim'), 'x.pth', 'caffe'),  # computes what 'caffe' does
    (['backbone.conv1.weight'], dict(type='ResNetV2'), 'x.pth', None),
    (['backbone.conv1.weight'], dict(type=5), 'x.pth', None),
])
def test_where_a_file_s_strides_are(keys, meta, source, place):
    weights, config = dict.fromkeys(keys), json.dumps(dict(model=dict(backbone=meta)))
    assert stride_place(weights, meta and dict(config_json=config), source) == place
    if meta and '.' not in str(meta['type']):  # as import_weights.py writes for a backbone alone
        assert stride_place(weights, dict(backbone=json.dumps(meta)), source) == place


def test_where_a_backbone_s_strides_are():
    small = dict(base_channels=4, stem_channels=8)
    assert [place_of(ResNet(50, style=style, **small)) for style in ('pytorch', 'caffe', 'slim')] == [
        'pytorch', 'caffe', 'caffe']
    assert place_of(ResNet(18, style='caffe', **small)) is None and place_of(MobileNetV2(0.25)) is None
    assert place_of(ResNetV2(50, style='pytorch', **small)) == 'pytorch'


def test_what_the_importers_read():
    assert importable(['layer5.conv2d_list.0.weight']) and importable(['classifier.0.convs.0.0.weight'])
    assert not importable(['segformer.encoder.x']) and not importable(['backbone.conv1.weight'])
