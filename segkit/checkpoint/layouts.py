"""Whose weights a file holds, told by the names of its keys."""
import re
from collections.abc import Iterable

# A pattern that only keys of one kind of file have, and what that file is; the most telling ones first.
LAYOUTS = (
    (r'(Scale\.)?layer5\.conv2d_list\.', 'a DeepLabV2 in the layout of its PyTorch ports (layer5.conv2d_list)'),
    (r'(bn)?(res|scale)\d[a-z]\d*_branch\d', 'a ResNet with the names of Caffe (res2a_branch1)'),
    (r'head\.aspp\.(concurent|project|b\d)\.', "GluonCV's DeepLabV3 (head.aspp)"),
    (r'\w+_(syncbatchnorm|batchnorm|conv)\d+_(gamma|weight)$', "GluonCV's, with its older names"),
    (r'classifier\.0\.convs\.', "torchvision's DeepLabV3 (classifier.0.convs)"),
    (r'(aux_)?classifier\.4\.(weight|bias)$', "torchvision's segmentation model (classifier)"),
    (r'(backbone\.|encoder\.)?features\.\d+\.', "a MobileNetV2 in torchvision's layout (features.N)"),
    (r'segmentation_head\.\d', "segmentation_models_pytorch's (segmentation_head)"),
    (r'segformer\.encoder\.', "Hugging Face's SegFormer (segformer.encoder)"),
    (r'backbone\.stages\.\d+\.blocks\.', "MMSegmentation's with a Swin backbone (backbone.stages)"),
    (r'backbone\.layers\.\d+\.\d+\.\d+\.attn\.', "MMSegmentation's with a MiT backbone (backbone.layers)"),
    (r'(backbone\.)?layer\d\.\d\.conv\.\d\.conv\.', "a MobileNetV2 in MMSegmentation's layout"),
)


def layout_of(keys: Iterable[str]) -> str:
    """What file has such keys; empty where they are of no kind that is known here."""
    keys = list(keys)
    return next((name for pattern, name in LAYOUTS if any(re.match(pattern, key) for key in keys)), '')
