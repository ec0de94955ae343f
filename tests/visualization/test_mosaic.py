"""Sheets of small pictures."""
import numpy as np
import pytest

from segkit.visualization import mosaic


@pytest.mark.parametrize('shape, expected', [((100, 50), (60, 30)), ((30, 160), (15, 80)), ((10, 10), (60, 60))])
def test_fit_keeps_proportions(shape, expected):
    assert mosaic.fit(np.zeros((*shape, 3), np.uint8), (60, 80)).shape[:2] == expected


def test_fit_mask_takes_the_nearest():
    mask = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(mosaic.fit_mask(mask, (4, 6)), mask.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(mosaic.fit_mask(mask.repeat(3, 0).repeat(3, 1), (2, 3)), mask)


def test_error_picture():
    image = np.full((1, 4, 3), (0, 100, 200), np.uint8)
    drawn = mosaic.error_picture(image, np.array([[0, 1, 255, 1]]), np.array([[0, 0, 1, 1]]))
    right, wrong, void, also_right = drawn[0].astype(int)
    assert right.tolist() == also_right.tolist() and len(set(right)) == 1 and right[0] > 160
    assert wrong[0] > 180 and wrong[1] < 90 and wrong[2] < 90
    assert void.tolist() == list(mosaic.VOID_YELLOW)
    assert np.ptp(void) > 100, 'no grey that the photo has too'


def test_sheet_shows_every_cell():
    rows = [[np.full((20, 30, 3), (10 * r + c, 0, 99), np.uint8) for c in range(2)] for r in range(3)]
    drawn = mosaic.sheet(rows, (20, 30))
    for r in range(3):
        for c in range(2):
            assert (drawn == (10 * r + c, 0, 99)).all(-1).sum() == 600
    assert (drawn[0] == 255).all() and (drawn[:, -1] == 255).all()


def test_words_and_legend_add_room():
    rows = [[np.zeros((80, 120, 3), np.uint8)] * 3]
    bare = mosaic.sheet(rows, (80, 120))
    full = mosaic.sheet(rows, (80, 120), titles=['a', 'b', 'c'], captions=['one'], heading='Sheet',
                        legend=[('cat', (250, 1, 2)), ('dog', (3, 250, 4))])
    assert full.shape[1] == bare.shape[1] and full.shape[0] > bare.shape[0] + 60
    assert (full == (250, 1, 2)).all(-1).sum() > 100 and (full == (3, 250, 4)).all(-1).sum() > 100


def test_a_note_stands_under_the_heading():
    rows = [[np.zeros((80, 300, 3), np.uint8)]]
    one, two = (mosaic.sheet(rows, (80, 300), heading=heading) for heading in ('Sheet', 'Sheet\nwith a note'))
    added = two.shape[0] - one.shape[0]
    below = [k for k, row in enumerate(two[:added + 30]) if (row < 120).all(-1).any()]
    assert added > 15 and max(np.diff(below)) > 3, 'two lines of letters, apart'


def test_rows_side_by_side_are_of_one_height():
    flat, high = np.full((20, 30, 3), 7, np.uint8), np.full((51, 30, 3), 9, np.uint8)
    (left, untouched), (right, _) = mosaic.level([[flat, flat], [high, high]])
    assert left.shape == right.shape == (51, 30, 3) and untouched.shape == (20, 30, 3)
    assert (left == 7).all(-1).sum() == 600 and (left[15:35] == 7).all()


def test_a_long_legend_is_wrapped():
    rows = [[np.zeros((20, 200, 3), np.uint8)]]
    legend = [(f'a rather long class name {k}', (k + 1, 250, 7)) for k in range(6)]
    drawn = mosaic.sheet(rows, (20, 200), legend=legend)
    assert all((drawn == colour).all(-1).any() for _, colour in legend)


def test_cells_follow_the_pictures():
    assert mosaic.cell_size([(100, 200), (100, 200), (300, 100)], 300) == (150, 300)
