import pytest
import torch
import torch.nn.functional as F

from segkit.errors import ConfigError
from segkit.registry import LOSSES

WEIGHT = [0.5, 1., 2., 0.1, 3.]


# MMSegmentation's module stops on a CPU for label maps. Recorded is its function for single numbers, with the one-hot
# targets and the mask of valid pixels that its CUDA path makes of them.
@pytest.mark.parametrize('name, cfg', [
    ('plain', dict()),
    ('gamma', dict(gamma=0.5, alpha=0.25)),
    ('alphas', dict(alpha=[0.1, 0.2, 0.5, 0.7, 0.9])),
    ('sum', dict(reduction='sum')),
    ('none', dict(reduction='none')),
    ('weighted', dict(class_weight=WEIGHT, loss_weight=0.4)),
])
def test_the_numbers_are_mmsegmentations(is_theirs, name, cfg):
    is_theirs('focal_' + name, 'FocalLoss', cfg)


def test_one_channel_is_class_1(is_theirs):
    is_theirs('focal_binary', 'FocalLoss', dict(alpha=0.75), num_channels=1)


def test_without_void_it_is_their_module(is_theirs):
    is_theirs('focal_module', 'FocalLoss', dict(alpha=0.25), void=0)


@pytest.mark.parametrize('num_channels, cfg', [(5, dict(alpha=[0.1, 0.2, 0.5, 0.7, 0.9])), (1, dict(gamma=1.))])
def test_what_every_loss_keeps(holds, num_channels, cfg):
    holds('FocalLoss', num_channels, **cfg)


def test_without_focus_it_is_half_the_binary_cross_entropy(batch):
    logits, labels = batch(void=0)
    full = F.interpolate(logits, size=labels.shape[-2:], mode='bilinear')
    wanted = F.binary_cross_entropy_with_logits(full, F.one_hot(labels, 5).permute(0, 3, 1, 2).float()) / 2
    torch.testing.assert_close(LOSSES.build(dict(type='FocalLoss', gamma=0.))(logits, labels), wanted)


def test_weights_of_pixels_and_their_losses(batch):
    logits, labels = batch()
    loss = LOSSES.build(dict(type='FocalLoss', loss_weight=0.7))
    weight = torch.rand(labels.shape)
    wanted = (loss.pixel_losses(logits, labels) * weight).sum() / (labels.numel() * 5)
    torch.testing.assert_close(loss(logits, labels, weight=weight).detach(), wanted)


@pytest.mark.parametrize('cfg, message', [
    (dict(use_sigmoid=False), 'use_sigmoid'), (dict(alpha=[0.5, 2.]), 'alpha'), (dict(gamma=-1.), 'gamma'),
    (dict(reduction='x'), 'reduction')])
def test_refusals(cfg, message):
    with pytest.raises(ConfigError, match=f'FocalLoss.{message}'):
        LOSSES.build(dict(type='FocalLoss', **cfg))


def test_alphas_are_one_for_each_channel():
    with pytest.raises(ConfigError, match='alpha has 2 values(.|\n)*3 channels'):
        LOSSES.build(dict(type='FocalLoss', alpha=[0.1, 0.2])).check_channels(3)
