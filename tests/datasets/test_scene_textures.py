import numpy as np
import pytest

from segkit.datasets import scene_textures as t
from segkit.datasets.scenes import KINDS

V, U = np.mgrid[-40:41, -40:41].astype(float)


@pytest.mark.parametrize('shape', [shape for _, shape, _ in KINDS])
def test_shape_lies_around_the_centre_and_grows_with_its_radius(shape):
    inside = [(shape(U, V, r) < 0).sum() for r in (10, 20)]
    assert 100 < inside[0] < inside[1] / 3 and inside[1] < 40 * 50
    distance = shape(U, V, 20)
    slope = np.hypot(*np.gradient(distance))[abs(distance) < 3]
    assert 0.4 < slope.min() and slope.max() < 2  # about a distance: the anti-aliased edge is a pixel or two wide


@pytest.mark.parametrize('pattern', [pattern for _, _, pattern in KINDS])
def test_pattern_uses_both_colors(pattern):
    values = pattern(U, V, 8)
    assert values.min() >= 0 and values.max() <= 1
    assert (values < 0.2).mean() > 0.15 and (values > 0.8).mean() > 0.1


def test_stripes_stand_upright_with_their_period():
    values = t.stripes(U, V, 10)
    assert (values == values[0]).all() and np.allclose(values[:, :-10], values[:, 10:])
