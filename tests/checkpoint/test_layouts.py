"""Files of other systems are known by their keys."""
import pytest

from segkit.checkpoint.layouts import layout_of


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
