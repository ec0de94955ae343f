"""Every spatial layer of every source system, written out: kernel, stride and rate.

A list has a line for the stem and each stage. `3/2@4` is a convolution of 3x3, stride 2 and rate 4; a stride and a rate
of 1 are left out, and so are convolutions of 1x1 without stride. `pool` is the max pooling of the stem, `pool^` one
that rounds up; `skip/2` is a shortcut that takes every second pixel; `*5` repeats what stands before it.
"""
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch
from torch import nn

from segkit.config import load_config
from segkit.registry import BACKBONES, MODELS

CONFIGS = Path(__file__).parents[3] / 'configs'

GLUONCV = '''
    3/2 3 3 pool3/2
    3 3 3
    3/2 1/2 3 3 3
    3 3@2 *{}
    3@2 3@4 3@4
'''
SLIM_16 = '''
    7/2 pool3/2
    3 3 3/2 skip/2
    3 3 3 3/2 skip/2
    3 *{}
    3@2 3@4 3@8
'''
SLIM_8 = '''
    7/2 pool3/2
    3 3 3/2 skip/2
    3 3 3 3
    3@2 *{}
    3@4 3@8 3@16
'''
DEEPLABV2 = '''
    7/2 pool^3/2
    3 3 3
    1/2 3 1/2 3 3 3
    3@2 *23
    3@4 3@4 3@4
'''
TOOLBOX = '''
    3/2 3 3 pool^3/2
    3 3 3
    3/2 1/2 3 3 3
    3@2 *23
    3@4 3@4 3@4
'''
PAPER_16 = '''
    7/2 pool3/2
    3 3 3
    3/2 1/2 3 3 3
    3/2 1/2 3 *22
    3@2 3@4 3@8
'''
PAPER_8 = '''
    7/2 pool3/2
    3 3 3
    3/2 1/2 3 3 3
    3 3@2 *22
    3@4 3@8 3@16
'''
MOBILENET_V2 = '''
    3/2
    3
    3/2 3
    3/2 3 3
    3 3@2 3@2 3@2
    3@2 3@2 3@2
    3@2 3@4 3@4
    3@4
'''
MG = dict(multi_grid=(1, 2, 4))
# Files -> the layers of the backbone, its parameters, and the backbone as it is expected there.
SYSTEMS = {
    'deeplabv3_gluoncv/*_r50s-d8_*': (
        GLUONCV.format(5), 23_631_808, dict(type='ResNetV1s', depth=50, output_stride=8)),
    'deeplabv3_gluoncv/*_r101s-d8_*': (
        GLUONCV.format(22), 42_623_936, dict(type='ResNetV1s', depth=101, output_stride=8)),
    'deeplabv3_tf/*_r50-d16-mg124_*': (
        SLIM_16.format(6), 23_508_032, dict(type='ResNet', depth=50, style='slim', output_stride=16, **MG)),
    'deeplabv3_tf/*_r101-d16-mg124_*': (
        SLIM_16.format(23), 42_500_160, dict(type='ResNet', depth=101, style='slim', output_stride=16, **MG)),
    'deeplabv2/*_r101-d8_*': (
        DEEPLABV2, 42_500_160, dict(type='ResNet', depth=101, style='caffe', ceil_mode=True, output_stride=8)),
    '*_toolbox/*_r101-d8*': (
        TOOLBOX, 42_623_936,
        dict(type='ResNetV1s', depth=101, ceil_mode=True, output_stride=8, contract_dilation=False)),
    'vortex/*_r50v2-d16_*': (SLIM_16.format(6), 23_500_480, dict(type='ResNetV2', depth=50, output_stride=16, **MG)),
    'vortex/*_r101v2-d16_*': (
        SLIM_16.format(23), 42_492_608, dict(type='ResNetV2', depth=101, output_stride=16, **MG)),
    'vortex/*_r50v2-d8_*': (SLIM_8.format(6), 23_500_480, dict(type='ResNetV2', depth=50, output_stride=8, **MG)),
    'vortex/*_r101v2-d8_*': (SLIM_8.format(23), 42_492_608, dict(type='ResNetV2', depth=101, output_stride=8, **MG)),
    'deeplabv3_paper/*_r101-d16-mg124_*': (
        PAPER_16, 42_500_160, dict(type='ResNet', depth=101, output_stride=16, **MG)),
    'deeplabv3_paper/*_r101-d8-mg124_*': (
        PAPER_8, 42_500_160, dict(type='ResNet', depth=101, output_stride=8, **MG)),
    'mobilenet_v2/mobilenet-v2-d8_deeplabv3-pool_*': (
        MOBILENET_V2, 1_811_712, dict(type='MobileNetV2', output_stride=8)),
}
# Files -> the layers of the decode head.
HEADS = {
    'deeplabv3_gluoncv/*': '3@12 3@24 3@36 3',
    'deeplabv3_tf/*': '3@6 3@12 3@18',
    'deeplabv3_toolbox/*': '3@12 3@24 3@36',
    'pspnet_toolbox/*': '3',
    'deeplabv2/deeplabv2_*': '3@6 3@12 3@18 3@24',
    'deeplabv2/deeplabv2-msc_*': '3@6 3@12 3@18 3@24',
    'deeplabv2/deeplabv2-largefov_*': '3@12',
    'vortex/*': '3@3 3@9 3@27',
    'deeplabv3_paper/*-d16-*': '3@6 3@12 3@18',
    'deeplabv3_paper/*-d8-*': '3@12 3@24 3@36',
}
FILES = sorted(str(path.relative_to(CONFIGS)) for folder in {pattern.split('/')[0] for pattern in SYSTEMS}
               for path in CONFIGS.glob(f'{folder}/*.py')
               if folder != 'mobilenet_v2' or '_deeplabv3-pool_' in path.name)


