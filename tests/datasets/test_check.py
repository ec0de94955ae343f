import re

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.registry import FUNCTIONS
from PIL import Image

from segkit.datasets import SeededDataset, check_dataset
from segkit.errors import DataError
from segkit.registry import DATASETS, TRANSFORMS

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


@pytest.fixture
def check(voc_config):
    def check(max_pairs=None, **kwargs):
        return check_dataset(DATASETS.build({**voc_config, 'pipeline': LOAD, **kwargs}), max_pairs)
    return check


@pytest.fixture
def message(check):
    def message(**kwargs) -> str:
        with pytest.raises(DataError) as caught:
            check(**kwargs)
        assert len(str(caught.value).splitlines()) <= 4
        return str(caught.value)
    return message


def test_good_data_give_one_line(check):
    line = check()
    assert re.fullmatch(r'3 pairs checked in \d+\.\d s, 21 classes', line)
    assert FUNCTIONS.get('check_dataset') is check_dataset


def test_nothing_is_written(check, voc_tree):
    before = {path: path.stat().st_mtime_ns for path in voc_tree.rglob('*')}
    check()
    assert {path: path.stat().st_mtime_ns for path in voc_tree.rglob('*')} == before


def test_image_cut_short(message, voc_tree):
    path = voc_tree / 'JPEGImages/b.jpg'
    path.write_bytes(path.read_bytes()[:-40])
    assert str(path) in message() and 'cut short' in message()


def test_mask_cut_short_or_empty_or_no_image(message, voc_tree):
    path = voc_tree / 'SegmentationClass/b.png'
    data = path.read_bytes()
    path.write_bytes(data[:-5])
    assert str(path) in message() and 'cut short' in message()
    for content in (b'<html>not found</html>', data[:20]):
        path.write_bytes(content)
        assert str(path) in message() and 'not an image' in message()
    path.write_bytes(b'')
    assert f'{path} is empty (0 bytes)' in message()


def test_size_that_a_file_cannot_hold(message, voc_tree):
    path = voc_tree / 'SegmentationClass/b.png'
    data = bytearray(path.read_bytes())
    data[16:24] = (100_000).to_bytes(4, 'big') * 2
    path.write_bytes(data)
    assert f'{path} promises 100000x100000 pixels, which a file of its length cannot hold' in message()


def test_masks_without_a_labelled_pixel(message, voc_tree):
    for name in 'abc':
        Image.new('L', (16, 12), 255).save(voc_tree / f'SegmentationClass/{name}.png')
    assert 'hold no labelled pixel' in message() and 'data_prefix.seg_map_path' in message()


def test_mask_of_another_size(message, voc_tree):
    Image.new('L', (12, 16)).save(voc_tree / 'SegmentationClass/b.png')
    text = message()
    assert 'b.png has 12x16' in text and 'b.jpg 16x12' in text


@pytest.mark.parametrize('mode', ['RGB', 'RGBA'])
def test_colored_mask(message, check, voc_tree, mode):
    Image.new(mode, (16, 12)).save(voc_tree / 'SegmentationClass/b.png')
    assert 'b.png' in message() and mode in message() and 'color_map' in message()
    colors = {(0, 0, 0): 0, (1, 1, 1): 1, (2, 2, 2): 2, (3, 3, 3): 3}
    assert check(pipeline=[LOAD[0], dict(type='LoadAnnotations', color_map=colors)])


def test_photo_given_as_mask(message, voc_tree):
    text = message(data_prefix=dict(img_path='JPEGImages', seg_map_path='JPEGImages'), seg_map_suffix='.jpg')
    assert 'JPEG' in text and 'a.jpg' in text and 'seg_map' in text
    assert '2 x JPEG as mask' in text and 'b.jpg' in text


def test_further_findings_are_counted(message, voc_tree):
    Image.new('RGB', (16, 12)).save(voc_tree / 'SegmentationClass/b.png')
    path = voc_tree / 'JPEGImages/c.jpg'
    path.write_bytes(path.read_bytes()[:-40])
    text = message()
    assert 'b.png' in text.splitlines()[0] and '1 x cut short' in text and '3 samples' in text and 'c.jpg' in text


def test_label_out_of_range(message, voc_tree):
    mask = np.zeros((12, 16), np.uint8)
    mask[2:4, 5:8] = 37
    Image.fromarray(mask).save(voc_tree / 'SegmentationClass/b.png')
    text = message()
    assert 'b.png' in text and '37' in text and '6 pixels' in text


def test_files_to_be_skipped_are_named_and_counted(check, voc_config, voc_tree):
    Image.new('RGB', (16, 12)).save(voc_tree / 'SegmentationClass/b.png')
    mask = np.full((12, 16), 37, np.uint8)
    Image.fromarray(mask).save(voc_tree / 'SegmentationClass/c.png')
    dataset, found = DATASETS.build(dict(voc_config, pipeline=LOAD, bad_samples='skip')), {}
    line = check_dataset(dataset, found=found)
    assert line.startswith('3 pairs checked') and '2 files are to be skipped (bad_samples; 10 may be)' in line
    assert 'b.png is an RGB image' in line and '37 (192 pixels)' in line
    assert [file[-5:] for file in found] == ['b.png', 'c.png']
    (voc_tree / 'JPEGImages/a.jpg').unlink()
    with pytest.raises(DataError, match='more than the 2 that bad_samples.limit') as caught:
        check(bad_samples=dict(policy='skip', limit=2))
    assert 'a.jpg' in str(caught.value) and '3 files of 3 samples' in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4


