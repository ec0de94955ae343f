"""Each head and backbone as a graph, and most as files, for any size, against itself and torch's own pools."""
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from segkit.apis.export_files import open_file, write
from segkit.apis.export_plan import plan_for
from segkit.apis.exportable import ExportableNetwork, _AveragePool, _HalvingPool, _UpwardMaxPool, graph_of
from segkit.apis.own_config import EXPORTED
from segkit.checkpoint import trusting
from segkit.errors import ConfigError
from segkit.registry import BACKBONES, DECODE_HEADS, MODELS

FACTS = dict(classes=['a'], palette=None, preprocessing={}, segkit={})
SIZES = ((1, 97, 131), (2, 41, 64), (1, 120, 43), (3, 64, 64))
R18 = dict(depth=18, base_channels=4, stem_channels=4)


@BACKBONES.register_module(force=True)
class TwoMaps(nn.Module):
    """Maps at strides 4 and 8, of three convolutions."""
    out_channels, output_stride = (4, 6), 8

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in ((3, 4), (4, 4), (4, 6)))

    def forward(self, x):
        first, second, third = self.layers
        fine = second(first(x).relu())
        return fine, third(fine.relu())


# The first of each part is also written as files, and so are both of FCNHead as ONNX.
HEADS = {
    'ASPPHead': [dict(channels=4, dilations=(1, 6)), dict(channels=4, align_corners=True)],
    'DepthwiseSeparableASPPHead': [dict(channels=4, c1_channels=2, align_corners=True, dilations=(1, 6))],
    'DeepLabV3Head': [dict(channels=4, align_corners=True, pool_first=True, dilations=(1, 6))],
    'DeepLabV2Head': [dict()],
    'VortexHead': [dict(channels=4, dilations=(1, 3))],
    'PSPHead': [dict(channels=4, pool_scales=(1, 3)), dict(channels=4, pool_scales=(2, 6), align_corners=True)],
    'FCNHead': [dict(channels=4, num_convs=1),
                dict(channels=4, num_convs=1, in_index=(0, 1), input_transform='resize_concat')],
}
TWO = dict(num_stages=2, out_indices=(0, 1), output_stride=8)
BACKBONE_CONFIGS = {
    'ResNet': [dict(TWO, depth=50, base_channels=4, stem_channels=4, style='caffe', ceil_mode=True),
               dict(R18, output_stride=32)],
    'ResNetV1c': [dict(R18, **TWO), dict(R18, output_stride=16, multi_grid=(1, 2))],
    'ResNetV1d': [dict(R18, **TWO)],
    'ResNetV1s': [dict(R18, **TWO)],
    'ResNetV2': [dict(TWO, depth=50)],
    'MobileNetV2': [dict(strides=(1, 2, 1), dilations=(1, 1, 2), out_indices=(2,))],
    'MobileNetV3': [dict(arch='small', adaptive_padding=False, out_indices=(4,))],
}
LARGE = ('ASPPHead', 'DepthwiseSeparableASPPHead', 'PSPHead', 'VortexHead')  # take longest to become ONNX
MSC = dict(type='MultiScaleEncoderDecoder', align_corners=True)


@pytest.fixture
def shallow(monkeypatch):
    """Backbones of every kind of block they have, and fewer of each: torch takes its time for every layer."""
    def cut(name, settings):
        monkeypatch.setattr(BACKBONES.get(name), 'arch_settings', settings)

    for name in ('ResNet', 'ResNetV2'):
        cut(name, {depth: (block, (1, 1, 1, 2)) for depth, (block, _) in BACKBONES.get(name).arch_settings.items()})
    mobile = BACKBONES.get('MobileNetV2')
    cut('MobileNetV2', ((1, 16, 1), (6, 24, 2), (6, 32, 1)))
    monkeypatch.setattr(mobile, 'num_stages', 3)
    monkeypatch.setattr(mobile, 'natural_strides', mobile.natural_strides[:3])
    small = BACKBONES.get('MobileNetV3').arch_settings['small']
    cut('MobileNetV3', dict(small=(*small[:3], small[8])))  # with and without weighed channels, ReLU and HSwish


