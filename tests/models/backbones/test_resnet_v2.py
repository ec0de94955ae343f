"""ResNetV2: weights, an independent computation of its function, and what stays frozen."""
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from segkit.errors import ConfigError
from segkit.models.backbones.resnet_v2 import ResNetV2
from segkit.registry import BACKBONES

BLOCKS = (3, 4, 6, 3)


def tiny(**kwargs) -> ResNetV2:
    """A network of few channels whose batch norms are no identity."""
    torch.manual_seed(kwargs.pop('seed', 0))
    model = ResNetV2(50, base_channels=4, stem_channels=8, **kwargs)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.2, 0.2)
    return model


def reference(w: dict[str, Tensor], x: Tensor, strided: dict[str, int], rates: dict[str, int]) -> list[Tensor]:
    """The network from its weights alone.

    Args:
        w: The state dict.
        x: (N, 3, H, W).
        strided: Block ('1.2' is stage 1, block 2) -> stride of its 3x3 and of its shortcut.
        rates: Block -> rate of its 3x3.

    Returns:
        Each stage's sum, and behind them the last one normalised and rectified.
    """

    def norm(name: str, x: Tensor) -> Tensor:
        x = (x - w[f'{name}.running_mean'][:, None, None]) / (w[f'{name}.running_var'] + 1e-5).sqrt()[:, None, None]
        if f'{name}.weight' in w:
            x = x * w[f'{name}.weight'][:, None, None] + w[f'{name}.bias'][:, None, None]
        return x

    x = F.conv2d(norm('bn_data', x), w['conv1.weight'], stride=2, padding=3)
    x = F.max_pool2d(norm('bn1', x).relu(), 3, 2, 1)
    outs = []
    for stage, count in enumerate(BLOCKS, start=1):
        for i in range(count):
            at, stride, rate = f'layer{stage}.{i}', strided.get(f'{stage}.{i}', 1), rates.get(f'{stage}.{i}', 1)
            y = norm(f'{at}.bn1', x).relu()
            if f'{at}.downsample.0.weight' in w:
                x = F.conv2d(y, w[f'{at}.downsample.0.weight'], stride=stride)
            else:
                x = F.max_pool2d(x, 1, stride)
            y = F.conv2d(y, w[f'{at}.conv1.weight'])
            y = F.conv2d(norm(f'{at}.bn2', y).relu(), w[f'{at}.conv2.weight'], stride=stride, padding=rate,
                         dilation=rate)
            x = x + F.conv2d(norm(f'{at}.bn3', y).relu(), w[f'{at}.conv3.weight'])
        outs.append(x)
    return [*outs, norm('bn_last', x).relu()]


@pytest.mark.parametrize('depth,count', [(50, 23_500_480), (101, 42_492_608)])
@pytest.mark.parametrize('stride', [None, 8, 16])
def test_parameter_counts(depth, count, stride):
    with torch.device('meta'):
        model = ResNetV2(depth, output_stride=stride)
    assert sum(p.numel() for p in model.parameters()) == count


@pytest.mark.parametrize('kwargs,strided,rates', [
    (dict(), {'1.2': 2, '2.3': 2, '3.5': 2}, {}),
    (dict(style='pytorch'), {'2.0': 2, '3.0': 2, '4.0': 2}, {}),
    (dict(output_stride=16, multi_grid=(1, 2, 4)), {'1.2': 2, '2.3': 2}, {'4.0': 2, '4.1': 4, '4.2': 8}),
    (dict(output_stride=8, multi_grid=(1, 2, 4)), {'1.2': 2},
     {**{f'3.{i}': 2 for i in range(6)}, '4.0': 4, '4.1': 8, '4.2': 16}),
    (dict(strides=(2, 2, 1, 1), dilations=(1, 1, 1, 2), multi_grid=(2, 4, 8)), {'1.2': 2, '2.3': 2},
     {'4.0': 2, '4.1': 4, '4.2': 8}),
])
def test_equal_to_a_computation_from_the_weights_alone(kwargs, strided, rates):
    model = tiny(**kwargs).double().eval()
    x = torch.randn(2, 3, 65, 49, dtype=torch.float64)
    with torch.no_grad():
        expected = reference(model.state_dict(), x, strided, rates)
        outs = model(x)
    for out, wanted in zip(outs, [*expected[:3], expected[4]], strict=True):
        torch.testing.assert_close(out, wanted)


