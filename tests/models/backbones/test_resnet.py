"""ResNet, V1c, V1d and V1s: weights, strides and rates, and what stays frozen."""
from pathlib import Path

import pytest
import torch
from torch import nn

from segkit.errors import ConfigError
from segkit.models.backbones.resnet import ResNet, ResNetV1c, ResNetV1d, ResNetV1s
from segkit.registry import BACKBONES

KEYMAP = Path(__file__).parents[2] / 'data' / 'mmseg_deeplabv3_r50-d8_voc21.tsv'
VARIANTS = (ResNet, ResNetV1c, ResNetV1d, ResNetV1s)


def tiny(cls: type = ResNet, depth: int = 50, **kwargs) -> ResNet:
    """A network of few channels whose batch norms are no identity."""
    torch.manual_seed(kwargs.pop('seed', 0))
    model = cls(depth, base_channels=4, stem_channels=8, **kwargs)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model


def on_meta(cls: type, depth: int, **kwargs) -> ResNet:
    with torch.device('meta'):
        return cls(depth, **kwargs)


def rates(model: ResNet) -> list[list[tuple[int, ...]]]:
    return [[block.rates for block in stage] for stage in model.stages]


def strides(model: ResNet) -> list[int]:
    return [stage[0].strided_conv.stride[0] for stage in model.stages]


class TestWeights:

    @pytest.mark.parametrize('cls,depth,count', [
        (ResNet, 18, 11_176_512), (ResNet, 34, 21_284_672), (ResNet, 50, 23_508_032), (ResNet, 101, 42_500_160),
        (ResNet, 152, 58_143_808), (ResNetV1c, 50, 23_527_264), (ResNetV1c, 101, 42_519_392),
        (ResNetV1d, 50, 23_527_264), (ResNetV1s, 50, 23_631_808), (ResNetV1s, 101, 42_623_936),
        (ResNetV1s, 152, 58_267_584)])
    def test_parameter_counts(self, cls, depth, count):
        for knob in (None, 8):
            model = on_meta(cls, depth, output_stride=knob)
            assert sum(p.numel() for p in model.parameters()) == count

    def test_keys_and_shapes_are_mmsegmentations(self):
        lines = (line.split('\t') for line in KEYMAP.read_text().splitlines() if line.startswith('backbone.'))
        expected = {key[len('backbone.'):]: '' if shape == 'scalar' else shape for key, shape in lines}
        for kwargs in (dict(output_stride=8), dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
                       dict(norm_cfg=dict(type='SyncBN'))):
            model = on_meta(ResNetV1c, 50, **kwargs)
            assert {k: 'x'.join(map(str, v.shape)) for k, v in model.state_dict().items()} == expected

    @pytest.mark.parametrize('depth', [18, 50, 152])
    def test_keys_and_shapes_are_torchvisions(self, depth):
        models = pytest.importorskip('torchvision.models', exc_type=Exception)
        with torch.device('meta'):
            theirs = getattr(models, f'resnet{depth}')().state_dict()
        ours = on_meta(ResNet, depth).state_dict()
        assert [*ours] == [key for key in theirs if not key.startswith('fc.')]
        assert all(ours[key].shape == theirs[key].shape for key in ours)

    def test_v1d_averages_before_the_shortcuts_convolution(self):
        keys = on_meta(ResNetV1d, 50, output_stride=8).state_dict()
        for stage in range(1, 5):
            assert f'layer{stage}.0.downsample.1.weight' in keys and f'layer{stage}.0.downsample.2.running_var' in keys
            assert f'layer{stage}.0.downsample.0.weight' not in keys
        pools = [stage[0].downsample[0] for stage in on_meta(ResNetV1d, 50, output_stride=16).stages]
        assert [(pool.kernel_size, pool.stride) for pool in pools] == [(s, s) for s in [(1, 1), (2, 2), (2, 2), (1, 1)]]

    def test_random_start(self):
        model = tiny()
        model.init_weights()
        last = [block.norm3.weight for stage in model.stages for block in stage]
        assert all(not w.any() for w in last) and (model.bn1.weight == 1).all()
        std = model.layer4[0].conv2.weight.std().item()
        assert std == pytest.approx((2 / (32 * 9))**0.5, rel=0.05)  # Kaiming, by the outputs
        model = tiny(depth=18, zero_init_residual=False)
        model.init_weights()
        assert (model.layer1[0].norm2.weight == 1).all()

    def test_group_norm_is_named_as_it_is(self):
        model = on_meta(ResNet, 50, norm_cfg=dict(type='GN', num_groups=8))
        assert {'gn1.weight', 'layer1.0.gn3.bias'} <= set(model.state_dict())


