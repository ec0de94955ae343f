import numpy as np
import pytest

from segkit.datasets.transforms.label_values import apply_color_map, apply_label_map, check_labels, drop_zero_label
from segkit.errors import DataError


def results(num_classes, **more):
    return dict(num_classes=num_classes, seg_map_path='masks/a.png', **more)


def test_labels_in_range_and_void_pass():
    mask = np.array([[0, 20, 255]], np.uint8)
    check_labels(mask, results(21))
    check_labels(mask.astype(np.int32), results(21))
    check_labels(np.array([[0, 999, 255]], np.int32), results(1000))
    check_labels(np.array([[0, 3, 77]], np.uint8), results(4, ignore_index=77))


@pytest.mark.parametrize('dtype', [np.uint8, np.int32])
def test_a_label_out_of_range_is_named_with_its_count(dtype):
    mask = np.array([[0, 21, 255], [37, 37, 1]], dtype)
    with pytest.raises(DataError) as error:
        check_labels(mask, results(21))
    text = str(error.value)
    assert "'masks/a.png' has 3 pixels with labels outside 0..20 and 255" in text
    assert '21 (1 pixels), 37 (2 pixels)' in text and 'label_map' in text
    assert len(text.splitlines()) <= 4


def test_void_is_the_ignore_index_of_the_dataset_alone():
    with pytest.raises(DataError, match=r'255 \(1 pixels\)'):
        check_labels(np.array([[0, 255]], np.uint8), results(21, ignore_index=77))


def test_negative_labels_are_refused():
    with pytest.raises(DataError, match=r'-1 \(2 pixels\)'):
        check_labels(np.array([[-1, -1, 3]], np.int32), results(21))


def test_a_photo_given_as_mask_is_recognised():
    with pytest.raises(DataError, match='look like a photo'):
        check_labels(np.arange(256, dtype=np.uint8).reshape(16, 16), results(21))
    colours = np.random.RandomState(0).randint(0, 256, (40, 40, 3)).astype(np.uint8)
    with pytest.raises(DataError, match='looks like a photo'):
        apply_color_map(colours, None, 'a.png')


def test_a_mask_of_two_classes_may_show_one_and_void():
    check_labels(np.array([[0, 255, 255]], np.uint8), results(2))  # check_dataset asks whether all of them are so
    with pytest.raises(DataError, match=r'2 \(1 pixels\)'):
        check_labels(np.array([[0, 2, 255]], np.uint8), results(2))


def test_a_mapped_label_is_not_mapped_again():
    mask = np.array([[0, 1, 2, 255]], np.uint8)
    found = apply_label_map(mask, {0: 1, 1: 2, 2: 0})
    assert found.tolist() == [[1, 2, 0, 255]] and found.dtype == np.uint8
    assert mask.tolist() == [[0, 1, 2, 255]]
    assert apply_label_map(mask, {255: 1, 300: 4}).tolist() == [[0, 1, 2, 1]]


def test_label_map_widens_only_when_it_must():
    assert apply_label_map(np.array([[3, 900]], np.int32), {900: 7}).tolist() == [[3, 7]]
    wide = apply_label_map(np.array([[3, 4]], np.uint8), {4: 700})
    assert wide.tolist() == [[3, 700]] and wide.dtype == np.int32


@pytest.mark.parametrize('dtype', [np.uint8, np.int32])
def test_zero_label_becomes_void_and_void_stays(dtype):
    found = drop_zero_label(np.array([[0, 1, 150, 254, 255]], dtype))
    assert found.tolist() == [[255, 0, 149, 253, 255]] and found.dtype == dtype


def test_colours_become_labels():
    rgb = np.array([[[0, 0, 0], [128, 0, 64]], [[128, 0, 64], [1, 2, 3]]], np.uint8)
    found = apply_color_map(rgb, {(128, 0, 64): 1, (0, 0, 0): 0, (1, 2, 3): 255}, 'a.png')
    assert found.tolist() == [[0, 1], [1, 255]] and found.dtype == np.uint8
    with pytest.raises(DataError, match=r"'a.png' has 1 pixels of 1 colours .*\n.*\(1, 2, 3\)"):
        apply_color_map(rgb, {(128, 0, 64): 1, (0, 0, 0): 0}, 'a.png')
    with pytest.raises(DataError, match="'a.png' is an RGB image; .*\nIt has 3 colours: .*color_map"):
        apply_color_map(rgb, None, 'a.png')
