import numpy as np
from PIL import Image

from segkit.datasets.palette import color_map


def test_colors_are_distinct_and_begin_with_black():
    colors = color_map(256)
    assert colors[0] == [0, 0, 0] and colors[1] == [128, 0, 0] and len({tuple(color) for color in colors}) == 256


def test_colors_are_those_in_real_voc_masks(data_pack):
    mask = Image.open(sorted((data_pack / 'VOC2012/SegmentationClass').iterdir())[0])
    stored = np.array(mask.getpalette()).reshape(-1, 3)
    assert stored[:21].tolist() == color_map(21) and stored[255].tolist() == color_map(256)[255]
