import math

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F

from segkit.errors import ConfigError
from segkit.models.losses import CrossEntropyLoss
from segkit.registry import LOSSES

WEIGHT = [0.5, 1., 2., 0.1, 3.]


def build(**cfg):
    return LOSSES.build(dict(type='CrossEntropyLoss', **cfg))


@pytest.mark.parametrize('num_classes', [21, 19])
def test_zero_logits_give_the_log_of_the_number_of_classes(num_classes):
    labels = torch.randint(0, num_classes, (2, 8, 8))
    loss = build()(torch.zeros(2, num_classes, 1, 1), labels)
    assert loss.item() == pytest.approx(math.log(num_classes), rel=1e-6)


@pytest.mark.parametrize('avg_non_ignore, wanted', [(True, 3.0445225), (False, 2.2833920)])
def test_one_void_row_of_four(avg_non_ignore, wanted):
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    labels[:, 0] = 255
    assert build(avg_non_ignore=avg_non_ignore)(torch.zeros(1, 21, 4, 4), labels).item() == pytest.approx(wanted)


@pytest.mark.parametrize('name, cfg, num_channels, align_corners', [
    ('plain', dict(), 5, False),
    ('plain_corners', dict(), 5, True),
    ('valid', dict(avg_non_ignore=True), 5, False),
    ('weighted', dict(class_weight=WEIGHT, loss_weight=0.4), 5, False),
    ('sum', dict(reduction='sum'), 5, False),
    ('sigmoid', dict(use_sigmoid=True), 5, False),
    ('sigmoid_valid', dict(use_sigmoid=True, avg_non_ignore=True), 5, False),
    ('binary', dict(use_sigmoid=True), 1, False),
    ('binary_valid', dict(use_sigmoid=True, avg_non_ignore=True), 1, False),
    ('binary_weighted', dict(use_sigmoid=True, class_weight=[2.5]), 1, False),
])
def test_the_numbers_are_mmsegmentations(draw, mmseg_numbers, name, cfg, num_channels, align_corners):
    logits = draw.scores(3, 2, num_channels, 5, 6).requires_grad_()
    labels = draw.labels(4, 2, 33, 35, max(num_channels, 2))
    loss = build(**cfg)(logits, labels, ignore_index=255, align_corners=align_corners)
    loss.backward()
    wanted = mmseg_numbers['loss_' + name]
    assert loss.item() == pytest.approx(wanted['value'], rel=1e-6)
    assert logits.grad.norm().item() == pytest.approx(wanted['gnorm'], rel=1e-6)
    assert logits.grad.flatten()[:6].tolist() == pytest.approx(wanted['grad'], rel=1e-4, abs=1e-8)


@pytest.mark.parametrize('avg_non_ignore', [False, True])
def test_class_weights_divide_by_the_weights_of_the_valid_pixels(draw, avg_non_ignore):
    # MMSegmentation stops with an IndexError for avg_non_ignore=True; torch's own mean is what it means.
    logits, labels = draw.scores(3, 2, 5, 33, 35), draw.labels(4, 2, 33, 35, 5)
    wanted = F.cross_entropy(logits, labels, weight=torch.tensor(WEIGHT), ignore_index=255)
    loss = build(class_weight=WEIGHT, avg_non_ignore=avg_non_ignore)(logits, labels)
    torch.testing.assert_close(loss, wanted)


def test_class_weights_of_a_sigmoid_belong_to_channels():
    logits, labels = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    weight = torch.tensor([1., 4., 9.])
    wanted = sum(F.binary_cross_entropy_with_logits(logits[:, c], (labels == c).float(), pos_weight=weight[c])
                 for c in range(3)) / 3
    torch.testing.assert_close(build(use_sigmoid=True, class_weight=weight.tolist())(logits, labels), wanted)


@pytest.mark.parametrize('num_channels, cfg', [
    (5, dict(avg_non_ignore=True)), (5, dict(class_weight=WEIGHT)), (5, dict(use_sigmoid=True)),
    (1, dict(use_sigmoid=True))])
