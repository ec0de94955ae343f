"""Figures: sizes, and that what they must show is there."""
import numpy as np
import pytest

from segkit.visualization import figures


def is_picture(drawn: np.ndarray) -> bool:
    return drawn.dtype == np.uint8 and drawn.ndim == 3 and drawn.shape[2] == 3 and len(np.unique(drawn)) > 10


def test_curves_leave_empty_panels_out():
    line = {'loss': ([1, 2, 3], [3.0, 2.0, 1.0])}
    one, two = figures.curves({'a': line, 'b': {}}), figures.curves({'a': line, 'b': line})
    assert is_picture(one) and is_picture(two) and two.shape[1] > 1.8 * one.shape[1]


@pytest.mark.parametrize('value', [50.0, 1e-5, 0.0, -2.0, float('nan')])
def test_a_single_point_has_axes_from_zero(value, monkeypatch):
    figures_drawn = []
    monkeypatch.setattr(figures, '_pixels', lambda figure: figures_drawn.append(figure))
    figures.curves({'score': {'mIoU': ([4], [value])}})
    axes = figures_drawn[0].axes[0]
    assert axes.get_xlim()[0] == 0 and 4 < axes.get_xlim()[1] < 5
    assert all(float(tick).is_integer() for tick in axes.get_xticks())
    low, high = axes.get_ylim()
    assert low <= 0 <= high and high - low >= abs(np.nan_to_num(value))


def test_curves_of_nothing():
    assert figures.curves({}).ndim == 3


def test_confusion_matrix_is_dark_where_the_counts_are():
    confusion = np.zeros((3, 3), int)
    confusion[2, 0] = 1000  # true class 2, predicted 0: the lower left
    for normalize in (False, True):
        drawn = figures.confusion_figure(confusion, ('a', 'b', 'c'), normalize)
        assert is_picture(drawn)
        plot = drawn[:, :int(0.8 * drawn.shape[1])].astype(int)  # without the colour bar
        dark = np.argwhere((plot[..., 2] > 80) & (plot[..., 0] < 40))
        y, x = dark.mean(axis=0) / plot.shape[:2]
        assert y > 0.55 and x < 0.5
        top, left, bottom, right = *dark.min(axis=0), *dark.max(axis=0)
        assert (plot[top:bottom, left:right].min(axis=-1) > 200).any(), 'the number stands in its cell'


def test_absent_rows_are_not_zero():
    confusion = np.array([[5, 5], [0, 0]])
    assert is_picture(figures.confusion_figure(confusion, ('a', 'b'), normalize=True))


@pytest.fixture
def drawn_axes(monkeypatch):
    """The axes of the figure that was drawn."""
    kept, pixels = [], figures._pixels
    monkeypatch.setattr(figures, '_pixels', lambda figure: kept.append(figure) or pixels(figure))
    return lambda: kept[-1].axes[0]


@pytest.mark.parametrize('normalize', [False, True])
def test_classes_that_occur_nowhere_are_left_out(drawn_axes, normalize):
    confusion = np.zeros((21, 21), int)
    confusion[0, 0], confusion[3, 0], confusion[3, 3], confusion[0, 7] = 900, 50, 70, 5  # 7 is only predicted
    figures.confusion_figure(confusion, [f'c{k}' for k in range(21)], normalize)
    axes = drawn_axes()
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ['c0', 'c3', 'c7']
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ['c0', 'c3', 'c7']
    assert '3 of 21 classes' in axes.get_title(loc='left')
    assert sorted((text.get_position(), text.get_text()) for text in axes.texts if not normalize) == (
        [] if normalize else [((0, 0), '900'), ((0, 1), '50'), ((1, 1), '70'), ((2, 0), '5')])
    shown = axes.images[0].get_array()
    assert shown[1, 0] == pytest.approx(100 * 50 / 120 if normalize else 50)


def test_nothing_counted_shows_every_class(drawn_axes):
    figures.confusion_figure(np.zeros((3, 3), int), ('a', 'b', 'c'))
    assert len(drawn_axes().get_xticklabels()) == 3 and 'of' not in drawn_axes().get_title(loc='left')


def test_large_counts_have_different_colours(drawn_axes):
    figures.confusion_figure(np.array([[117_000, 300], [41_000, 96_000]]), ('a', 'b'))
    image = drawn_axes().images[0]
    small, middle, large, largest = (image.norm(value) for value in (300, 41_000, 96_000, 117_000))
    assert largest - large > 0.05 and large - middle > 0.2 and small > 0.05


def test_many_classes():
    confusion = np.diag(np.arange(1, 61))
    assert is_picture(figures.confusion_figure(confusion, [f'c{k}' for k in range(60)]))


def test_bars_have_the_classes_colours():
    colours = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250]], np.uint8)
    drawn = figures.iou_bars(('a', 'b', 'c'), [80.0, 40.0, float('nan')], colours)
    red, green, blue = ((drawn == colour).all(-1).sum() for colour in colours)
    assert red == pytest.approx(2 * green, rel=0.05) and blue == 0


def test_bars_end_at_100_and_their_numbers_are_not_cut(drawn_axes):
    drawn = figures.iou_bars(('a', ), [100.0], np.array([[250, 0, 0]], np.uint8))
    assert drawn_axes().get_xlim() == (0, 100)
    right = np.argwhere((drawn == (250, 0, 0)).all(-1))[:, 1].max()
    number = np.argwhere((drawn[:, right + 3:] < 80).all(-1))[:, 1]
    assert len(number) > 20 and number.max() < drawn.shape[1] - right - 5


def test_bars_without_any_score():
    assert is_picture(figures.iou_bars(('a', ), [float('nan')], np.zeros((1, 3), np.uint8)))


@pytest.mark.parametrize('value, text', [(7, '7'), (950, '950'), (1234, '1.2k'), (12345, '12k'), (3.44e6, '3.4M'),
                                         (2e9, '2.0G')])
def test_short_counts(value, text):
    assert figures.short_count(value) == text
