import pytest
import torch
from torch import nn

from segkit.errors import ConfigError
from segkit.models.decode_heads.deeplab_v2_head import DeepLabV2Head


@pytest.mark.parametrize('more, wanted', [({}, 1_548_372), (dict(dilations=(12,)), 387_093)])
def test_parameter_counts(more, wanted):
    with torch.device('meta'):
        head = DeepLabV2Head(2048, num_classes=21, **more)
    assert sum(p.numel() for p in head.parameters()) == wanted
    branches = range(len(more.get('dilations', (6, 12, 18, 24))))
    assert {key: tuple(value.shape) for key, value in head.state_dict().items()} == {
        f'conv_seg.{i}.{part}': shape for i in branches
        for part, shape in (('weight', (21, 2048, 3, 3)), ('bias', (21,)))}


def by_hand(head: DeepLabV2Head, x: torch.Tensor) -> torch.Tensor:
    """Each pixel's score as the sum over branches and the nine pixels at the branch's rate; outside the map is 0."""
    n, _, height, width = x.shape
    out = torch.zeros(n, head.num_classes, height, width, dtype=x.dtype)
    for conv, rate in zip(head.conv_seg, head.dilations):
        out += conv.bias[:, None, None]
        for i in range(3):
            for j in range(3):
                dy, dx = (i - 1) * rate, (j - 1) * rate
                for y in range(max(0, -dy), min(height, height - dy)):
                    for column in range(max(0, -dx), min(width, width - dx)):
                        out[:, :, y, column] += x[:, :, y + dy, column + dx] @ conv.weight[:, :, i, j].T
    return out


def test_scores_are_the_sum_of_the_branches():
    head = DeepLabV2Head(3, num_classes=4, dilations=(1, 2, 5)).double()
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(2, 3, 7, 9, dtype=torch.float64)
    torch.testing.assert_close(head((torch.randn(2, 1, 3, 3), x)), by_hand(head, x))


def test_start_of_the_weights():
    head = DeepLabV2Head(256, num_classes=21)
    head.init_weights()
    for conv in head.conv_seg:
        assert conv.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert abs(conv.weight.mean().item()) < 2e-4 and not conv.bias.any()


def test_every_branch_learns():
    head = DeepLabV2Head(6, num_classes=21)
    losses = head.loss((torch.randn(2, 6, 9, 7),), torch.randint(0, 21, (2, 65, 49)))
    assert losses.keys() == {'loss_ce', 'acc_seg'}
    losses['loss_ce'].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


def test_rates_follow_the_output_stride():
    assert DeepLabV2Head.dilations_at(8) == (6, 12, 18, 24)
    assert DeepLabV2Head.dilations_at(16) == (3, 6, 9, 12)
    with pytest.raises(ConfigError, match='output_stride=32.*\n.*model.decode_head.dilations'):
        DeepLabV2Head.dilations_at(32)


def test_set_dilations_keeps_the_weights():
    head, other = (DeepLabV2Head(2, num_classes=3, dilations=d) for d in ((6, 12), (3, 6)))
    other.load_state_dict(head.state_dict())
    x = (torch.randn(1, 2, 15, 17),)
    before = head(x)
    head.set_dilations((3, 6))
    assert head.dilations == (3, 6) and torch.equal(head(x), other(x)) and not torch.equal(head(x), before)
    with pytest.raises(ConfigError, match='number must be the same'):
        head.check_dilations((3, 6, 9))


@pytest.mark.parametrize('dilations', [(), (0, 6)])
def test_rates_that_cannot_be(dilations):
    with pytest.raises(ConfigError, match='at least one rate'):
        DeepLabV2Head(2, num_classes=3, dilations=dilations)


@pytest.mark.parametrize('key', ['channels', 'norm_cfg', 'act_cfg', 'conv_cfg', 'dropout_ratio'])
def test_takes_nothing_that_it_would_not_read(key):
    with pytest.raises(TypeError, match=key):
        DeepLabV2Head(2, num_classes=3, **{key: None})
