import pytest
import torch
import torch.nn.functional as F

from segkit.errors import ConfigError
from segkit.registry import LOSSES


@pytest.mark.parametrize('name, cfg', [
    ('plain', dict()),
    ('softmax', dict(use_sigmoid=False)),
    ('naive', dict(naive_dice=True, use_sigmoid=False)),
    ('sum', dict(reduction='sum', loss_weight=0.3)),
    ('none', dict(reduction='none')),
    ('left_out', dict(ignore_index=1)),
    ('left_out_naive', dict(ignore_index=0, naive_dice=True, eps=1.)),
    ('scores', dict(activate=False)),
])
def test_the_numbers_are_mmsegmentations_without_void(is_theirs, name, cfg):
    is_theirs('dice_' + name, 'DiceLoss', cfg, void=0)


@pytest.mark.parametrize('name, cfg', [('plain', dict()), ('naive', dict(naive_dice=True))])
def test_one_channel_is_class_1(is_theirs, name, cfg):
    # Recorded with MMSegmentation's function for the mask of class 1; its module takes that of class 0.
    is_theirs('dice_binary_' + name, 'DiceLoss', cfg, num_channels=1, void=0)


@pytest.mark.parametrize('cfg', [dict(), dict(naive_dice=True, use_sigmoid=False), dict(ignore_index=2)])
def test_what_every_loss_keeps(holds, cfg):
    holds('DiceLoss', **cfg)


def test_one_channel_keeps_it_too(holds):
    holds('DiceLoss', num_channels=1)


@pytest.mark.parametrize('naive', [False, True])
def test_void_pixels_count_as_if_they_were_not_there(naive):
    """By brute force: the pixels that are not void, in a row."""
    logits, labels = torch.randn(1, 3, 4, 6), torch.randint(0, 3, (1, 4, 6))
    labels[:, 1:3, 2:] = 255
    valid = labels[0] != 255
    shares = logits.sigmoid()[0][:, valid]
    truth = F.one_hot(labels[0][valid], 3).T
    if naive:
        wanted = 1 - (2 * (shares * truth).sum() + 1e-3) / (shares.sum() + truth.sum() + 1e-3)
    else:
        wanted = 1 - 2 * (shares * truth).sum() / ((shares**2).sum() + truth.sum() + 2e-3)
    torch.testing.assert_close(LOSSES.build(dict(type='DiceLoss', naive_dice=naive))(logits, labels), wanted)


@pytest.mark.parametrize('cfg, message', [(dict(reduction='all'), 'reduction'), (dict(eps=0.), 'eps')])
def test_refusals(cfg, message):
    with pytest.raises(ConfigError, match=f'DiceLoss.{message}'):
        LOSSES.build(dict(type='DiceLoss', **cfg))


def test_the_only_channel_cannot_be_left_out():
    with pytest.raises(ConfigError, match='leaves nothing'):
        LOSSES.build(dict(type='DiceLoss', ignore_index=0)).check_channels(1)
