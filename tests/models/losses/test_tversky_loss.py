import pytest
import torch

from segkit.errors import ConfigError
from segkit.registry import LOSSES

WEIGHT = [0.5, 1., 2., 0.1, 3.]


@pytest.mark.parametrize('name, cfg', [
    ('plain', dict()),
    ('other', dict(alpha=0.6, beta=0.4, smooth=0.1)),
    ('weighted', dict(class_weight=WEIGHT, loss_weight=0.4)),
])
def test_the_numbers_are_mmsegmentations(is_theirs, name, cfg):
    is_theirs('tversky_' + name, 'TverskyLoss', cfg)


def test_a_class_that_is_void_has_no_term(is_theirs):
    is_theirs('tversky_void_0', 'TverskyLoss', dict(ignore_index=0), relabel=lambda t: t.where(t != 255, 0 * t))


@pytest.mark.parametrize('cfg', [dict(), dict(smooth=0.)])
def test_what_every_loss_keeps(holds, cfg):
    holds('TverskyLoss', **cfg)


def test_counts_by_hand():
    # Class 0: shares 0.5 and 0.5, one pixel of it; class 1 likewise: T = (0.5 + s) / (0.5 + a * 0.5 + b * 0.5 + s).
    loss = LOSSES.build(dict(type='TverskyLoss', smooth=0.25, alpha=0.2, beta=0.8))
    labels = torch.tensor([[[0, 1, 255]]])
    assert loss(torch.zeros(1, 2, 1, 3), labels).item() == pytest.approx(1 - 0.75 / 1.25)
    surest = torch.tensor([[0., 90., 0.], [90., 0., 90.]]).view(1, 2, 1, 3)  # both wrong
    assert loss(surest, labels).item() == pytest.approx(1 - 0.25 / (0.2 + 0.8 + 0.25))


def test_half_a_million_pixels_keep_their_digits():
    labels = torch.zeros(1, 700, 700, dtype=torch.long)
    labels[:, 0] = 1
    logits = torch.full((1, 2, 1, 1), 0.1)
    logits[:, 1] = -0.37
    loss = LOSSES.build(dict(type='TverskyLoss'))
    torch.testing.assert_close(loss(logits, labels), loss(logits.double(), labels).float(), rtol=1e-6, atol=0)


@pytest.mark.parametrize('cfg, message', [
    (dict(alpha=0.5), r'alpha \+ beta must be 1; got 0.5 \+ 0.7'), (dict(smooth=-1.), 'smooth')])
def test_refusals(cfg, message):
    with pytest.raises(ConfigError, match=message):
        LOSSES.build(dict(type='TverskyLoss', **cfg))
    with pytest.raises(ConfigError, match='out_channels=1'):
        LOSSES.build(dict(type='TverskyLoss')).check_channels(1)
