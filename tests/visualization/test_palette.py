"""Colours of classes."""
import numpy as np
import pytest
from PIL import Image

from segkit.visualization.palette import colour_table, default_palette


def test_first_colours_are_vocs():
    assert default_palette(21)[[0, 1, 15, 20]].tolist() == [[0, 0, 0], [128, 0, 0], [192, 128, 128], [0, 64, 128]]


def test_all_colours_differ():
    assert len(np.unique(default_palette(256), axis=0)) == 256


def test_equals_the_palette_in_vocs_own_files(data_pack):
    path = next((data_pack / 'VOC2012' / 'SegmentationClass').glob('*.png'))
    own = np.array(Image.open(path).getpalette()).reshape(-1, 3)
    np.testing.assert_array_equal(default_palette(256)[:len(own)], own)


@pytest.mark.parametrize('classes, size', [(21, 256), (300, 300)])
def test_table_has_a_colour_for_every_value(classes, size):
    table = colour_table(classes, [(k % 256, 0, 1) for k in range(classes)])
    assert table.shape == (size, 3) and table[20].tolist() == [20, 0, 1]