def test_earlier_stages_are_plain_sums():
    model = tiny().double().eval()
    x = torch.randn(1, 3, 65, 65, dtype=torch.float64)
    with torch.no_grad():
        every = model(x)
        model.out_indices = (0, 2)
        some = model(x)
    assert len(some) == 2 and torch.equal(some[0], every[0]) and torch.equal(some[1], every[2])
    assert some[1].min() < 0 <= every[3].min()


def test_the_names_that_a_checkpoint_has():
    norms = {'weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'}
    expected = {f'bn_data.{name}' for name in norms - {'weight', 'bias'}} | {'conv1.weight'}
    expected |= {f'{norm}.{name}' for norm in ('bn1', 'bn_last') for name in norms}
    for stage, count in enumerate(BLOCKS, start=1):
        expected.add(f'layer{stage}.0.downsample.0.weight')
        for i in range(count):
            expected |= {f'layer{stage}.{i}.conv{k}.weight' for k in (1, 2, 3)}
            expected |= {f'layer{stage}.{i}.bn{k}.{name}' for k in (1, 2, 3) for name in norms}
    assert set(tiny().state_dict()) == expected
    assert set(tiny(norm_cfg=dict(type='SyncBN', requires_grad=True)).state_dict()) == expected


def test_random_start():
    model = tiny()
    model.init_weights()
    assert (model.layer1[0].bn1.weight == 1).all() and not model.bn_last.bias.any()
    assert model.layer4[0].conv2.weight.std().item() == pytest.approx((2 / (32 * 9))**0.5, rel=0.05)


@pytest.mark.parametrize('frozen', [0, 2, 4])
def test_frozen_stages_neither_learn_nor_count(frozen):
    model = tiny(frozen_stages=frozen, norm_cfg=dict(type='SyncBN')).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    img = torch.randn(2, 3, 65, 65, requires_grad=True)
    sum(out.square().mean() for out in model(img)).backward()
    learning = [p for p in model.parameters() if p.requires_grad]
    if learning:
        torch.optim.SGD(learning, lr=0.1, weight_decay=0.1).step()
    still = ('conv1', 'bn1', 'bn_data', *(f'layer{i}' for i in range(1, frozen + 1))) + ('bn_last',) * (frozen == 4)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]) == key.startswith(still), key


def test_norm_eval_keeps_the_statistics_and_trains_the_rest():
    model = tiny(norm_eval=True).train()
    before = {k: v.clone() for k, v in model.named_buffers()}
    sum(out.square().mean() for out in model(torch.randn(2, 3, 33, 33))).backward()
    assert all(torch.equal(v, before[k]) for k, v in model.named_buffers())
    assert all(p.grad is not None and p.grad.any() for p in model.parameters()) and model.layer1.training


def test_built_by_name():
    model = BACKBONES.build(dict(type='ResNetV2', depth=50, output_stride=8, out_indices=(2, 3), in_channels=4,
                                 base_channels=8, stem_channels=8, norm_cfg=dict(type='SyncBN', momentum=0.0003)))
    assert (model.out_channels, model.output_stride) == ((128, 256), 8)
    assert (model.bn_data.momentum, model.bn_data.affine, model.bn_last.momentum) == (0.0003, False, 0.0003)
    assert [tuple(out.shape) for out in model.eval()(torch.zeros(2, 4, 64, 96))] == [(2, 128, 8, 12), (2, 256, 8, 12)]


def test_fewer_stages():
    model = tiny(num_stages=3, out_indices=(2,), output_stride=8).eval()
    out, = model(torch.randn(1, 3, 33, 33))
    assert out.shape == (1, 64, 5, 5) and out.min() >= 0 and model.unbuilt == ('layer4.',)


@pytest.mark.parametrize('kwargs,words', [
    (dict(depth=34), '50, 101, 152'),
    (dict(depth=50, style='caffe'), "'slim' or 'pytorch'"),
    (dict(depth=50, norm_cfg=dict(type='GN', num_groups=8)), "'GN'.*\n.*dict"),
    (dict(depth=50, output_stride=8, strides=(2, 1, 1, 1)), 'Keep either'),
    (dict(depth=50, multi_grid=(1, 2)), 'each of the 3 blocks'),
])
def test_what_cannot_be_is_refused(kwargs, words):
    with pytest.raises(ConfigError, match=words), torch.device('meta'):
        ResNetV2(**kwargs)
