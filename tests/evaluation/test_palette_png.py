"""Label maps as PNG."""
import numpy as np
from PIL import Image

from segkit.evaluation.palette_png import write_palette_png


def test_indices_and_colours_read_back(tmp_path):
    mask = np.array([[0, 1, 2], [2, 255, 0]], np.uint8)
    path = str(tmp_path / 'a.png')
    write_palette_png(path, mask, [(1, 2, 3), (4, 5, 6), (7, 8, 9)])
    image = Image.open(path)
    assert image.mode == 'P'
    np.testing.assert_array_equal(np.asarray(image), mask)
    assert np.asarray(image.convert('RGB'))[1].tolist() == [[7, 8, 9], [224, 224, 192], [1, 2, 3]]


def test_more_than_256_classes(tmp_path):
    mask = np.array([[0, 299]])
    write_palette_png(str(tmp_path / 'a.png'), mask, [(0, 0, 0)] * 300)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'a.png')), mask)
