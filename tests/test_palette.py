import cv2
import numpy as np
import pytest
from PIL import Image

from segkit.palette import bright_palette, color_map


def test_colors_are_distinct_and_begin_with_black():
    colors = color_map(256)
    assert colors[0] == [0, 0, 0] and colors[1] == [128, 0, 0] and len({tuple(color) for color in colors}) == 256


def test_colors_are_those_in_real_voc_masks(data_pack):
    mask = Image.open(sorted((data_pack / 'VOC2012/SegmentationClass').iterdir())[0])
    stored = np.array(mask.getpalette()).reshape(-1, 3)
    assert stored[:21].tolist() == color_map(21) and stored[255].tolist() == color_map(256)[255]


def test_the_first_bright_colours_do_not_depend_on_how_many_there_are():
    names = [f'c{k}' for k in range(255)]
    colors = bright_palette(names)
    assert colors[:5] == bright_palette(names[:5]) and len({tuple(color) for color in colors}) == 255
    assert bright_palette([]) == []


@pytest.mark.parametrize('first, black', [('background', True), ('Background', True), ('road', False)])
def test_only_a_class_called_background_is_black(first, black):
    colors = bright_palette([first, 'a', 'b'])
    assert (colors[0] == [0, 0, 0]) is black and [0, 0, 0] not in colors[1:] and len(colors) == 3


@pytest.mark.parametrize('number, least', [(8, 55), (20, 30), (255, 8)])
def test_bright_colours_are_seen_on_dark_photos_and_told_apart(number, least):
    rgb = np.array(bright_palette([f'c{k}' for k in range(number)]), np.float32) / 255
    lab = cv2.cvtColor(rgb[None], cv2.COLOR_RGB2LAB)[0]
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 1e3 * np.eye(number)
    assert apart.min() > least and 50 < lab[:, 0].min() and lab[:, 0].max() < 95
