"""Text on pictures."""
import numpy as np

from segkit.visualization.text import canvas, font, text_width


def test_width_is_that_of_the_drawn_letters():
    picture, pen = canvas(40, 400)
    pen.text((0, 20), 'background', fill=(0, 0, 0), font=font(20), anchor='lm')
    columns = np.flatnonzero((np.asarray(picture) < 128).any(axis=(0, 2)))
    assert abs(columns.max() - text_width('background', 20)) <= 3


def test_letters_beyond_ascii_are_known():
    drawn = []
    for text in ('äÉ', 'Ωж', '\U0010ffff\U0010ffff'):  # the last one is the box of an unknown letter
        picture, pen = canvas(30, 60)
        pen.text((2, 2), text, fill=(0, 0, 0), font=font(16))
        drawn.append(np.asarray(picture))
    assert not np.array_equal(drawn[0], drawn[2]) and not np.array_equal(drawn[1], drawn[2])
