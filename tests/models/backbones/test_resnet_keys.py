"""Names and shapes of the weights that other systems' files have for a ResNet."""
import hashlib
import re

import pytest
import torch

from segkit.models.backbones.resnet import ResNet, ResNetV1s


def shapes(cls: type, depth: int, **kwargs) -> dict[str, tuple[int, ...]]:
    with torch.device('meta'):
        return {key: tuple(value.shape) for key, value in cls(depth, **kwargs).state_dict().items()}


def digest(layout: dict[str, tuple[int, ...]]) -> tuple[int, str]:
    """How many keys there are, and the beginning of the sha256 of their sorted lines 'key 64x3x7x7'."""
    lines = sorted(f'{key} {"x".join(map(str, shape)) or "scalar"}' for key, shape in layout.items())
    return len(lines), hashlib.sha256('\n'.join(lines).encode()).hexdigest()[:16]


# Of the files' own lists of keys, without their heads and classifiers: torchvision's resnet50 and the backbone of its
# deeplabv3_resnet50; DeepLab-ResNet-Pytorch's VOC12_scenes_20000.pth.
@pytest.mark.parametrize('depth,kwargs,expected', [
    (50, dict(), (318, '32b925459ceacdec')),
    (50, dict(style='slim', output_stride=16), (318, '32b925459ceacdec')),
    (101, dict(style='caffe', output_stride=8, ceil_mode=True), (624, '0fe26049342295b4')),
])
def test_plain_stem(depth, kwargs, expected):
    assert digest(shapes(ResNet, depth, **kwargs)) == expected


def test_v1s_under_the_names_of_gluoncv():
    # Of the network that GluonCV prints; its files count no batches.
    names = {'stem.7.': 'bn1.', **{f'stem.{i}.': f'conv1.{i}.' for i in (0, 1, 3, 4, 6)}}
    theirs = {}
    for key, shape in shapes(ResNetV1s, 50, output_stride=8).items():
        if key.endswith('num_batches_tracked'):
            continue
        stem = next((ours for ours in names if key.startswith(ours)), '')
        key = names.get(stem, '') + key[len(stem):]
        if re.search(r'(bn\d|downsample\.1|conv1\.[14])\.(weight|bias)$', key):
            key = key.replace('.weight', '.gamma').replace('.bias', '.beta')
        theirs[key] = shape
    assert digest(theirs) == (275, 'bbf3286754e7159b')


def test_v1s_differs_from_a_plain_stem_in_17_entries():
    ours, plain = shapes(ResNetV1s, 50, output_stride=8), shapes(ResNet, 50)
    convs = {'stem.0.weight': (64, 3, 3, 3), 'stem.3.weight': (64, 64, 3, 3), 'stem.6.weight': (128, 64, 3, 3)}
    norms = {f'stem.{i}.{name}': (width,) for i, width in ((1, 64), (4, 64), (7, 128))
             for name in ('weight', 'bias', 'running_mean', 'running_var')}
    wider = {'layer1.0.conv1.weight': (64, 128, 1, 1), 'layer1.0.downsample.0.weight': (256, 128, 1, 1)}
    differing = {k: v for k, v in ours.items() if plain.get(k) != v and not k.endswith('num_batches_tracked')}
    assert differing == convs | norms | wider and len(differing) == 17