def test_what_every_loss_keeps(holds, num_channels, cfg):
    holds('CrossEntropyLoss', num_channels, **cfg)


@pytest.mark.parametrize('num_channels, cfg, divisor', [
    (5, dict(loss_weight=0.4), 2 * 33 * 35), (5, dict(class_weight=WEIGHT), None),
    (5, dict(use_sigmoid=True), 5 * 2 * 33 * 35), (1, dict(use_sigmoid=True), 2 * 33 * 35),
    (5, dict(reduction='sum'), 1)])
def test_weights_of_pixels_leave_the_divisor(batch, num_channels, cfg, divisor):
    logits, labels = batch(num_channels)
    loss, weight = build(**cfg), torch.rand(labels.shape)
    if divisor is None:
        divisor = torch.tensor(WEIGHT)[labels[labels != 255]].sum()
    wanted = (loss.pixel_losses(logits, labels) * weight).sum() / divisor
    torch.testing.assert_close(loss(logits, labels, weight=weight).detach(), wanted)
    plain = loss.pixel_losses(logits, labels).sum() / divisor
    torch.testing.assert_close(loss(logits, labels).detach(), plain)


@pytest.mark.parametrize('cfg', [
    dict(), dict(avg_non_ignore=True), dict(class_weight=WEIGHT), dict(use_sigmoid=True, avg_non_ignore=True)])
def test_no_valid_pixel_gives_zero_and_zero_gradients(cfg):
    logits = torch.randn(2, 5, 3, 3, requires_grad=True)
    loss = build(**cfg)(logits, torch.full((2, 9, 9), 255))
    loss.backward()
    assert loss.item() == 0 and logits.grad.abs().sum() == 0


def test_ignore_index_is_the_heads():
    logits = torch.randn(1, 3, 4, 4)
    labels = torch.randint(1, 3, (1, 4, 4))
    labels[0, 0] = 0
    wanted = F.cross_entropy(logits[:, :, 1:], labels[:, 1:])
    torch.testing.assert_close(build(avg_non_ignore=True)(logits, labels, ignore_index=0), wanted)


@pytest.mark.parametrize('cfg, message', [
    (dict(use_mask=True), 'use_mask'),
    (dict(reduction='men'), 'reduction'),
])
def test_refusals(cfg, message):
    with pytest.raises(ConfigError, match=message):
        build(**cfg)


def _on_one_image(rank, path):
    dist.init_process_group('gloo', init_method=f'file://{path}', rank=rank, world_size=2)
    logits, labels = torch.load(path + '.pt')
    part = logits[rank:rank + 1].clone().requires_grad_()
    loss = CrossEntropyLoss(avg_non_ignore=True)(part, labels[rank:rank + 1])
    loss.backward()
    torch.save((loss.detach(), part.grad), path + f'.{rank}')
    dist.destroy_process_group()


@pytest.mark.slow
def test_the_mean_is_the_global_one_over_two_processes(draw, in_processes, tmp_path):
    logits, labels = draw.scores(3, 2, 5, 5, 6), draw.labels(4, 2, 33, 35, 5)
    labels[1, :25] = 255  # unevenly spread void
    path = str(tmp_path / 'meet')
    torch.save((logits, labels), path + '.pt')
    in_processes(_on_one_image, path)
    losses, grads = zip(*(torch.load(f'{path}.{rank}') for rank in range(2)))
    logits.requires_grad_()
    wanted = build(avg_non_ignore=True)(logits, labels)
    wanted.backward()
    torch.testing.assert_close(sum(losses) / 2, wanted.detach())
    torch.testing.assert_close(torch.cat(grads) / 2, logits.grad)  # DistributedDataParallel divides by 2


def test_what_a_loss_leaves_open_is_averaged():
    scores, labels = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 8, 8))
    cfg = dict(type='CrossEntropyLoss')
    losses = [LOSSES.build(dict(cfg, reduction=reduction))(scores, labels) for reduction in ('none', 'mean')]
    assert torch.equal(*losses)
