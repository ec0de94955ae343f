"""Tinted photos and their legend, pixel by pixel."""
import numpy as np
import pytest

from segkit.visualization import overlay
from segkit.visualization.palette import colour_table

COLOURS = colour_table(3, [(0, 0, 0), (200, 0, 0), (0, 0, 200)])


def photo(height=40, width=60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_plain_pixels_are_the_photo_and_others_are_mixed():
    image, mask = photo(), np.zeros((40, 60), np.uint8)
    mask[10:30, 10:30], mask[35:] = 1, 255
    drawn = overlay.tint(image, mask, COLOURS, plain=(0, 255), alpha=0.5)
    untouched = (mask == 0) | (mask == 255)
    np.testing.assert_array_equal(drawn[untouched], image[untouched])
    inside = drawn[12:28, 12:28].astype(float)
    expected = 0.5 * image[12:28, 12:28] + 0.5 * np.array([200, 0, 0])
    assert np.abs(inside - expected).max() <= 1
    np.testing.assert_array_equal(drawn[10, 10:30], np.broadcast_to([228, 128, 128], (20, 3)))  # the thin line


def test_regions_with_a_common_edge_are_parted_by_a_line():
    mask = np.ones((10, 20), np.uint8)
    mask[:, 10:] = 2
    edges = overlay.region_edges(mask)
    assert edges[:, 9:11].all() and edges.sum() == 20


def test_lines_are_wider_in_large_pictures():
    mask = np.zeros((2000, 1500), np.uint8)
    mask[:, 700:] = 1
    assert overlay.region_edges(mask)[0].sum() == 6


def test_alpha_zero_is_the_photo_inside_regions():
    image, mask = photo(), np.ones((40, 60), np.uint8)
    np.testing.assert_array_equal(overlay.tint(image, mask, COLOURS, plain=(), alpha=0), image)


def test_areas_largest_first():
    assert overlay.areas(np.array([[2, 2, 2, 255]], np.uint8)) == {2: 0.75, 255: 0.25}


@pytest.mark.parametrize('height, width', [(30, 20), (375, 500), (1400, 700)])
def test_legend_is_added_beside_the_photo(height, width):
    image, mask = photo(height, width), np.zeros((height, width), np.uint8)
    mask[:, 5:] = 1
    drawn = overlay.add_legend(image, mask, ('background', 'cat', 'dog'), COLOURS, plain=(0, 255))
    np.testing.assert_array_equal(drawn[:height, :width], image)
    panel = drawn[:, width:]
    assert panel.shape[1] > 60 and drawn.shape[0] >= height
    assert (panel == [200, 0, 0]).all(-1).sum() > 50, 'swatch of the class that occurs'
    assert not (panel == [0, 0, 200]).all(-1).any(), 'no swatch of the class that does not'
    assert (panel < 60).all(-1).sum() > 30, 'letters'
    assert (panel[:, -1] == 255).all(), 'nothing is cut off at the right'


def test_a_long_legend_gets_columns_and_room():
    panel = overlay.legend_panel([(f'class {k}', '1.0 %', (k, k, k)) for k in range(150)], height=100)
    short = overlay.legend_panel([('class 0', '1.0 %', (0, 0, 0))], height=100)
    assert panel.shape[1] > 10 * short.shape[1] and panel.shape[0] < 250


def test_a_mask_lies_at_the_upper_left_of_a_padded_photo():
    mask = np.array([[0, 1], [2, 1]], np.uint8)
    drawn = overlay.over_padded(mask, (2, 4), (3, 5))
    np.testing.assert_array_equal(drawn, [[0, 0, 1, 1, 255], [2, 2, 1, 1, 255], [255] * 5])
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(overlay.over_padded(mask, (2, 2), (2, 2)), mask)
