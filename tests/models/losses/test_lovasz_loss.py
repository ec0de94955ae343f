import itertools

import pytest
import torch

from segkit.errors import ConfigError
from segkit.registry import LOSSES

WEIGHT = [0.5, 1., 2., 0.1, 3.]


@pytest.mark.parametrize('name, cfg', [
    ('present', dict(reduction='none')),
    ('present', dict()),  # MMSegmentation refuses its own default of reduction
    ('all', dict(classes='all', reduction='none')),
    ('list', dict(classes=[1, 3], reduction='none')),
    ('weighted', dict(class_weight=WEIGHT, reduction='none', loss_weight=0.4)),
    ('images', dict(per_image=True)),
    ('images_sum', dict(per_image=True, reduction='sum')),
    ('images_none', dict(per_image=True, reduction='none')),
])
def test_the_numbers_are_mmsegmentations(is_theirs, name, cfg):
    is_theirs('lovasz_' + name, 'LovaszLoss', cfg)


@pytest.mark.parametrize('name, cfg', [
    ('plain', dict(reduction='none')), ('images', dict(per_image=True)),
    ('images_sum', dict(per_image=True, reduction='sum'))])
def test_the_hinge_is_mmsegmentations(is_theirs, name, cfg):
    is_theirs('lovasz_binary_' + name, 'LovaszLoss', dict(loss_type='binary', **cfg), num_channels=1)


@pytest.mark.parametrize('classes', ['present', 'all'])
def test_absent_classes_are_mmsegmentations(is_theirs, classes):
    is_theirs(f'lovasz_absent_{classes}', 'LovaszLoss', dict(classes=classes),
              relabel=lambda t: t.where(t == 255, t % 3))


@pytest.mark.parametrize('num_channels, cfg', [
    (5, dict()), (5, dict(classes=[0, 4], per_image=True)), (1, dict(loss_type='binary')),
    (1, dict(loss_type='binary', per_image=True))])
def test_what_every_loss_keeps(holds, num_channels, cfg):
    holds('LovaszLoss', num_channels, **cfg)


@pytest.mark.parametrize('size', [1, 6])
def test_sure_predictions_lose_the_share_that_the_jaccard_index_lacks(size):
    """At the corners of the cube the extension is the set function: 1 - IoU, here of all predictions of two classes."""
    loss = LOSSES.build(dict(type='LovaszLoss', classes='all'))
    truth = torch.tensor([0, 1, 1, 0, 1, 1])[:size]
    for predicted in itertools.product([0, 1], repeat=size):
        predicted = torch.tensor(predicted)
        logits = torch.stack([1 - predicted, predicted]).float().view(1, 2, 1, size) * 200
        lacks = []
        for c in (0, 1):
            union = ((truth == c) | (predicted == c)).sum()
            lacks.append(1 - ((truth == c) & (predicted == c)).sum() / union if union else 0)
        assert loss(logits, truth.view(1, 1, size)).item() == pytest.approx(float(sum(lacks) / 2), abs=1e-6)


def test_an_image_of_void_counts_as_zero_in_the_mean(batch):
    logits, labels = batch()
    loss = LOSSES.build(dict(type='LovaszLoss', per_image=True))
    wanted = loss(logits[:1], labels[:1]) / 2
    labels[1] = 255
    torch.testing.assert_close(loss(logits, labels), wanted)


@pytest.mark.parametrize('cfg, message', [
    (dict(loss_type='both'), 'loss_type'), (dict(classes='none'), 'classes'), (dict(classes=[]), 'classes'),
    (dict(loss_type='binary', classes='all'), 'nothing reads'), (dict(reduction='sum'), 'per_image'),
    (dict(reduction='x'), 'reduction')])
def test_refusals(cfg, message):
    with pytest.raises(ConfigError, match=message):
        LOSSES.build(dict(type='LovaszLoss', **cfg))


@pytest.mark.parametrize('cfg, channels, message', [
    (dict(), 1, "'multi_class' cannot take scores of 1 channel:"), (dict(loss_type='binary'), 2, 'of 2 channels'),
    (dict(classes=[0, 3]), 3, '3 is not one of 0 to 2')])
def test_channels_that_do_not_fit(cfg, channels, message):
    with pytest.raises(ConfigError, match=message):
        LOSSES.build(dict(type='LovaszLoss', **cfg)).check_channels(channels)
