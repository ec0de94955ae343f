import cv2
import numpy as np
import pytest
from PIL import Image

from segkit.datasets.transforms import LoadAnnotations, LoadImageFromFile, LoadImageFromNDArray, Resize
from segkit.errors import ConfigError, DataError


@pytest.fixture
def pair(tmp_path):
    """A photo of 40x30 pixels and its palette mask, which holds 0, 1, 2 and 255."""
    photo = np.random.RandomState(0).randint(0, 256, (30, 40, 3)).astype(np.uint8)
    mask = np.random.RandomState(1).choice([0, 1, 2, 255], (30, 40)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), photo)
    save(tmp_path / 'a_mask.png', mask)
    return photo, mask, dict(img_path=str(tmp_path / 'a.png'), seg_map_path=str(tmp_path / 'a_mask.png'),
                             label_map=None, reduce_zero_label=False, seg_fields=[], num_classes=3)


def save(path, mask):
    image = Image.fromarray(mask, 'P')
    image.putpalette(np.random.RandomState(2).randint(0, 256, 768).tolist())
    image.save(path)


def test_photo_and_shapes(pair):
    photo, _, results = pair
    found = LoadImageFromFile()(results)
    assert np.array_equal(found['img'], photo)  # BGR, as OpenCV wrote it
    assert found['img_shape'] == found['ori_shape'] == (30, 40)
    assert LoadImageFromFile(to_float32=True)(results)['img'].dtype == np.float32


def test_an_unreadable_photo_is_an_error_or_skipped_on_demand(tmp_path):
    results = dict(img_path=str(tmp_path / 'gone.jpg'))
    with pytest.raises(DataError, match='gone.jpg'):
        LoadImageFromFile()(results)
    assert LoadImageFromFile(ignore_empty=True)(results) is None


@pytest.mark.parametrize('option', [dict(color_type='colour'), dict(imdecode_backend='cv3')])
def test_an_unknown_way_to_decode_is_refused_at_once(option):
    with pytest.raises(ConfigError, match='color_type color, .*\n.*' + next(iter(option.values()))):
        LoadImageFromFile(**option)


def test_an_array_stands_for_a_file():
    found = LoadImageFromNDArray()(dict(img=np.zeros((5, 7, 3), np.uint8)))
    assert found['ori_shape'] == found['img_shape'] == (5, 7) and found['img_path'] is None


def test_mask_is_read_as_indices(pair):
    _, mask, results = pair
    found = LoadAnnotations()(LoadImageFromFile()(results))
    assert np.array_equal(found['gt_seg_map'], mask) and found['gt_seg_map'].dtype == np.uint8
    assert found['seg_fields'] == ['gt_seg_map']


def test_mask_alone_is_checked_for_labels_only_if_the_number_of_classes_is_known(pair):
    _, mask, results = pair
    with pytest.raises(DataError, match=r'a_mask.png.* outside 0..1 and 255:\n2 \('):
        LoadAnnotations()({**results, 'num_classes': 2, 'seg_fields': []})
    results.pop('num_classes')
    assert np.array_equal(LoadAnnotations()(results)['gt_seg_map'], mask)


def test_zero_label_first_and_label_map_after(pair):
    _, mask, results = pair
    found = LoadAnnotations()({**results, 'reduce_zero_label': True, 'label_map': {0: 1, 1: 0}, 'seg_fields': []})
    expected = np.choose(np.searchsorted([0, 1, 2, 255], mask), [255, 1, 0, 255])
    assert np.array_equal(found['gt_seg_map'], expected)


def test_two_answers_about_the_zero_label_are_refused(pair):
    with pytest.raises(ConfigError, match='LoadAnnotations.reduce_zero_label=True, but the dataset'):
        LoadAnnotations(reduce_zero_label=True)(pair[2])


def test_a_dataset_without_masks_is_explained():
    with pytest.raises(ConfigError, match='no mask to read for .a.jpg'):
        LoadAnnotations()(dict(img_path='a.jpg', seg_fields=[]))


def test_rgb_masks_go_through_the_colour_map(pair, tmp_path):
    _, _, results = pair
    rgb = np.zeros((30, 40, 3), np.uint8)
    rgb[:10] = (200, 30, 4)
    Image.fromarray(rgb).save(tmp_path / 'rgb.png')
    results['seg_map_path'] = str(tmp_path / 'rgb.png')
    with pytest.raises(DataError, match='rgb.png.*RGB image'):
        LoadAnnotations()(results)
    colors = {(0, 0, 0): 0, (200, 30, 4): 2}
    found = LoadAnnotations(color_map=colors)({**results, 'seg_fields': []})
    assert (found['gt_seg_map'][:10] == 2).all() and (found['gt_seg_map'][10:] == 0).all()


@pytest.mark.parametrize('resized', [False, True])
def test_a_mask_of_another_size_is_refused_before_and_after_resizing(pair, tmp_path, resized):
    _, mask, results = pair
    save(tmp_path / 'b_mask.png', mask[:-1])
    results = LoadImageFromFile()({**results, 'seg_map_path': str(tmp_path / 'b_mask.png')})
    if resized:
        results = Resize(scale=(80, 60))(results)
    with pytest.raises(DataError, match=r"b_mask.png' has 40x29 pixels, but its photo\n.*a.png' has 40x30"):
        LoadAnnotations()(results)


def test_a_mask_loaded_after_resizing_keeps_its_size(pair):
    _, mask, results = pair
    found = LoadAnnotations()(Resize(scale=(80, 60))(LoadImageFromFile()(results)))
    assert found['img'].shape == (60, 80, 3) and np.array_equal(found['gt_seg_map'], mask)


def test_a_turned_photo_is_explained(pair, tmp_path):
    _, mask, results = pair
    save(tmp_path / 'turned.png', np.ascontiguousarray(mask.T))
    with pytest.raises(DataError, match='EXIF'):
        LoadAnnotations()(LoadImageFromFile()({**results, 'seg_map_path': str(tmp_path / 'turned.png')}))


def test_file_client_args_is_the_older_name_of_backend_args(tmp_path):
    for cls in (LoadImageFromFile, LoadAnnotations):
        assert cls(file_client_args=dict(backend='disk')).backend_args is None
        assert cls(file_client_args=dict(backend='petrel')).backend_args == dict(backend='petrel')
        with pytest.raises(ConfigError, match='Keep backend_args'):
            cls(backend_args=dict(backend='http'), file_client_args=dict(backend='disk'))
