"""The lattice against sums over all pairs of points."""
import numpy as np
import pytest
import torch

from segkit.models.postprocess import permutohedral
from segkit.models.postprocess.permutohedral import PermutohedralLattice, TooFineError


def points(number: int, dims: int, side: float, seed: int = 0) -> np.ndarray:
    return (np.random.RandomState(seed).rand(number, dims) * side).astype(np.float32)


def by_pairs(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    distances = ((features[:, None].astype(float) - features[None]) ** 2).sum(-1)
    return np.exp(-distances / 2) @ values


@pytest.mark.parametrize('dims, number, side, share', [
    (1, 300, 8.0, 0.92), (2, 2000, 8.0, 0.87), (3, 2000, 5.0, 0.81), (5, 2000, 2.5, 0.65)])
def test_sums_are_near_those_over_all_pairs(dims, number, side, share):
    """Sums are too small by one share, as those of the reference are; means are near."""
    features, values = points(number, dims, side), np.random.RandomState(1).rand(number, 3).astype(np.float32)
    values[:, 1] = np.sin(features).sum(1) + dims
    ones = np.ones((number, 1), np.float32)
    lattice = PermutohedralLattice(features)
    sums, found = (lattice.filter(torch.from_numpy(one)).numpy() for one in (ones, values))
    exact_sums, exact = by_pairs(features, ones), by_pairs(features, values)
    ratio = sums / exact_sums
    assert abs(ratio.mean() - share) < 0.02 and ratio.std() < 0.05 * share
    error = np.abs((found / sums) / (exact / exact_sums) - 1)
    assert error.mean() < 0.01 and error.max() < 0.15


def test_points_far_apart_keep_their_values():
    features = (np.arange(40, dtype=np.float32) * 50).reshape(8, 5) ** 1.1
    lattice = PermutohedralLattice(features)
    assert lattice.num_corners == 8 * 6
    values = torch.rand(8, 4, generator=torch.Generator().manual_seed(0))
    share = lattice.filter(torch.ones(8, 1))
    torch.testing.assert_close(lattice.filter(values), values * share)
    assert 0.2 < share.min() and share.max() < 1.1  # of a point that is alone; 1 in the exact sum


def test_points_at_one_place_are_one_point():
    features = np.repeat(points(1, 5, 3.0), 7, axis=0)
    lattice = PermutohedralLattice(features)
    assert lattice.num_corners == 6
    single = PermutohedralLattice(features[:1]).filter(torch.ones(1, 1))
    values = torch.arange(7.0)[:, None]
    torch.testing.assert_close(lattice.filter(values), (values.sum() * single).expand(7, 1))


def test_a_shift_by_whole_cells_changes_nothing():
    """Corners that lie far from 0 have numbers too; two axes, since rounding grows with the distance."""
    features = points(500, 2, 6.0)
    values = torch.from_numpy(points(500, 4, 1.0, 1))
    moved = features + np.float32([-384 / np.sqrt(3) * np.sqrt(2 / 3) * np.sqrt(1.5), 0])
    torch.testing.assert_close(PermutohedralLattice(moved).filter(values).sum(),
                               PermutohedralLattice(features).filter(values).sum(), rtol=0.02, atol=0)


def test_factors_before_and_behind():
    features, values = points(200, 3, 3.0), torch.from_numpy(points(200, 2, 1.0, 1))
    before, after = (torch.from_numpy(points(200, 1, 2.0, seed))[:, 0] for seed in (2, 3))
    lattice = PermutohedralLattice(features)
    wanted = lattice.filter(values * before[:, None]) * after[:, None]
    lattice.scale(before, after)
    torch.testing.assert_close(lattice.filter(values), wanted)


def test_numbers_that_leave_no_room_for_positions_are_sorted_otherwise(monkeypatch):
    features, values = points(400, 5, 3.0), torch.from_numpy(points(400, 2, 1.0, 1))
    wanted = PermutohedralLattice(features).filter(values)
    bits = int(permutohedral._corner_keys(*permutohedral._simplices(features)[:2])[0].max()).bit_length()
    monkeypatch.setattr(permutohedral, 'KEY_BITS', bits + 1)
    monkeypatch.setattr(np, 'argsort', sort := Counted(np.argsort))
    assert torch.equal(PermutohedralLattice(features).filter(values), wanted) and sort.calls == 1


class Counted:
    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self.function(*args, **kwargs)


def test_points_that_cannot_be_numbered():
    with pytest.raises(TooFineError):
        PermutohedralLattice(points(100, 5, 1e5))
