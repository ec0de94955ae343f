"""Backbones: an image to feature maps."""
from segkit.models.backbones.mobilenet_v2 import MobileNetV2
from segkit.models.backbones.mobilenet_v3 import MobileNetV3
from segkit.models.backbones.resnet import ResNet, ResNetV1c, ResNetV1d, ResNetV1s
from segkit.models.backbones.resnet_v2 import ResNetV2

__all__ = ['MobileNetV2', 'MobileNetV3', 'ResNet', 'ResNetV1c', 'ResNetV1d', 'ResNetV1s', 'ResNetV2']
