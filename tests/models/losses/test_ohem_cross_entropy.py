import pytest
import torch
import torch.nn.functional as F

from segkit.errors import ConfigError
from segkit.registry import LOSSES

WEIGHT = [0.5, 1., 2., 0.1, 3.]


@pytest.mark.parametrize('name, cfg', [
    ('plain', dict()),
    ('few', dict(thres=0.05, min_kept=300)),
    ('one', dict(thres=0.3, min_kept=1)),
    ('weighted', dict(class_weight=WEIGHT, loss_weight=0.4, min_kept=10)),
])
def test_the_numbers_are_mmsegmentations(is_theirs, name, cfg):
    is_theirs('ohem_' + name, 'OhemCrossEntropy', cfg)


def test_what_every_loss_keeps(holds):
    holds('OhemCrossEntropy', thres=0.4, min_kept=3)


def test_pixels_by_hand():
    # Probabilities of the true class: 0.5, 0.73, 0.88, 0.27, and one void pixel between them.
    logits = torch.tensor([[0., 1., 0., 2., -1.], [0., 0., 0., 0., 0.]]).view(1, 2, 1, 5)
    labels = torch.tensor([[[0, 0, 255, 0, 0]]])
    losses = F.cross_entropy(logits, labels, ignore_index=255, reduction='none').flatten()
    for cfg, kept in ((dict(thres=0.6, min_kept=1), [0, 4]), (dict(thres=0.1, min_kept=1), [4]),
                      (dict(thres=0.1, min_kept=3), [0, 1, 4]), (dict(thres=0.1, min_kept=9), [0, 1, 4]),
                      (dict(thres=1., min_kept=1), [0, 1, 3, 4])):
        loss = LOSSES.build(dict(type='OhemCrossEntropy', **cfg))(logits, labels)
        torch.testing.assert_close(loss, losses[kept].mean())


def test_no_hard_pixel_gives_zero():
    # MMSegmentation takes the mean of nothing, NaN: no probability lies below that of the surest pixel.
    logits = torch.zeros(1, 2, 2, 2, requires_grad=True)
    loss = LOSSES.build(dict(type='OhemCrossEntropy', thres=0.3))(logits, torch.zeros(1, 2, 2, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0 and logits.grad.abs().sum() == 0


def test_an_ignore_label_of_its_own_wins_over_the_heads(batch):
    logits, labels = batch()
    own, heads = (LOSSES.build(dict(type='OhemCrossEntropy', **cfg)) for cfg in (dict(ignore_label=255), dict()))
    assert torch.equal(own(logits, labels, ignore_index=0), heads(logits, labels, ignore_index=255))


def test_refusals():
    with pytest.raises(ConfigError, match='OhemCrossEntropy.thres'):
        LOSSES.build(dict(type='OhemCrossEntropy', thres=7))
    with pytest.raises(ConfigError, match='out_channels=1'):
        LOSSES.build(dict(type='OhemCrossEntropy')).check_channels(1)