class TestAgainstTorchvision:

    @pytest.mark.parametrize('depth,knob,dilate', [
        (18, None, [False] * 3), (50, None, [False] * 3), (50, 16, [False, False, True]),
        (50, 8, [False, True, True])])
    def test_features_are_equal_bit_by_bit(self, depth, knob, dilate):
        models = pytest.importorskip('torchvision.models', exc_type=Exception)
        torch.manual_seed(0)
        theirs = getattr(models, f'resnet{depth}')(replace_stride_with_dilation=dilate).eval()
        ours = ResNet(depth, output_stride=knob).eval()
        ours.load_state_dict({k: v for k, v in theirs.state_dict().items() if not k.startswith('fc.')})
        x = torch.randn(1, 3, 65, 49)
        with torch.no_grad():
            feats = ours(x)
            y = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x))))
            for i, feat in enumerate(feats):
                y = getattr(theirs, f'layer{i + 1}')(y)
                assert torch.equal(feat, y), f'stage {i + 1}'
                assert feat.shape[1] == ours.out_channels[i]


class TestRates:

    @pytest.mark.parametrize('kwargs,stage_strides,last_two', [
        (dict(output_stride=32), [1, 2, 2, 2], [[1] * 6, [1, 1, 1]]),
        (dict(output_stride=16), [1, 2, 2, 1], [[1] * 6, [1, 2, 2]]),
        (dict(output_stride=8), [1, 2, 1, 1], [[1, 2, 2, 2, 2, 2], [2, 4, 4]]),
        (dict(output_stride=8, contract_dilation=False), [1, 2, 1, 1], [[2] * 6, [4, 4, 4]]),
        (dict(output_stride=8, style='caffe'), [1, 2, 1, 1], [[2] * 6, [4, 4, 4]]),
        # the paper's grid multiplies the rate of the stage
        (dict(output_stride=16, multi_grid=(1, 2, 4)), [1, 2, 2, 1], [[1] * 6, [2, 4, 8]]),
        (dict(output_stride=8, multi_grid=(1, 2, 4)), [1, 2, 1, 1], [[1, 2, 2, 2, 2, 2], [4, 8, 16]]),
        # MMSegmentation's fields: no contraction unless asked for, and its grid replaces the rate
        (dict(), [1, 2, 2, 2], [[1] * 6, [1, 1, 1]]),
        (dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)), [1, 2, 1, 1], [[2] * 6, [4, 4, 4]]),
        (dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), contract_dilation=True), [1, 2, 1, 1],
         [[1, 2, 2, 2, 2, 2], [2, 4, 4]]),
        (dict(strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2), contract_dilation=True, multi_grid=(1, 2, 4)), [1, 2, 2, 1],
         [[1] * 6, [1, 2, 4]]),
    ])
    def test_bottlenecks(self, kwargs, stage_strides, last_two):
        model = on_meta(ResNetV1c, 50, **kwargs)
        assert strides(model) == stage_strides
        assert [[rate for rate, in stage] for stage in rates(model)] == [[1] * 3, [1] * 4, *last_two]
        assert model.output_stride == 4 * torch.tensor(stage_strides).prod()

    @pytest.mark.parametrize('kwargs,last_two', [
        (dict(output_stride=8), [[(1, 2), (2, 2)], [(2, 4), (4, 4)]]),
        (dict(output_stride=16, multi_grid=(1, 2, 4)), [[(1, 1), (1, 1)], [(2, 2), (4, 4)]]),
        (dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), contract_dilation=True),
         [[(1, 1), (2, 1)], [(2, 1), (4, 1)]]),
    ])
    def test_basic_blocks(self, kwargs, last_two):
        assert rates(on_meta(ResNet, 18, **kwargs))[2:] == last_two

    @pytest.mark.parametrize('field,kwargs', [
        (427, dict(depth=50, output_stride=8)), (475, dict(depth=50, output_stride=8, contract_dilation=False)),
        (971, dict(depth=101, output_stride=8)), (1259, dict(depth=101, output_stride=16, multi_grid=(1, 2, 4))),
        (1259, dict(depth=101, output_stride=8, multi_grid=(1, 2, 4))),
        (1275, dict(depth=101, output_stride=8, multi_grid=(1, 2, 4), contract_dilation=False)),
        (1035, dict(depth=101, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2), multi_grid=(1, 2, 4))),
        (1027, dict(depth=101, output_stride=8, style='caffe')),
        # the wider stem of V1c and V1s reads 4 pixels more: 11 instead of 7
        (431, dict(cls=ResNetV1s, depth=50, output_stride=8)), (975, dict(cls=ResNetV1s, depth=101, output_stride=8))])
    def test_receptive_fields(self, field, kwargs):
        kwargs = dict(cls=ResNet) | kwargs
        model = kwargs.pop('cls')(in_channels=1, stem_channels=2, base_channels=1, out_indices=(3,), **kwargs)
        model.double().eval()
        for module in model.modules():
            if isinstance(module, nn.Conv2d):  # positive weights: no two paths cancel
                nn.init.constant_(module.weight, 1 / module.weight[0].numel())
        model.maxpool = nn.AvgPool2d(3, 2, 1)  # a maximum passes the gradient to one of its nine pixels only
        x = torch.ones(1, 1, 1441, 9, dtype=torch.float64, requires_grad=True)
        out, = model(x)
        out[0, 0, out.shape[2] // 2, 0].backward()
        rows = x.grad[0, 0].any(1).nonzero().flatten()
        assert rows[-1] - rows[0] + 1 == field
        assert 0 < rows[0] and rows[-1] < 1440, 'the image is too small to see the whole field'


class TestOneKnob:

    @pytest.mark.parametrize('size', [(129, 128), (65, 97)])
    @pytest.mark.parametrize('cls,kwargs', [
        (ResNet, dict(depth=18)), (ResNetV1c, dict(depth=50)), (ResNetV1c, dict(depth=50, multi_grid=(1, 2, 4))),
        (ResNet, dict(depth=50, style='caffe'))])
    def test_a_finer_grid_holds_the_coarser_one(self, size, cls, kwargs):
        x = torch.randn(1, 3, *size, dtype=torch.float64)
        outs = {}
        with torch.no_grad():
            for stride in (8, 16, 32):
                outs[stride] = tiny(cls, output_stride=stride, **kwargs).double().eval()(x)[-1]
        for fine in (8, 16) if 'multi_grid' not in kwargs else (8,):
            coarse = outs[2 * fine]
            assert outs[fine].shape[-2:] == torch.Size(-(-n // fine) for n in size)
            error = (outs[fine][..., ::2, ::2] - coarse).abs().max() / coarse.abs().max()
            assert error < 1e-13

    @pytest.mark.parametrize('cls', VARIANTS)
    @pytest.mark.parametrize('kwargs', [dict(), dict(multi_grid=(1, 2, 4)), dict(style='caffe')])
    def test_setting_it_later_is_building_with_it(self, cls, kwargs):
        built = {stride: on_meta(cls, 50, output_stride=stride, **kwargs) for stride in (8, 16)}
        model = on_meta(cls, 50, output_stride=16, **kwargs)
        for stride in (8, 16, 8):
            model.set_output_stride(stride)
            assert (repr(model), model.output_stride) == (repr(built[stride]), stride)

    def test_setting_it_keeps_the_function_of_an_mmsegmentation_model(self):
        model = tiny(ResNetV1c, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2), multi_grid=(1, 2, 4)).double().eval()
        x = torch.randn(1, 3, 97, 97, dtype=torch.float64)
        with torch.no_grad():
            before = model(x)[-1]
            model.set_output_stride(8)
            after = model(x)[-1]
        assert [r for r, in rates(model)[3]] == [2, 4, 8]
        torch.testing.assert_close(after[..., ::2, ::2], before)

    def test_a_rate_that_has_no_equal_is_refused_and_nothing_changes(self):
        model = on_meta(ResNet, 18, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))
        before = rates(model)
        with pytest.raises(ConfigError, match='output_stride=32'):
            model.set_output_stride(32)
        assert rates(model) == before and model.output_stride == 8

    def test_stride_place_changes_the_function_not_the_weights(self):
        x = torch.randn(1, 3, 33, 33)
        models = [tiny(style=style).eval() for style in ('pytorch', 'caffe')]
        assert models[0].state_dict().keys() == models[1].state_dict().keys()
        assert models[1].layer2[0].conv1.stride == (2, 2) and models[1].layer2[0].conv2.stride == (1, 1)
        a, b = (model(x)[-1] for model in models)
        assert a.shape == b.shape and not torch.allclose(a, b, rtol=0.1)


class TestTraining:

    @pytest.mark.parametrize('cls', VARIANTS)
    @pytest.mark.parametrize('depth', [18, 50])
    def test_gradients_reach_every_parameter(self, cls, depth):
        model = tiny(cls, depth, output_stride=8)
        sum(out.square().mean() for out in model(torch.randn(2, 3, 33, 41))).backward()
        assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]

    @pytest.mark.parametrize('cls', VARIANTS)
    def test_frozen_stages_neither_learn_nor_count(self, cls):
        model = tiny(cls, frozen_stages=2).train()
        before = {k: v.clone() for k, v in model.state_dict().items()}
        sum(out.square().mean() for out in model(torch.randn(2, 3, 65, 65))).backward()
        torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1).step()
        for key, value in model.state_dict().items():
            frozen = key.startswith(('stem', 'conv1', 'bn1', 'layer1', 'layer2'))
            assert torch.equal(value, before[key]) == frozen, key

    def test_frozen_stem_alone(self):
        model = tiny(frozen_stages=0).train()
        assert not model.conv1.weight.requires_grad and not model.bn1.training
        assert model.layer1[0].conv1.weight.requires_grad and model.layer1[0].bn1.training

    def test_norm_eval_keeps_the_statistics_and_trains_the_rest(self):
        model = tiny(norm_eval=True).train()
        before = {k: v.clone() for k, v in model.state_dict().items()}
        sum(out.square().mean() for out in model(torch.randn(1, 3, 33, 33))).backward()
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
        assert model.bn1.weight.grad.any() and model.training and model.layer1.training

    @pytest.mark.parametrize('depth', [18, 50])
    def test_computing_again_changes_memory_alone(self, depth):
        x = torch.randn(2, 3, 33, 33)
        results = []
        for with_cp in (False, True):
            model = tiny(depth=depth, with_cp=with_cp).train()
            sum(out.square().mean() for out in model(x)).backward()
            results.append(({k: p.grad for k, p in model.named_parameters()}, dict(model.named_buffers())))
        for plain, again in zip(*results):
            for key in plain:
                torch.testing.assert_close(again[key], plain[key], rtol=0, atol=0, msg=key)


