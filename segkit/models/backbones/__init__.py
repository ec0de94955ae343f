"""Backbones: an image to feature maps."""
from segkit.models.backbones.mobilenet_v2 import MobileNetV2
from segkit.models.backbones.resnet import ResNet, ResNetV1c, ResNetV1d

__all__ = ['MobileNetV2', 'ResNet', 'ResNetV1c', 'ResNetV1d']
