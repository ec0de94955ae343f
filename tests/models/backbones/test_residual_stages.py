"""The places of a stage's stride, in ResNet and ResNetV2: strides, rates and equal functions."""
import pytest
import torch
from torch import nn

from segkit.models.backbones.resnet import ResNet, ResNetV1c
from segkit.models.backbones.resnet_v2 import ResNetV2

PLACES = [(ResNet, 'pytorch'), (ResNet, 'caffe'), (ResNet, 'slim'), (ResNetV2, 'pytorch'), (ResNetV2, 'slim')]


def tiny(cls: type = ResNet, **kwargs) -> nn.Module:
    """A network of few channels in float64 whose batch norms are no identity."""
    torch.manual_seed(0)
    model = cls(50, base_channels=4, stem_channels=8, **kwargs)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
    return model.double().eval()


def on_meta(cls: type = ResNet, **kwargs) -> nn.Module:
    with torch.device('meta'):
        return cls(50, **kwargs)


def rates(model: nn.Module) -> list[list[int]]:
    return [[rate for block in stage for rate in block.rates] for stage in model.stages]


def strided(model: nn.Module) -> list[str]:
    return [name for name, conv in model.named_modules()
            if isinstance(conv, nn.Conv2d) and conv.stride == (2, 2) and name.startswith('layer')]


@pytest.mark.parametrize('kwargs,last_two', [
    (dict(), [[1] * 6, [1] * 3]),
    (dict(output_stride=32), [[1] * 6, [1] * 3]),
    (dict(output_stride=16), [[1] * 6, [2] * 3]),
    (dict(output_stride=8), [[2] * 6, [4] * 3]),
    (dict(output_stride=16, multi_grid=(1, 2, 4)), [[1] * 6, [2, 4, 8]]),
    (dict(output_stride=8, multi_grid=(1, 2, 4)), [[2] * 6, [4, 8, 16]]),
    (dict(output_stride=8, contract_dilation=True), [[1, 2, 2, 2, 2, 2], [2, 4, 4]]),
    # MMSegmentation's fields: the grid replaces the rate
    (dict(strides=(2, 2, 1, 1), dilations=(1, 1, 1, 2)), [[1] * 6, [2] * 3]),
    (dict(strides=(2, 2, 1, 1), dilations=(1, 1, 1, 2), multi_grid=(2, 4, 8)), [[1] * 6, [2, 4, 8]]),
])
@pytest.mark.parametrize('cls', [ResNet, ResNetV2])
def test_rates_with_the_stride_in_the_last_block(cls, kwargs, last_two):
    assert rates(on_meta(cls, style='slim', **kwargs)) == [[1] * 3, [1] * 4, *last_two]


@pytest.mark.parametrize('cls,style,names', [
    (ResNet, 'pytorch', ['layer2.0.conv2', 'layer2.0.downsample.0', 'layer3.0.conv2', 'layer3.0.downsample.0']),
    (ResNet, 'caffe', ['layer2.0.conv1', 'layer2.0.downsample.0', 'layer3.0.conv1', 'layer3.0.downsample.0']),
    (ResNet, 'slim', ['layer1.2.conv2', 'layer2.3.conv2']),
    (ResNetV2, 'pytorch', ['layer2.0.conv2', 'layer2.0.downsample.0', 'layer3.0.conv2', 'layer3.0.downsample.0']),
    (ResNetV2, 'slim', ['layer1.2.conv2', 'layer2.3.conv2'])])
def test_where_the_strides_are(cls, style, names):
    model = on_meta(cls, style=style, output_stride=16)
    assert sorted(strided(model)) == sorted(names)
    skips = [name for name, m in model.named_modules() if getattr(m, 'skip_stride', 1) != 1]
    assert skips == (['layer1.2', 'layer2.3'] if style == 'slim' else [])


@pytest.mark.parametrize('cls,style', PLACES)
@pytest.mark.parametrize('stride,first,slim', [
    (8, [4, 8, 8, 8], [8, 8, 8, 8]), (16, [4, 8, 16, 16], [8, 16, 16, 16]), (32, [4, 8, 16, 32], [8, 16, 32, 32])])
def test_strides_reached_at_each_stage(cls, style, stride, first, slim):
    outs = on_meta(cls, style=style, output_stride=stride)(torch.empty(1, 3, 256, 512, device='meta'))
    expected = slim if style == 'slim' else first
    assert [(256 / out.shape[2], 512 / out.shape[3]) for out in outs] == [(s, s) for s in expected]


@pytest.mark.parametrize('stride,size,out', [(8, 480, 60), (8, 512, 64), (8, 513, 65), (8, 520, 65), (8, 769, 97),
                                             (16, 512, 32), (16, 513, 33)])
@pytest.mark.parametrize('cls,style', PLACES)
def test_published_sizes(stride, size, out, cls, style):
    model = on_meta(cls, output_stride=stride, style=style)
    assert model(torch.empty(1, 3, size, size, device='meta'))[-1].shape == (1, 2048, out, out)


@pytest.mark.parametrize('size,out', [(321, 41), (240, 31), (241, 31), (160, 21), (161, 21), (505, 64), (513, 65)])
def test_sizes_of_deeplabv2(size, out):
    model = on_meta(output_stride=8, style='caffe', ceil_mode=True)
    assert model(torch.empty(1, 3, size, size, device='meta'))[-1].shape == (1, 2048, out, out)