class TestArguments:

    def test_built_by_name(self):
        model = BACKBONES.build(dict(type='ResNetV1c', depth=18, output_stride=16, out_indices=(1, 3), in_channels=4,
                                     base_channels=8, stem_channels=8))
        assert model.out_channels == (16, 64)
        assert [tuple(out.shape) for out in model(torch.zeros(2, 4, 64, 96))] == [(2, 16, 8, 12), (2, 64, 4, 6)]

    def test_fewer_stages(self):
        model = on_meta(ResNet, 50, num_stages=3, out_indices=(0, 2), output_stride=8, multi_grid=(1,) * 6)
        assert (model.out_channels, model.output_stride) == ((256, 1024), 8)
        assert not hasattr(model, 'layer4')
        assert rates(model)[2] == [(2,)] * 6

    @pytest.mark.parametrize('kwargs,words', [
        (dict(depth=20), '18, 34, 50, 101, 152'),
        (dict(depth=50, output_stride=8, dilations=(1, 1, 2, 4)), 'output_stride=8.*\n.*Keep either'),
        (dict(depth=50, output_stride=4), '8, 16 or 32'),
        (dict(depth=50, strides=(1, 2, 1)), 'each of the 4 stages'),
        (dict(depth=50, multi_grid=(1, 2)), 'each of the 3 blocks'),
        (dict(depth=50, style='tf'), "'pytorch' or 'caffe' or 'slim'"),
        (dict(depth=34, style='slim'), "needs bottlenecks, which depth=34 has not"),
        (dict(depth=50, num_stages=5), '1 to 4'),
        (dict(depth=50, num_stages=2), '0 to 1'),
        (dict(depth=50, frozen_stages=5), '-1 to 4'),
        (dict(depth=50, pretrained='x.pth', init_cfg=dict(type='Pretrained')), 'drop model.backbone.pretrained'),
    ])
    def test_what_cannot_be_is_refused(self, kwargs, words):
        with pytest.raises(ConfigError, match=words):
            on_meta(ResNet, **kwargs)
