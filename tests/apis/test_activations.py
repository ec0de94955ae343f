"""activations.py: what modules give, and Seg-Grad-CAM against its formula and finite differences."""
import pytest
import torch

from segkit import ops
from segkit.apis.activations import class_index, layer_name, scores_and_maps, seg_grad_cam
from segkit.errors import ConfigError
from segkit.registry import MODELS


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MODELS.build(dict(
        type='EncoderDecoder', num_classes=3, norm_cfg=dict(type='BN'),
        backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, output_stride=8),
        decode_head=dict(type='FCNHead', in_index=3, channels=64, num_convs=0, concat_input=False, dropout_ratio=0.),
        auxiliary_head=dict(type='FCNHead', in_index=2, channels=8, num_convs=1, concat_input=False))).double().eval()


@pytest.fixture
def inputs():
    return torch.randn(1, 3, 40, 56, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_maps_are_what_the_modules_give(model, inputs):
    scores, maps = scores_and_maps(model, inputs, ['backbone', 'backbone.layer2', 'backbone.bn1'])
    with torch.no_grad():
        feats = model.backbone(inputs)
        stem = model.backbone.bn1(model.backbone.conv1(inputs))  # before the ReLU that works in place
        expected = ops.resize_logits(model.decode_head(feats), (40, 56))[0]
    torch.testing.assert_close(scores, expected)
    torch.testing.assert_close(maps['backbone'], feats[-1][0])
    torch.testing.assert_close(maps['backbone.layer2'], feats[1][0])
    torch.testing.assert_close(maps['backbone.bn1'], stem[0])
    assert (maps['backbone.bn1'] < 0).any()


@pytest.mark.parametrize('whole', [False, True])
def test_behind_a_linear_head_the_cam_is_the_class_s_score(model, inputs, whole):
    # Each resized score is a mean of scores whose weights add up to 1, so the weight of channel k is w_k |M| / (h w).
    scores, maps = scores_and_maps(model, inputs, ['backbone.layer4'])
    for target in range(3):
        found, pixels = seg_grad_cam(model, inputs, ['backbone.layer4'], target, whole)
        count = int((scores.argmax(0) == target).sum())
        assert pixels == (40 * 56 if whole or count == 0 else count)
        weight = model.decode_head.conv_seg.weight[target, :, 0, 0].detach()
        linear = torch.einsum('k,khw->hw', weight, maps['backbone.layer4'])
        torch.testing.assert_close(found['backbone.layer4'], (linear * pixels / linear.numel()).clamp(min=0))


def test_an_early_layer_against_finite_differences(model, inputs):
    name, step = 'backbone.layer2', 1e-6
    _, maps = scores_and_maps(model, inputs, [name])

    def sums(channel, shift):
        """The sum of each class's scores, (3,), where a channel of the layer is shifted."""
        def hook(module, given, output):
            output[:, channel] += shift
        handle = model.backbone.layer2.register_forward_hook(hook)
        scores, _ = scores_and_maps(model, inputs, [])
        handle.remove()
        return scores.sum(dim=(1, 2))

    slopes = [(sums(k, step) - sums(k, -step)) / (2 * step) for k in range(len(maps[name]))]
    weights = torch.stack(slopes) / maps[name][0].numel()  # the mean of the gradient over the positions
    largest = 0.0
    for target in range(3):
        found, _ = seg_grad_cam(model, inputs, [name, 'backbone.layer4'], target, whole=True)
        expected = torch.einsum('k,khw->hw', weights[:, target], maps[name]).clamp(min=0)
        torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-7)
        largest = max(largest, float(expected.max()))
    assert largest > 1e-3


def test_parameters_learn_afterwards_as_before(model, inputs):
    model.backbone.conv1.weight.requires_grad_(False)
    before = [p.requires_grad for p in model.parameters()]
    seg_grad_cam(model, inputs, ['backbone'], 0)
    assert [p.requires_grad for p in model.parameters()] == before
    assert all(p.grad is None for p in model.parameters())
    assert not model.backbone._forward_hooks


def test_names(model):
    assert layer_name(model, 'backbone.layer4[1]') == 'backbone.layer4.1'
    assert class_index(('a', 'b c', '0'), 'b c') == 1 and class_index(('a', 'b'), '1') == 1
    assert class_index(('a', 'b', '0'), '0') == 2


@pytest.mark.parametrize('name, words', [
    ('backbone.layr4', 'Nearest: backbone.layer4'), ('decode_head.bottleneck', r'In decode_head: .*conv_seg'),
    ('backbone.layer4[9]', r'In backbone\.layer4: 0, 1\.')])
def test_unknown_layers(model, name, words):
    with pytest.raises(ConfigError, match=words):
        layer_name(model, name)


def test_layers_without_a_map(model, inputs):
    with pytest.raises(ConfigError, match='auxiliary_head.conv_seg: it does not run in a prediction'):
        scores_and_maps(model, inputs, ['auxiliary_head.conv_seg'])
    model.backbone.pool = torch.nn.Flatten()

    def flatten(module, given, output):
        module.pool(output[-1])
    model.backbone.register_forward_hook(flatten)
    with pytest.raises(ConfigError, match='backbone.pool: Flatten gives a tensor of 2 dimensions'):
        scores_and_maps(model, inputs, ['backbone.pool'])


def test_unknown_classes():
    with pytest.raises(ConfigError, match='Nearest: person'):
        class_index(('dog', 'person'), 'persn')
    with pytest.raises(ConfigError, match='It knows: 0 dog'):
        class_index(('dog', ), '1')
