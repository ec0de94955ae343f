import json

import pytest
import torch
import torch.nn.functional as F

from segkit import ops
from segkit.errors import ConfigError
from segkit.registry import LOSSES, TASK_UTILS

WEIGHT = [0.5, 1., 2., 0.1, 3.]
CE = dict(type='CrossEntropyLoss')


def sampler(**cfg):
    return TASK_UTILS.build(dict(type='OHEMPixelSampler', **cfg))


@pytest.fixture(scope='session')
def theirs(pytestconfig) -> dict:
    """MMSegmentation's numbers; how they were made is said in tests/models/losses/conftest.py.

    For the samplers, its OHEMPixelSampler made the weights that its CrossEntropyLoss took, and `chosen` holds the
    number of pixels of each image and the sum of their positions in the batch.
    """
    return json.loads((pytestconfig.rootpath / 'tests/data/mmseg_losses.json').read_text())


@pytest.mark.parametrize('name, cfg, losses, num_channels', [
    ('thresh', dict(thresh=0.7, min_kept=10), [CE], 5),
    ('kept', dict(thresh=0.05, min_kept=300), [dict(CE, avg_non_ignore=True)], 5),
    ('all', dict(thresh=0.05), [CE], 5),
    ('losses', dict(min_kept=200), [CE], 5),
    ('weighted', dict(min_kept=200), [dict(CE, class_weight=WEIGHT), dict(CE, loss_weight=0.4)], 5),
    ('all_losses', dict(), [dict(CE, class_weight=WEIGHT, reduction='sum')], 5),
    ('thresh_sigmoid', dict(thresh=0.3, min_kept=50), [dict(CE, use_sigmoid=True)], 5),
    ('binary_losses', dict(min_kept=200), [dict(CE, use_sigmoid=True, avg_non_ignore=True)], 1),
])
def test_pixels_and_losses_are_mmsegmentations(draw, theirs, name, cfg, losses, num_channels):
    logits = draw.scores(3, 2, num_channels, 5, 6).requires_grad_()
    labels = draw.labels(4, 2, 33, 35, max(num_channels, 2))
    losses, wanted = [LOSSES.build(loss) for loss in losses], theirs['sampler_' + name]
    weight = sampler(**cfg).sample(logits, labels, losses)
    positions = (weight.flatten() * torch.arange(weight.numel())).sum().item()
    assert [weight.flatten(1).sum(1).tolist(), positions] == theirs['chosen']['sampler_' + name]
    loss = sum(loss(logits, labels, weight=weight) for loss in losses)
    loss.backward()
    assert loss.item() == pytest.approx(wanted['value'], rel=2e-6)
    assert logits.grad.norm().item() == pytest.approx(wanted['gnorm'], rel=1e-5)
    assert logits.grad.flatten()[:6].tolist() == pytest.approx(wanted['grad'], rel=2e-4, abs=1e-7)


@pytest.mark.parametrize('thresh', [None, 0.0, 0.2, 1.0])
@pytest.mark.parametrize('min_kept', [1, 7, 59, 60, 61, 1000])
def test_brute_force(thresh, min_kept):
    """By sorting, over every relation between the number wanted and the 120 valid pixels of two images."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 10, generator=generator)
    labels = torch.randint(0, 3, (2, 8, 10), generator=generator)
    labels.view(2, -1)[:, ::4] = 255
    losses = [LOSSES.build(CE)]
    weight = sampler(thresh=thresh, min_kept=min_kept).sample(logits, labels, losses)
    valid, each = labels != 255, F.cross_entropy(logits, labels, ignore_index=255, reduction='none')
    order = each[valid].sort(descending=True)[0]
    if thresh is None:
        wanted = valid & (each >= order[min(2 * min_kept, len(order)) - 1])
    else:
        least = order[min(2 * min_kept, len(order) - 1)]
        wanted = valid & ((each > least) | (each > -torch.tensor(thresh).log()))
    assert torch.equal(weight, wanted.float())


def test_the_first_of_equal_losses_are_kept():
    weight = sampler(min_kept=3).sample(torch.zeros(1, 2, 2, 3), torch.tensor([[[255, 0, 1], [1, 0, 255]]]),
                                        [LOSSES.build(CE)])
    assert weight.tolist() == [[[0, 1, 1], [1, 0, 0]]]


def test_one_channel_is_a_sigmoid():
    logits = torch.tensor([-2., 2., 2., -2.]).view(1, 1, 1, 4)
    weight = sampler(thresh=0.5, min_kept=1).sample(logits, torch.tensor([[[0, 0, 1, 1]]]), [])
    assert weight.tolist() == [[[0, 1, 0, 1]]]


@pytest.mark.parametrize('cfg', [dict(), dict(thresh=0.7)])
def test_nothing_valid_is_nothing_chosen(cfg):
    weight = sampler(**cfg).sample(torch.randn(2, 3, 2, 2), torch.full((2, 4, 4), 255), [LOSSES.build(CE)])
    assert weight.shape == (2, 4, 4) and weight.sum() == 0


@pytest.mark.parametrize('cfg', [dict(), dict(thresh=0.7)])
def test_full_size_scores_exist_for_one_image_at_a_time(monkeypatch, cfg):
    sizes = []
    plain = ops.resize_logits
    monkeypatch.setattr(ops, 'resize_logits', lambda x, *args: sizes.append(len(x)) or plain(x, *args))
    sampler(**cfg).sample(torch.randn(3, 4, 2, 2), torch.zeros(3, 9, 9, dtype=torch.long), [LOSSES.build(CE)])
    assert sizes == [1, 1, 1]


@pytest.mark.parametrize('cfg, message', [(dict(thresh=70), 'thresh'), (dict(min_kept=0), 'min_kept')])
def test_refusals(cfg, message):
    with pytest.raises(ConfigError, match=f'OHEMPixelSampler.{message}'):
        sampler(**cfg)