def spread(model):
    """Numbers of a network that has learnt something: each norm has seen its inputs, and scores spread."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, _BatchNorm):
            module.momentum = None
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.3)
    with torch.no_grad():
        model.train()(torch.randn(2, 3, 64, 64))
    return model.eval()


def build(backbone, head, **more):
    return spread(MODELS.build({**dict(
        type='EncoderDecoder', num_classes=5, norm_cfg=dict(type='SyncBN'), backbone=backbone, decode_head=head,
        data_preprocessor=dict(type='SegDataPreProcessor', mean=[120.] * 3, std=[60.] * 3, bgr_to_rgb=True)), **more}))


def agrees(model, tmp_path, kinds, sizes=SIZES, **wanted):
    """Compare what the graph and files of it give with the network's scores at several sizes."""
    plan = plan_for(model, **wanted)
    graph = graph_of(ExportableNetwork(model, plan))
    recorded = graph.module()
    files = [lambda image: dict(zip(plan.outputs, recorded(image)))]
    for kind in kinds:
        path = tmp_path / f'model{EXPORTED[kind]}'
        write(graph, kind, path, plan.outputs, FACTS)
        with trusting():
            files.append(open_file(path))
    for size in sizes:
        torch.manual_seed(1)
        image = torch.randn(size[0], 3, *size[1:])
        with torch.no_grad(), model.at_test_stride():
            logits = model.scores(image, [model.decode_head])[0]
        largest = float(logits.abs().max())  # sums of large numbers are rounded more
        assert logits.std() > 0.1
        for file in files:
            given = file(image)['logits']
            assert given.shape == logits.shape
            torch.testing.assert_close(given, logits, rtol=1e-4, atol=1e-4 * max(2, largest))


@pytest.mark.parametrize('name, number', [
    pytest.param(name, i, marks=[pytest.mark.slow] * (name in LARGE and i == 0))
    for name, cfgs in HEADS.items() for i in range(len(cfgs))])
def test_each_head_at_any_size(name, number, tmp_path):
    kinds = ['torch-export'] * (number == 0) + ['onnx'] * (number == 0 or name == 'FCNHead')
    agrees(build(dict(type='TwoMaps'), dict(HEADS[name][number], type=name)), tmp_path, kinds)


@pytest.mark.parametrize('size_rule, kinds', [
    pytest.param('floor', ['torch-export', 'onnx'], marks=pytest.mark.slow), ('floor+1', [])])
def test_copies_at_any_size(size_rule, kinds, tmp_path):
    agrees(build(dict(type='TwoMaps'), dict(type='DeepLabV2Head'), size_rule=size_rule, **MSC), tmp_path, kinds)


def test_a_fixed_size_keeps_torch_s_pools(tmp_path):
    model = build(dict(type='TwoMaps'), dict(HEADS['PSPHead'][0], type='PSPHead'))
    agrees(model, tmp_path, ['onnx'], [(1, 65, 91)], size=(65, 91))


@pytest.mark.slow
@pytest.mark.parametrize('name, number',
                         [(name, i) for name, cfgs in BACKBONE_CONFIGS.items() for i in range(len(cfgs))])
def test_each_backbone_at_any_size(name, number, tmp_path, shallow):
    model = build(dict(BACKBONE_CONFIGS[name][number], type=name), dict(type='FCNHead', channels=4, num_convs=1))
    # ResNetV1s is ResNetV1c with a wider stem.
    agrees(model, tmp_path, ['torch-export', 'onnx'] * (number == 0 and name not in ('ResNetV1c', 'ResNetV1s'))
           + ['onnx'] * (number == 0 and name == 'ResNetV1c'))


def test_padding_that_follows_the_image_wants_a_size(tmp_path, shallow):
    model = build(dict(type='MobileNetV3', arch='small', out_indices=(4,)),
                  dict(type='FCNHead', channels=4, num_convs=1))
    with pytest.raises(ConfigError, match='(?s)adaptive_padding.*Give --size H W'):
        plan_for(model)
    agrees(model, tmp_path, [], [(1, 65, 91)], size=(65, 91))


def test_no_part_is_left_out():
    def ours(registry):
        return {name for name, part in registry.module_dict.items() if part.__module__.startswith('segkit.')}
    DECODE_HEADS.get('FCNHead'), BACKBONES.get('ResNet')
    assert ours(DECODE_HEADS) == set(HEADS) and ours(BACKBONES) == set(BACKBONE_CONFIGS)


def test_the_test_s_stride_and_rates_are_in_the_graph(tmp_path):
    model = build(dict(R18, type='ResNetV1c', output_stride=16), dict(type='ASPPHead', channels=4),
                  test_cfg=dict(output_stride=8))
    agrees(model, tmp_path, [], [(1, 97, 131)])
    assert model.backbone.output_stride == 16  # the network itself is left as it was


