"""Losses against MMSegmentation's numbers in tests/data/mmseg_losses.json, and what holds for every loss.

The numbers were made with onedl-mmsegmentation 1.4.2 on a CPU: scores(3, 2, k, 5, 6) and labels(4, 2, 33, 35,
max(k, 2)) of the fixture `draw`, scores resized by F.interpolate (bilinear, align_corners=False), then the loss with
ignore_index=255; `value` is its mean (as MMEngine takes it), `gnorm` and `grad` the norm and the first six values of
the gradient for the small scores. For dice_* and focal_module the labels have no void: the same draw with a share of 0.
"""
import json

import numpy as np
import pytest
import torch

from segkit.registry import LOSSES


@pytest.fixture(scope='session')
def mmseg_losses(pytestconfig) -> dict:
    """Name -> value, gnorm, grad."""
    return json.loads((pytestconfig.rootpath / 'tests/data/mmseg_losses.json').read_text())


@pytest.fixture
def batch(draw):
    """Make (logits (2, k, 5, 6) that require gradients, labels (2, 33, 35)); ``void`` is the share of void pixels."""

    def make(num_channels=5, void=0.2):
        rng = np.random.RandomState(4)
        labels = rng.randint(0, max(num_channels, 2), (2, 33, 35))
        labels[rng.rand(2, 33, 35) < void] = 255
        return draw.scores(3, 2, num_channels, 5, 6).requires_grad_(), torch.from_numpy(labels.astype(np.int64))

    return make


@pytest.fixture
def is_theirs(batch, mmseg_losses):
    """Compare the value and the gradient of a loss with those recorded under a name."""

    def compare(name, kind, cfg, num_channels=5, void=0.2, relabel=None):
        logits, labels = batch(num_channels, void)
        loss = LOSSES.build(dict(type=kind, **cfg))(logits, labels if relabel is None else relabel(labels))
        loss.backward()
        wanted = mmseg_losses[name]
        assert loss.item() == pytest.approx(wanted['value'], rel=2e-6)
        assert logits.grad.norm().item() == pytest.approx(wanted['gnorm'], rel=1e-5)
        assert logits.grad.flatten()[:6].tolist() == pytest.approx(wanted['grad'], rel=2e-4, abs=1e-7)

    return compare


@pytest.fixture
def holds(batch):
    """What every loss keeps: nothing valid is 0, half precision is computed in single, void pixels do not count."""

    def check(kind, num_channels=5, **cfg):
        loss = LOSSES.build(dict(type=kind, **cfg))
        logits, labels = batch(num_channels)
        nothing = loss(logits, torch.full_like(labels, 255))
        nothing.backward()
        assert nothing.item() == 0 and torch.equal(logits.grad, torch.zeros_like(logits))

        half = logits.detach().bfloat16().requires_grad_()
        single = half.detach().float().requires_grad_()
        with torch.autocast('cpu', torch.bfloat16):
            low = loss(half, labels)
        high = loss(single, labels)
        assert low.dtype == torch.float32 and torch.equal(low, high)
        low.backward(), high.backward()
        torch.testing.assert_close(half.grad, single.grad.bfloat16())

        # Other scores under void, here of a whole image, change nothing; another void label neither.
        labels = torch.cat([labels[:1], torch.full_like(labels[:1], 255)])
        other = torch.cat([logits[:1], 5 - logits[1:]]).detach()
        torch.testing.assert_close(loss(other, labels), loss(logits, labels), rtol=1e-6, atol=1e-7)
        moved = labels.where(labels != 255, torch.full_like(labels, 7))
        assert torch.equal(loss(other, moved, ignore_index=7), loss(other, labels))
        assert not loss.state_dict()

        # Double precision, against finite differences, at the labels' own size and below it.
        small = torch.randn(2, num_channels, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        few = torch.randint(0, max(num_channels, 2), (2, 4, 5), generator=torch.Generator().manual_seed(1))
        few[0, 0] = 255
        assert torch.autograd.gradcheck(lambda x: loss.double()(x, few), small.requires_grad_(), atol=1e-5)
        with torch.no_grad():
            torch.testing.assert_close(loss(small.detach(), few), loss(small, few))

    return check