@pytest.mark.parametrize('size', [(33, 65), (32, 64)])
def test_pooling_that_rounds_up_changes_even_grids_alone(size):
    x = torch.randn(1, 3, *size, dtype=torch.float64)
    plain, up = (tiny(ceil_mode=ceil_mode, out_indices=(0,))(x)[0] for ceil_mode in (False, True))
    h, w = plain.shape[-2:]
    even = (size[0] + 1) // 2 % 2 == 0
    assert up.shape[-2:] == ((h + 1, w + 1) if even else (h, w))
    border = 3 * even  # the stage's three 3x3 convolutions carry the new row and column so far
    torch.testing.assert_close(up[..., :h - border, :w - border], plain[..., :h - border, :w - border])


@pytest.mark.parametrize('cls', [ResNet, ResNetV2])
def test_the_places_share_weights_but_not_the_function(cls):
    styles = [style for kind, style in PLACES if kind is cls]
    models = [tiny(cls, style=style) for style in styles]
    first, *others = ({k: v.shape for k, v in model.state_dict().items()} for model in models)
    assert all(other == first for other in others)
    x = torch.randn(1, 3, 65, 65, dtype=torch.float64)
    with torch.no_grad():
        first, *others = (model(x)[-1] for model in models)
    for other in others:
        assert other.shape == first.shape
        assert (other - first).abs().max() > 0.01 * first.abs().max()


@pytest.mark.parametrize('size', [(65, 97), (64, 90)])
@pytest.mark.parametrize('kwargs,subsampled', [
    (dict(), [2, 2, 2, 1]), (dict(output_stride=16, multi_grid=(1, 2, 4)), [2, 2, 1, 1]),
    (dict(output_stride=8), [2, 1, 1, 1])])
def test_slim_computes_what_caffe_does_on_fewer_pixels(size, kwargs, subsampled):
    # Behind the last 3x3 of a stage all is pointwise up to the 1x1 that has the stride in 'caffe', so that it may as
    # well sit on that 3x3. Only the outputs in between have other strides.
    x = torch.randn(1, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        caffe, slim = (tiny(style=style, **kwargs)(x) for style in ('caffe', 'slim'))
    for theirs, ours, step in zip(caffe, slim, subsampled, strict=True):
        torch.testing.assert_close(ours, theirs[..., ::step, ::step], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize('size', [(129, 128), (65, 97)])
@pytest.mark.parametrize('multi_grid', [None, (1, 2, 4)])
@pytest.mark.parametrize('cls,style', PLACES)
def test_a_finer_grid_holds_the_coarser_one(size, cls, style, multi_grid):
    x = torch.randn(1, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        outs = {s: tiny(cls, output_stride=s, style=style, multi_grid=multi_grid)(x)[-1] for s in (8, 16, 32)}
    # With a grid, a first block with its stride at stride 32 reads another grid than without; in the last block the
    # stride is behind every rate of the last stage.
    for fine in (8, 16) if multi_grid is None or style != 'pytorch' else (8,):
        coarse = outs[2 * fine]
        assert outs[fine].shape[-2:] == torch.Size(-(-n // fine) for n in size)
        assert (outs[fine][..., ::2, ::2] - coarse).abs().max() / coarse.abs().max() < 1e-13


@pytest.mark.parametrize('kwargs', [dict(), dict(multi_grid=(1, 2, 4))])
@pytest.mark.parametrize('cls,style', [*PLACES, (ResNetV1c, 'slim')])
def test_setting_the_stride_later_is_building_with_it(cls, style, kwargs):
    built = {stride: on_meta(cls, output_stride=stride, style=style, **kwargs) for stride in (8, 16, 32)}
    model = on_meta(cls, output_stride=16, style=style, **kwargs)
    for stride in (8, 16, 32, 8) if style == 'slim' else (8, 16, 8):
        model.set_output_stride(stride)
        assert (repr(model), model.output_stride) == (repr(built[stride]), stride)


@pytest.mark.parametrize('cls', [ResNet, ResNetV2])
def test_skipping_pixels_is_pooling_over_one(cls):
    block = tiny(cls, style='slim').layer1[2]
    x = torch.randn(1, 16, 9, 12, dtype=torch.float64)
    assert torch.equal(block.shortcut(x), nn.functional.max_pool2d(x, 1, 2))
    block.set_stride(1)
    assert torch.equal(block.shortcut(x), x)


@pytest.mark.parametrize('cls', [ResNet, ResNetV2])
def test_slim_learns_and_computes_again_alike(cls):
    x = torch.randn(2, 3, 33, 33, dtype=torch.float64)
    results = []
    for with_cp in (False, True):
        model = tiny(cls, style='slim', output_stride=16, multi_grid=(1, 2, 4), with_cp=with_cp).train()
        sum(out.square().mean() for out in model(x)).backward()
        results.append(({k: p.grad for k, p in model.named_parameters()}, dict(model.named_buffers())))
    assert all(grad is not None and grad.any() for grad in results[0][0].values())
    for plain, again in zip(*results):
        for key in plain:
            torch.testing.assert_close(again[key], plain[key], rtol=0, atol=0, msg=key)
