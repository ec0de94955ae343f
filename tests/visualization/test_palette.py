"""Colours of classes."""
import pytest

from segkit.visualization.palette import colour_table


@pytest.mark.parametrize('classes, size', [(21, 256), (300, 300)])
def test_table_has_a_colour_for_every_value(classes, size):
    table = colour_table(classes, [(k % 256, 0, 1) for k in range(classes)])
    assert table.shape == (size, 3) and table[20].tolist() == [20, 0, 1]


def test_without_a_palette_the_colours_are_vocs():
    assert colour_table(21)[[0, 1, 15, 20, 30]].tolist() == [
        [0, 0, 0], [128, 0, 0], [192, 128, 128], [0, 64, 128], [128, 128, 128]]
