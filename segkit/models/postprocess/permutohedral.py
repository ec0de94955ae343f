"""Gaussian filtering of values at scattered points: the permutohedral lattice."""
from typing import Union

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

KEY_BITS = 62  # of an int64 that is never negative, one to spare


class TooFineError(ValueError):
    """The points lie so many standard deviations apart that the lattice around them cannot be numbered."""


class PermutohedralLattice:
    """Sums of values at N points, weighted by a Gaussian of their distance, in time linear in N.

    Each point spreads its value over the d + 1 corners of the simplex around it (splat), the corners exchange with
    their neighbours along each of d + 1 axes (blur), and each point reads its corners (slice). The result is near
    ``sum_j exp(-|f_i - f_j|^2 / 2) v_j``, the point itself included, times a share that is almost the same for all
    points (0.87 for d = 2, 0.65 for d = 5): means are much nearer than sums. Each of the steps is a sparse matrix times
    the values, and torch has a fast one that needs no sparse tensor: an embedding bag sums weighted rows.

    Reference:
        Adams, Baek and Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice", Eurographics 2010.
        Scale, blur of (1/2, 1, 1/2) and the factor 1 / (1 + 2^-d) are those of the code of Kraehenbuehl and Koltun
        (NIPS 2011), which pydensecrf wraps; the sums are the same to rounding. Different from it: corners are found
        by sorting instead of hashing.

    Args:
        features: (N, d) float32, the points, in standard deviations along each axis.
        device: Where values are filtered.

    Shape:
        values (N, C) float32 -> (N, C) float32.

    Raises:
        TooFineError: If the points lie too far apart.
    """

    def __init__(self, features: np.ndarray, device: Union[str, torch.device] = 'cpu') -> None:
        points, dims = features.shape
        cells, ranks, weights = _simplices(features)
        keys, steps = _corner_keys(cells, ranks)
        corners, order, starts = _numbered(keys.reshape(-1))
        vertex_of = np.empty(points * (dims + 1), np.int32)
        vertex_of[order] = np.repeat(np.arange(len(corners), dtype=np.int32), np.diff(starts))

        def there(*arrays: np.ndarray) -> tuple[Tensor, ...]:
            return tuple(torch.from_numpy(array).to(device) for array in arrays)

        weights = weights.reshape(-1)
        self._splat = there((order // (dims + 1)).astype(np.int32), starts, weights[order])
        self._blurs = [there(*_neighbours(corners, steps[axis], dims)) for axis in range(dims + 1)]
        self._slice = there(vertex_of, np.arange(0, len(weights) + 1, dims + 1, dtype=np.int32),
                            weights * np.float32(1 / (1 + 2.0 ** -dims)))

    @property
    def num_corners(self) -> int:
        """How many corners of the lattice the points touch."""
        return len(self._splat[1]) - 1

    def filter(self, values: Tensor) -> Tensor:
        """The weighted sums (N, C) of values (N, C)."""
        values = _weighted_rows(values, self._splat)
        for blur in self._blurs:
            values = _weighted_rows(values, blur)
        return _weighted_rows(values, self._slice)

    def scale(self, before: Tensor, after: Tensor) -> None:
        """Let every later call multiply the values by ``before`` (N,) and the sums by ``after`` (N,)."""
        rows, starts, weights = self._splat
        self._splat = rows, starts, weights * before[rows.long()]
        corners, starts, weights = self._slice
        self._slice = corners, starts, (weights.view(len(after), -1) * after[:, None]).view(-1)


def _weighted_rows(table: Tensor, matrix: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """A sparse matrix, as columns, starts of rows and weights, times a dense one (rows, C)."""
    columns, starts, weights = matrix
    return F.embedding_bag(columns, table, starts, mode='sum', per_sample_weights=weights, include_last_offset=True)


def _simplices(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The simplex around each point.

    Returns:
        ``cells`` (d + 1, N) int32, its corner of remainder 0 divided by d + 1; ``ranks`` (d + 1, N) int8, how many
        coordinates of the point lie further from that corner; ``weights`` (N, d + 1) float32, barycentric, that of
        the corner of remainder k in column k.
    """
    points, dims = features.shape
    axis = np.arange(dims)
    # The standard deviation of splat, blur and slice together is 1 at this scale; the rest is the lattice's basis.
    scales = (np.sqrt(2 / 3) * (dims + 1) / np.sqrt((axis + 1) * (axis + 2))).astype(np.float32)
    up, down = np.float32(dims + 1), np.float32(1 / (dims + 1))
    elevated = np.empty((dims + 1, points), np.float32)
    total = np.zeros(points, np.float32)
    for i in range(dims, 0, -1):
        scaled = features[:, i - 1] * scales[i - 1]
        elevated[i] = total - i * scaled
        total += scaled
    elevated[0] = total
    cells = np.rint(elevated * down)
    offsets = elevated - cells * up
    ranks = np.zeros((dims + 1, points), np.int8)
    for i in range(dims):
        for j in range(i + 1, dims + 1):
            less = offsets[i] < offsets[j]
            ranks[i] += less
            ranks[j] += ~less
    # Rounding each coordinate may leave the plane whose coordinates sum to 0; the nearest ones in rank lead back.
    ranks += cells.sum(0).astype(np.int8)
    for wrong, step in ((ranks < 0, 1), (ranks > dims, -1)):
        ranks[wrong] += np.int8(step * (dims + 1))
        cells[wrong] += np.float32(step)
    ascending = np.empty((points, dims + 1), np.float32)
    np.put_along_axis(ascending, (dims - ranks).T.astype(np.intp), ((elevated - cells * up) * down).T,
                      axis=1)
    weights = np.diff(ascending, axis=1, prepend=ascending[:, -1:] - 1)
    return cells.astype(np.int32), ranks, weights


def _corner_keys(cells: np.ndarray, ranks: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """A number for each corner of each point's simplex.

    The corner of remainder k has the coordinates (d + 1) q_i + k, which sum to 0, so that k and all q but the last
    one tell it. They are the digits of its number.

    Returns:
        ``keys`` (N, d + 1) int64; and for each axis what is added to a corner's number to have its neighbour's, for
        corners of remainder 0 and for the others.
    """
    dims, points = len(cells) - 1, cells.shape[1]
    lowest = cells[:dims].min(axis=1) - 2  # one less is a corner's, and one more its neighbour's
    spans = cells[:dims].max(axis=1) + 2 - lowest
    sizes = [int(span) for span in spans]
    places = [int(np.prod([float(size) for size in sizes[i + 1:]])) * (dims + 1) for i in range(dims)]
    if float(places[0]) * sizes[0] >= 2.0 ** KEY_BITS:
        raise TooFineError
    first = sum((cells[i] - lowest[i]).astype(np.int64) * places[i] for i in range(dims))
    keys = np.empty((points, dims + 1), np.int64)
    for k in range(dims + 1):
        keys[:, k] = first + k
        for i in range(dims if k else 0):
            keys[:, k] -= np.where(ranks[i] > dims - k, places[i], 0)
    up = [*places, 0]
    return keys, [(up[axis] - sum(places) + dims, up[axis] - 1) for axis in range(dims + 1)]


def _numbered(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different keys in ascending order, and where each stands.

    Returns:
        ``unique`` (M,) int64; ``order`` (len(keys),) int64, positions sorted by key and then by position; ``starts``
        (M + 1,) int32, where each key's positions begin in ``order``.
    """
    bits = (len(keys) - 1).bit_length()
    if int(keys.max()).bit_length() + bits <= KEY_BITS:  # a sort of numbers is four times as fast as one of positions
        both = np.sort(keys << bits | np.arange(len(keys)))
        ordered, order = both >> bits, both & (1 << bits) - 1
    else:
        order = np.argsort(keys, kind='stable')
        ordered = keys[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    return ordered[starts], order, np.append(starts, len(keys)).astype(np.int32)


def _neighbours(corners: np.ndarray, steps: tuple[int, int], dims: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The blur along one axis as a sparse matrix: each corner, and half of the neighbours that are there."""
    count = len(corners)
    wanted = corners + np.where(corners % (dims + 1) == 0, *steps)
    found = np.minimum(np.searchsorted(corners, wanted), count - 1)
    here = np.flatnonzero(corners[found] == wanted)
    there = found[here]
    # A row has its own corner, the neighbour on one side, and the one on the other: that whose neighbour it is.
    columns = np.full((count, 3), -1, np.int32)
    columns[:, 0] = np.arange(count)
    columns[here, 1] = there
    columns[there, 2] = here
    kept = columns >= 0
    weights = np.broadcast_to(np.float32([1, 0.5, 0.5]), kept.shape)[kept]
    starts = np.append(0, np.cumsum(kept.sum(axis=1))).astype(np.int32)
    return columns[kept], starts, weights
