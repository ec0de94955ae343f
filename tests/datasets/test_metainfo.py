import pytest

from segkit.datasets.metainfo import fit_metainfo
from segkit.errors import ConfigError

OWN = dict(classes=('a', 'b', 'c'), palette=[[1, 1, 1], [2, 2, 2], [3, 3, 3]])


def test_own_classes_need_no_map():
    info = fit_metainfo('X', OWN, dict(OWN, more=1), None, 255)
    assert info['label_map'] is None and info['more'] == 1 and info['palette'] == OWN['palette']


def test_subset_and_order():
    info = fit_metainfo('X', OWN, dict(OWN, classes=['c', 'a']), None, 99)
    assert info['label_map'] == {0: 1, 1: 99, 2: 0} and info['palette'] == [[3, 3, 3], [1, 1, 1]]
    given = fit_metainfo('X', OWN, dict(classes=['c', 'a'], palette=[[7, 7, 7], [8, 8, 8]]), None, 255)
    assert given['palette'] == [[7, 7, 7], [8, 8, 8]]


def test_stored_labels_are_mapped_before_the_choice():
    info = fit_metainfo('X', OWN, dict(OWN, classes=['b']), {'5': 1, 0: 1}, 255)
    assert info['label_map'] == {0: 0, 1: 0, 2: 255, 5: 0}
    assert fit_metainfo('X', {}, dict(classes=['x', 'y']), {255: 1}, 255)['label_map'] == {255: 1}


@pytest.mark.parametrize('info, word', [
    (dict(), 'names of its classes'), (dict(classes='no/such/file.txt'), 'no/such/file.txt'),
    (dict(classes=['a', 'c', 'a']), "'a' twice"), (dict(OWN, class_names=['a']), 'metainfo.class_names is read by'),
    (dict(OWN, PALETTE=[]), 'metainfo.PALETTE'),
    (dict(classes=['a', 'z']), "'z'"), (dict(classes=['a'], palette=[[0, 0, 0]] * 2), '2 colours for 1')])
def test_errors(info, word):
    with pytest.raises(ConfigError, match=word):
        fit_metainfo('X', OWN, info, None, 255)


def test_classes_without_colours_get_bright_ones():
    palette = fit_metainfo('X', {}, dict(classes=['road', 'crack']), None, 255)['palette']
    assert len(palette) == 2 and min(max(color) for color in palette) > 150
    assert fit_metainfo('X', {}, dict(classes=['background', 'crack']), None, 255)['palette'] == [[0, 0, 0], palette[0]]