def test_only_the_dataset_that_skips_is_lenient(voc_config, voc_tree):
    lenient = DATASETS.build(dict(voc_config, pipeline=LOAD, bad_samples='skip'))
    strict = DATASETS.build(dict(voc_config, pipeline=LOAD))
    Image.new('RGB', (16, 12)).save(voc_tree / 'SegmentationClass/b.png')
    assert '1 file is to be skipped' in check_dataset(RepeatDataset(lenient, times=3))
    with pytest.raises(DataError, match='b.png is an RGB image'):
        check_dataset(ConcatDataset([lenient, strict]))


def test_masks_of_0_and_255(message, check, voc_tree):
    mask = np.zeros((12, 16), np.uint8)
    mask[3:] = 255
    for name in 'abc':
        Image.fromarray(mask).save(voc_tree / f'SegmentationClass/{name}.png')
    assert 'label_map={255: 1}' in message()
    assert check(label_map={255: 1}) and check(label_map={255: 255})


def test_turned_photo(message, check, voc_tree):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (16, 12)).save(voc_tree / 'JPEGImages/b.jpg', exif=exif)
    assert 'EXIF' in message() and '12x16' in message()
    kept = [dict(type='LoadImageFromFile', color_type='color_ignore_orientation'), LOAD[1]]
    assert check(pipeline=kept)
    Image.new('L', (12, 16)).save(voc_tree / 'SegmentationClass/b.png')
    assert check()


def test_wrappers(voc_config):
    dataset = DATASETS.build(dict(voc_config, pipeline=LOAD))
    assert check_dataset(SeededDataset(ConcatDataset([dataset, dataset]))).startswith('6 pairs')
    assert check_dataset(RepeatDataset(dataset, times=3)).startswith('3 pairs')
    assert check_dataset(range(4)).startswith('0 images')


def test_images_without_masks(check, voc_tree):
    (voc_tree / 'SegmentationClass/a.png').write_bytes(b'')
    assert check(pipeline=LOAD[:1]).startswith('3 images')
    assert check(data_prefix=dict(img_path='JPEGImages')).startswith('3 images')


def test_a_part_of_the_pairs(check, voc_tree):
    (voc_tree / 'JPEGImages/b.jpg').write_bytes(b'')
    assert check(max_pairs=2).startswith('2 pairs')  # the first and the last
    with pytest.raises(DataError):
        check(max_pairs=3)


def test_masks_inside_test_time_augmentation_are_found(message, voc_tree):
    Image.new('RGB', (16, 12)).save(voc_tree / 'SegmentationClass/a.png')
    versions = [[dict(type='LoadAnnotations', color_map={(0, 0, 0): 0})], [dict(type='PackSegInputs')]]
    pipeline = [LOAD[0], dict(type='TestTimeAug', transforms=versions)]
    path = voc_tree / 'SegmentationClass/b.png'
    path.write_bytes(path.read_bytes()[:-5])
    text = message(pipeline=pipeline)
    assert 'b.png' in text and 'RGB' not in text  # the mask is looked at, and its colour map was found


def test_headers_are_enough_for_all_but_a_few_masks(data_pack, monkeypatch):
    dataset = DATASETS.build(dict(
        type='PascalVOCDataset', data_root=str(data_pack / 'VOC2012'), pipeline=LOAD,
        ann_file='ImageSets/Segmentation/trainval.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass')))
    decoded = {'LoadImageFromFile': 0, 'LoadAnnotations': 0}
    for name in decoded:
        cls = TRANSFORMS.get(name)

        def counted(self, results, name=name, plain=cls.transform):
            decoded[name] += 1
            return plain(self, results)

        monkeypatch.setattr(cls, 'transform', counted)
    assert check_dataset(dataset).startswith('832 pairs checked')
    assert decoded == {'LoadImageFromFile': 0, 'LoadAnnotations': 16}


def test_a_folder_in_an_image_s_place_need_not_be_copied_again(message, voc_tree):
    (voc_tree / 'JPEGImages/b.jpg').unlink()
    (voc_tree / 'JPEGImages/b.jpg').mkdir()
    said = message(pipeline=LOAD)
    assert 'b.jpg is a folder' in said and 'Copy it again' not in said


def test_a_file_that_may_not_be_read_need_not_be_copied_again(message, voc_tree, monkeypatch):
    def forbidden(path):
        raise PermissionError(13, 'Permission denied')
    monkeypatch.setattr('segkit.datasets.check.read_header', forbidden)  # root may read everything
    said = message(pipeline=LOAD)
    assert 'Permission denied' in said and 'chmod u+r' in said and 'Copy it again' not in said
