"""Whose weights a file holds, told by the names of its keys, and other forms of a ResNet's stem."""
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Optional

from torch import Tensor, nn

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
    (r'conv3\.weight$', "a ResNet with a deep stem under MIT's names (conv1, conv2, conv3), as ResNetV1s has"),
    (r'conv1\.6\.weight$', "a ResNet with a deep stem under GluonCV's names (conv1.0, conv1.3, conv1.6), as ResNetV1s "
                           'has'),
)

IMPORTABLE = ('a DeepLabV2 in', "GluonCV's DeepLabV3", "torchvision's DeepLabV3", 'a MobileNetV2 in torchvision',
              'segmentation_models_pytorch', 'a ResNet with a deep stem')

# A key that tells of a deep stem under other names -> those names and ours.
DEEP_STEMS = {
    'conv3.weight': {'conv1.': 'stem.0.', 'bn1.': 'stem.1.', 'conv2.': 'stem.3.', 'bn2.': 'stem.4.',
                     'conv3.': 'stem.6.', 'bn3.': 'stem.7.'},
    'conv1.6.weight': {**{f'conv1.{i}.': f'stem.{i}.' for i in (0, 1, 3, 4, 6)}, 'bn1.': 'stem.7.'},
}


def with_own_stem(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a ResNet, its deep stem under our names where it has MIT's or GluonCV's."""
    names = next((names for key, names in DEEP_STEMS.items() if key in weights), {})
    pairs = ((key, next((old for old in names if key.startswith(old)), '')) for key in weights)
    return {names.get(old, '') + key[len(old):]: weights[key] for key, old in pairs}


def layout_of(keys: Iterable[str]) -> str:
    """What file has such keys; empty where they are of no kind that is known here."""
    keys = list(keys)
    return next((name for pattern, name in LAYOUTS if any(re.match(pattern, key) for key in keys)), '')


# Where a stage of bottlenecks has its stride, which no shape of a tensor shows.
STRIDE_PLACES = dict(pytorch='on the 3x3 convolution of its first block',
                     caffe='on the first 1x1 convolution of its first block, as Caffe has')


def stride_place(weights: Mapping[str, Tensor], meta: Any = None, source: str = '') -> Optional[str]:
    """Where the ResNet of a file has its stages' strides, as far as is known: 'pytorch', 'caffe' or None.

    A checkpoint of segkit's says it in its config. Caffe's is known by the classifiers of DeepLabV2's ports, by Caffe's
    own names, and by a bias of the first convolution in front of a batch norm; torchvision's by its address.

    Args:
        weights: The file's.
        meta: What the file says beside its weights.
        source: Its name or address.
    """
    stored = _stored_style(meta)
    if stored:
        return stored
    if source.startswith(('torchvision://', 'modelzoo://')):
        return 'pytorch'

    def caffe(key: str) -> bool:
        return re.match(r'(Scale\.)?layer5\.conv2d_list\.|(bn|res|scale)\d[a-z]\d*_branch\d', key) is not None

    bare = {key.removeprefix('backbone.') for key in weights}
    biased = {'conv1.bias', 'bn1.running_mean', 'layer1.0.conv3.weight'} <= bare
    return 'caffe' if biased or any(map(caffe, weights)) else None


def _stored_style(meta: Any) -> Optional[str]:
    """The style in the config that a checkpoint of segkit's holds, of a segmentor or of a backbone alone."""
    try:
        backbone = (json.loads(meta['config_json'])['model']['backbone'] if 'config_json' in meta else
                    json.loads(meta['backbone']))
        if re.fullmatch(r'ResNet(V1\w)?', backbone['type'].rpartition('.')[2]):
            return 'pytorch' if backbone.get('style', 'pytorch') == 'pytorch' else 'caffe'
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError):
        pass
    return None


def place_of(backbone: nn.Module) -> Optional[str]:
    """Where a backbone's stages have their stride, 'pytorch' or 'caffe'; None where it has no bottlenecks."""
    style = getattr(backbone, 'style', None)
    if style is None or getattr(getattr(backbone, 'block', None), 'expansion', 1) == 1:
        return None
    return 'pytorch' if style == 'pytorch' else 'caffe'  # 'slim' computes what 'caffe' does


def importable(keys: Iterable[str]) -> bool:
    """Whether tools/model_converters/import_weights.py reads files with such keys."""
    return layout_of(keys).startswith(IMPORTABLE)


def with_stem_bias_in_mean(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a ResNet, the bias of its first convolution taken into the mean that is subtracted behind it.

    Caffe's ResNet has such a bias, in which the batch norm leaves no effect but this one.
    """
    weights = dict(weights)
    if 'bn1.running_mean' in weights and 'conv1.bias' in weights:
        weights['bn1.running_mean'] = weights['bn1.running_mean'] - weights.pop('conv1.bias')
    return weights
