"""Shared averages against average pooling, borders included, and against the shared trick written out plainly."""
import pytest
import torch
import torch.nn.functional as F

from segkit.models.layers.shared_averages import shared_averages

SIZES = [(1, 1), (2, 5), (3, 3), (8, 9), (13, 26), (27, 27), (33, 31), (65, 40)]
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def plain(x, levels=3):
    """What the paper describes: each average from the map itself."""
    return [F.avg_pool2d(x, k, 1, k // 2, count_include_pad=True) for k in (3, 9, 27, 81)[:levels]]


def padded_once(x):
    """The map enlarged once by 13, three averages of nine pixels 1, 3 and 9 apart, and what lies outside cut off."""
    kernel = torch.full((x.shape[1], 1, 3, 3), 1 / 9, dtype=x.dtype)
    x, outs = F.pad(x, (13,) * 4), []
    for step, crop in ((1, 12), (3, 9), (9, 0)):
        x = F.conv2d(x, kernel, dilation=step, groups=x.shape[1])
        outs.append(x[..., crop:x.shape[-2] - crop, crop:x.shape[-1] - crop])
    return outs


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('size', SIZES)
def test_equal_to_average_pooling_at_the_borders_too(size, layout):
    x = torch.randn(2, 3, *size, dtype=torch.float64).contiguous(memory_format=layout)
    before = x.clone()
    for other in (plain, padded_once):
        for ours, theirs in zip(shared_averages(x), other(x), strict=True):
            assert ours.shape == x.shape
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-15)
    assert torch.equal(x, before)


@pytest.mark.parametrize('levels', [1, 2, 4])
def test_other_numbers_of_levels(levels):
    x = torch.randn(1, 2, 20, 23, dtype=torch.float64, requires_grad=True)
    weights = [torch.randn_like(x) for _ in range(levels)]
    grads = []
    for averages in (shared_averages(x, levels), plain(x, levels)):
        assert len(averages) == levels
        grads.append(torch.autograd.grad(sum((a * w).sum() for a, w in zip(averages, weights)), x)[0])
    torch.testing.assert_close(*grads, rtol=0, atol=1e-14)


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('size', SIZES)
def test_gradient_is_that_of_average_pooling(size, layout):
    x = torch.randn(2, 3, *size, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    weights = [torch.randn(2, 3, *size, dtype=torch.float64) for _ in range(3)]
    ours, theirs = (torch.autograd.grad(sum((a * w).sum() for a, w in zip(averages, weights)), x)[0]
                    for averages in (shared_averages(x), plain(x)))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)
    for level in range(3):  # one of the averages alone
        ours, theirs = (torch.autograd.grad((averages[level] * weights[0]).sum(), x)[0]
                        for averages in (shared_averages(x), plain(x)))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)


def test_gradient_by_finite_differences():
    x = torch.randn(1, 2, 4, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(shared_averages, (x,))


def test_each_stage_padded_for_itself_would_be_wrong_at_the_borders():
    x = torch.randn(1, 8, 65, 65, dtype=torch.float64)
    wrong, kernel = x, torch.full((8, 1, 3, 3), 1 / 9, dtype=x.dtype)
    for step in (1, 3, 9):
        wrong = F.conv2d(wrong, kernel, padding=step, dilation=step, groups=8)
    difference = (wrong - shared_averages(x)[2]).abs()
    assert difference[..., 13:-13, 13:-13].max() < 1e-15 and difference.max() > 0.01


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_format_and_precision_stay_those_of_the_map(dtype, layout):
    x = torch.randn(2, 4, 19, 30).to(dtype).contiguous(memory_format=layout)
    for ours, theirs in zip(shared_averages(x), plain(x.double())):
        assert ours.dtype == dtype and ours.is_contiguous(memory_format=layout)
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=3 * torch.finfo(dtype).eps)