@pytest.mark.parametrize('length', range(1, 30))
def test_average_pool_is_torch_s(length):
    x = torch.randn(2, 3, length, 31 - length, dtype=torch.float64)
    for cells in ((2, 2), (3, 1), (6, 6)):
        torch.testing.assert_close(_AveragePool(cells)(x), nn.AdaptiveAvgPool2d(cells)(x))


@pytest.mark.parametrize('size', [(1, 1), (1, 2), (4, 7), (5, 6), (9, 9)])
def test_halving_pool_is_torch_s(size):
    x = torch.randn(2, 3, *size)
    torch.testing.assert_close(_HalvingPool()(x), nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)(x))


@pytest.mark.parametrize('size', [(1, 2), (4, 7), (5, 6), (9, 9)])
def test_max_pool_that_rounds_up_is_torch_s(size):
    x = torch.randn(2, 3, *size)
    torch.testing.assert_close(_UpwardMaxPool()(x), nn.MaxPool2d(3, 2, 1, ceil_mode=True)(x))


@pytest.mark.parametrize('order, padding', [
    ('bgr', None), ('rgb', dict(size_divisor=32)), ('rgb', dict(size=(70, 90)))])
def test_before_and_behind_the_network(order, padding, tmp_path):
    """Bytes in and classes out, against NumPy before the network and torch's interpolation behind it."""
    model = build(dict(type='TwoMaps'), dict(type='FCNHead', channels=4, num_convs=1), align_corners=True)
    model.data_preprocessor.test_cfg = dict(padding or {})
    plan = plan_for(model, channel_order=order, classes=True, probabilities=True)
    write(graph_of(ExportableNetwork(model, plan)), 'onnx', tmp_path / 'a.onnx', plan.outputs, FACTS)
    file = open_file(tmp_path / 'a.onnx')
    for height, width in ((64, 96), (33, 91), (71, 50)):
        photo = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)  # RGB
        divisor, least = (padding or {}).get('size_divisor', 1), (padding or {}).get('size', (0, 0))
        padded = np.zeros([-(-max(side, wanted) // divisor) * divisor
                           for side, wanted in zip((height, width), least)] + [3], np.float32)
        padded[:height, :width] = (photo.astype(np.float32) - 120) / 60
        with torch.no_grad():
            logits = model(torch.from_numpy(padded).permute(2, 0, 1)[None])
        scores = nn.functional.interpolate(logits, padded.shape[:2], mode='bilinear', align_corners=True)
        scores = scores[..., :height, :width]
        given = file(torch.from_numpy(photo if order == 'rgb' else photo[..., ::-1].copy())[None])
        torch.testing.assert_close(given['logits'], logits, rtol=1e-4, atol=2e-4)
        torch.testing.assert_close(given['probabilities'], scores.softmax(1), rtol=1e-3, atol=1e-4)
        assert given['classes'].dtype == torch.uint8 and given['classes'].unique().numel() > 1
        assert (given['classes'] == scores.argmax(1)).double().mean() > 0.999


def test_one_channel_for_two_classes(tmp_path):
    model = build(dict(type='TwoMaps'), dict(type='FCNHead', channels=4, num_convs=1, out_channels=1, threshold=0.4,
                                             loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True)),
                  num_classes=2)
    plan = plan_for(model, classes=True, probabilities=True)
    image = torch.randn(1, 3, 50, 61)
    with torch.no_grad():
        logits, classes, shares = graph_of(ExportableNetwork(model, plan)).module()(image)
        wanted = nn.functional.interpolate(model(image), (50, 61), mode='bilinear').sigmoid()
    torch.testing.assert_close(shares, wanted)
    assert torch.equal(classes, (wanted[:, 0] > 0.4).to(torch.uint8)) and 0 < classes.float().mean() < 1


def test_a_part_that_cannot_be_recorded_is_named():
    class Stubborn(TwoMaps):
        def forward(self, x):
            return super().forward(x if float(x.sum()) > 0 else -x)

    model = build(dict(type=Stubborn), dict(type='FCNHead', channels=4, num_convs=1))
    with pytest.raises(ConfigError, match='torch.export cannot record FCNHead on Stubborn: '):
        graph_of(ExportableNetwork(model, plan_for(model)))
