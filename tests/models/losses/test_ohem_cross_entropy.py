import math

import numpy as np
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
    holds('OhemCrossEntropy', thres=0.4, min_kept=30, search_stride=2)


def test_every_class_is_as_sure_as_the_other():
    loss = LOSSES.build(dict(type='OhemCrossEntropy', thres=0.6, min_kept=200_000, search_stride=8))
    labels = torch.randint(0, 19, (2, 17, 17))
    assert loss(torch.zeros(2, 19, 3, 3), labels).item() == pytest.approx(math.log(19))


# Made with scipy.ndimage.zoom 1.17 from the probabilities of the fixture `batch` at full size (align_corners=True): of
# the zoomed probabilities (order 1) of the zoomed labels (order 0) the k-th smallest, the pixels that do not lie above
# it, and the mean of their cross-entropies.
@pytest.mark.parametrize('stride, k, threshold, kept, mean', [
    (8, 5, 0.0033875632, 191, 6.961248), (8, 15, 0.119270764, 1064, 4.211823), (8, 20, 0.36879265, 1458, 3.5028074),
    (3, 5, 0.0005858368, 48, 8.507225), (3, 150, 0.25864866, 1346, 3.695153), (2, 40, 0.0024887596, 157, 7.207465),
    (2, 150, 0.028288763, 603, 5.2823296)])
def test_threshold_of_a_zoomed_map_is_scipys(batch, stride, k, threshold, kept, mean):
    logits, labels = batch()
    for rest in (0, stride**2 - 1):  # whole division
        loss = LOSSES.build(dict(type='OhemCrossEntropy', thres=threshold / 2, min_kept=k * stride**2 + rest,
                                 search_stride=stride))
        assert loss(logits, labels, align_corners=True).item() == pytest.approx(mean, rel=2e-6)
    # A floor above it decides; one just below changes nothing.
    full = F.interpolate(logits, labels.shape[-2:], mode='bilinear', align_corners=True)
    losses = F.cross_entropy(full, labels, ignore_index=255, reduction='none')[labels != 255]
    assert (losses >= -math.log(threshold * (1 + 1e-6))).sum() == kept
    for floor in (threshold * 1.5, threshold * 0.99):
        loss = LOSSES.build(dict(type='OhemCrossEntropy', thres=floor, min_kept=k * stride**2, search_stride=stride))
        highest = max(floor, threshold * (1 + 1e-6))
        torch.testing.assert_close(
            loss(logits, labels, align_corners=True), losses[losses >= -math.log(highest)].mean())


def by_numpy(logits, labels, thresh, min_kept, stride, void=255):
    """The toolbox's rule on scores (N, K, H, W) of the labels' size, written out pixel by pixel."""
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    probability = exponents / exponents.sum(1, keepdims=True)
    height, width = labels.shape[1:]
    small = [max(round(height / stride), 1), max(round(width / stride), 1)]
    sample = []
    for image in range(len(labels)):
        for i in range(small[0]):
            for j in range(small[1]):
                y = i * (height - 1) / (small[0] - 1) if small[0] > 1 else 0.
                x = j * (width - 1) / (small[1] - 1) if small[1] > 1 else 0.
                label = labels[image, math.floor(y + 0.5), math.floor(x + 0.5)]
                if label == void:
                    continue
                top, left = math.floor(y), math.floor(x)
                value = 0.
                for row, a in ((top, 1 - (y - top)), (min(top + 1, height - 1), y - top)):
                    for column, b in ((left, 1 - (x - left)), (min(left + 1, width - 1), x - left)):
                        value += a * b * probability[image, label, row, column]
                sample.append(value)
    rank = min_kept // stride**2
    if rank >= len(sample):
        threshold = 1.
    else:
        threshold = max(thresh, sorted(sample)[rank - 1]) if rank else thresh
    kept = [-math.log(probability[image, labels[image, y, x], y, x])
            for image, y, x in zip(*(labels != void).nonzero())
            if probability[image, labels[image, y, x], y, x] <= threshold * (1 + 1e-12)]
    return np.mean(kept) if kept else 0.


@pytest.mark.parametrize('thresh, min_kept, stride', [
    (0.6, 10, 8), (0.05, 300, 8), (0.3, 63, 8), (0.7, 10**6, 8), (0.1, 400, 4), (0.02, 100, 3), (0.2, 50, 1),
    (0., 7, 1), (0.3, 20, 100)])
def test_the_toolboxes_rule_pixel_by_pixel(thresh, min_kept, stride):
    rng = np.random.RandomState(2)
    logits, labels = 3 * rng.standard_normal((2, 4, 21, 30)), rng.randint(0, 4, (2, 21, 30))
    labels[rng.rand(2, 21, 30) < 0.3] = 255
    loss = LOSSES.build(dict(type='OhemCrossEntropy', thres=thresh, min_kept=min_kept, search_stride=stride))
    value = loss(torch.from_numpy(logits), torch.from_numpy(labels)).item()
    assert value == pytest.approx(by_numpy(logits, labels, thresh, min_kept, stride), rel=1e-9)


def test_too_few_labelled_pixels_on_the_smaller_map_keep_all():
    logits = torch.full((1, 2, 16, 16), 3.)
    logits[:, 1] = -3.  # a probability of 0.998
    labels = torch.full((1, 16, 16), 255)
    labels[0, 5, 5] = 0  # between the four pixels that the map of 2x2 is made of
    loss = LOSSES.build(dict(type='OhemCrossEntropy', thres=0.6, min_kept=64, search_stride=8))
    assert loss(logits, labels).item() == pytest.approx(math.log1p(math.exp(-6)), rel=1e-4)
    labels[0, 0] = 0  # two of the four are labelled, and one would do: the threshold is that of the least sure
    logits[0, :, 0, 0] = 0.
    assert loss(logits, labels).item() == pytest.approx(math.log(2))


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
    for stride in (0, 2.5, -8):
        with pytest.raises(ConfigError, match='OhemCrossEntropy.search_stride'):
            LOSSES.build(dict(type='OhemCrossEntropy', search_stride=stride))
    with pytest.raises(ConfigError, match='out_channels=1'):
        LOSSES.build(dict(type='OhemCrossEntropy')).check_channels(1)