def written(line: str) -> list[str]:
    """What a line of a list stands for."""
    layers = []
    for word in line.split():
        layers += layers[-1:] * (int(word[1:]) - 1) if word.startswith('*') else [word]
    return layers


def layers(module: nn.Module) -> list[str]:
    """The spatial layers of a part of a network, in the order of its modules."""
    found = []
    for child in module.modules():
        if isinstance(child, (nn.Conv2d, nn.MaxPool2d)):
            kernel, stride, rate, pad = (value if isinstance(value, int) else value[0] for value in (
                child.kernel_size, child.stride, child.dilation, child.padding))
            pool = '' if isinstance(child, nn.Conv2d) else 'pool^' if child.ceil_mode else 'pool'
            assert pad == rate * (kernel // 2), f'{child} changes the size by more than its stride'
            if (kernel, stride) != (1, 1):
                found.append(f'{pool}{kernel}{f"/{stride}" * (stride > 1)}{f"@{rate}" * (rate > 1)}')
    return found


def of_backbone(backbone: nn.Module) -> list[list[str]]:
    """Its stem, then each stage; a block's skipping shortcut comes behind its convolutions."""
    stem = [layer for module in backbone.stem_modules for layer in layers(module)]
    lines = [stem + layers(backbone.maxpool) if hasattr(backbone, 'maxpool') else stem]
    for stage in backbone.stages:
        lines.append([])
        for block in stage:
            skip = getattr(block, 'skip_stride', 1)
            lines[-1] += layers(block) + [f'skip/{skip}'] * (skip > 1)
    return lines


def counted(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize('pattern', SYSTEMS)
def test_backbones(pattern):
    lines, count, cfg = SYSTEMS[pattern]
    with torch.device('meta'):
        backbone = BACKBONES.build(cfg)
    assert of_backbone(backbone) == [written(line) for line in lines.strip().splitlines()]
    assert counted(backbone) == count


@pytest.mark.parametrize('file', FILES)
def test_config_files(file):
    (lines, count, _), = (system for pattern, system in SYSTEMS.items() if fnmatch(file, pattern))
    with torch.device('meta'):
        model = MODELS.build(load_config(CONFIGS / file).model)
    assert of_backbone(model.backbone) == [written(line) for line in lines.strip().splitlines()]
    assert counted(model.backbone) == count
    for head in (head for pattern, head in HEADS.items() if fnmatch(file, pattern)):
        # A head's branches may stand in any order of its modules.
        assert Counter(layers(model.decode_head)) == Counter(written(head))


def test_the_lists_say_what_is_meant():
    assert written('3/2 3@2 *3 3') == ['3/2', '3@2', '3@2', '3@2', '3']
    net = nn.Sequential(nn.Conv2d(1, 1, 3, 2, 2, 2), nn.Conv2d(1, 1, 1), nn.MaxPool2d(3, 2, 1, ceil_mode=True))
    assert layers(net) == ['3/2@2', 'pool^3/2']
    assert [file for file in FILES if file.startswith('deeplabv3_tf/')], 'no file of a system is read'
