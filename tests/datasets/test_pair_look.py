"""What one reading of a pair tells, against what the dataset's own pipeline makes of the same files."""
import io
import os
import struct
import zlib
from collections import Counter

import cv2
import numpy as np
import pytest
from PIL import Image

from segkit.datasets.pair_look import look_at_pairs, reading_of
from segkit.errors import ConfigError
from segkit.registry import DATASETS, TRANSFORMS

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


@pytest.fixture
def built(voc_config):
    """A function that builds the dataset of the mini tree, and looks at all its pairs."""
    def built(num_classes=21, **kwargs):
        dataset = DATASETS.build({**voc_config, 'pipeline': LOAD, 'bad_samples': 'skip', **kwargs})
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        pairs = [(info['img_path'], info.get('seg_map_path'), 'hint') for info in infos]
        return dataset, look_at_pairs((reading_of(dataset, num_classes), pairs))
    return built


def counted(array):
    return {int(value): int(count) for value, count in zip(*np.unique(array, return_counts=True))}


@pytest.mark.parametrize('options', [
    {}, dict(reduce_zero_label=True), dict(label_map={1: 4, 2: 255}), dict(label_map={0: 3}, reduce_zero_label=True),
    dict(ignore_index=2)])
def test_labels_are_counted_as_the_pipeline_gives_them(built, voc_tree, options):
    rng = np.random.default_rng(0)
    for name in 'abc':
        mask = rng.choice([0, 1, 2, 3, 255], (12, 16)).astype(np.uint8)
        Image.fromarray(mask).save(voc_tree / f'SegmentationClass/{name}.png')
    dataset, looks = built(**options)
    for i, look in enumerate(looks):
        if 255 != dataset.ignore_index:
            assert [finding.kind for finding in look.findings] == ['labels']
            assert look.mask.wrong == {255: look.mask.stored[255]} and look.mask.labels == {}
            continue
        assert look.findings == [] and look.mask.wrong == {}
        assert look.mask.labels == counted(dataset[i]['gt_seg_map'])
        assert look.mask.stored == counted(Image.open(dataset.get_data_info(i)['seg_map_path']))


def test_real_pairs(data_pack):
    dataset = DATASETS.build(dict(
        type='PascalVOCDataset', data_root=str(data_pack / 'VOC2012'), ann_file='ImageSets/Segmentation/val_2007.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'), pipeline=LOAD, indices=12))
    infos = [dataset.get_data_info(i) for i in range(12)]
    looks = look_at_pairs((reading_of(dataset, 21), [(i['img_path'], i['seg_map_path'], '') for i in infos]))
    for i, look in enumerate(looks):
        sample = dataset[i]
        assert look.findings == [] and look.photo.size == sample['img'].shape[:2]
        assert look.mask.labels == counted(sample['gt_seg_map']) and look.mask.color == 'palette'
        img = sample['img'].reshape(-1, 3).astype(float)
        assert np.allclose(look.photo.sums, [img.sum(0), (img ** 2).sum(0)])
    assert len({look.photo.pixels for look in looks}) == 12


def test_equal_pixels_have_equal_hashes_and_other_shapes_others(built, voc_tree):
    Image.open(voc_tree / 'JPEGImages/a.jpg').save(voc_tree / 'a.png')
    (voc_tree / 'JPEGImages/b.jpg').write_bytes((voc_tree / 'a.png').read_bytes())
    Image.new('RGB', (12, 16), (30, 30, 30)).save(voc_tree / 'c.png')
    (voc_tree / 'JPEGImages/c.jpg').write_bytes((voc_tree / 'c.png').read_bytes())
    cv2.imwrite(str(voc_tree / 'JPEGImages/d.png'), np.full((16, 12, 3), 30, np.uint8))
    a, b, c = (look.photo for look in built()[1])
    assert a.pixels == b.pixels and a.content != b.content and c.pixels != a.pixels


@pytest.mark.parametrize('mode, format, color, kinds', [
    ('RGB', 'JPEG', 'RGB', []), ('L', 'JPEG', 'grey', ['grey photo']), ('CMYK', 'JPEG', 'CMYK', ['CMYK photo']),
    ('RGBA', 'PNG', 'RGBA', ['alpha photo']), ('LA', 'PNG', 'grey and alpha', ['alpha photo']),
    ('P', 'PNG', 'palette', []), ('I;16', 'PNG', 'grey', ['16-bit photo']), ('RGB', 'BMP', 'RGB', []),
    ('RGB', 'TIFF', 'RGB', []), ('RGBA', 'TIFF', 'RGBA', ['alpha photo']), ('RGB', 'WEBP', 'RGB', [])])
def test_kinds_of_photos(built, voc_tree, mode, format, color, kinds):
    Image.new(mode, (16, 12)).save(voc_tree / 'JPEGImages/a.jpg', format)
    look = built()[1][0]
    assert look.photo.color == color and [finding.kind for finding in look.findings] == kinds
    assert look.photo.size == (12, 16)


@pytest.mark.parametrize('mode', ['RGBA', 'LA'])
def test_an_alpha_channel_that_hides_nothing_is_nothing_to_tell(built, voc_tree, mode):
    opaque = Image.new(mode, (16, 12), (9,) * (len(mode) - 1) + (255,))
    opaque.save(voc_tree / 'JPEGImages/a.jpg', 'PNG')
    opaque.putpixel((3, 4), (9,) * (len(mode) - 1) + (254,))
    opaque.save(voc_tree / 'JPEGImages/b.jpg', 'PNG')
    looks = built()[1]
    assert [[finding.kind for finding in look.findings] for look in looks] == [[], ['alpha photo'], []]


@pytest.mark.parametrize('orientation, flag, turned_mask, kinds', [
    (6, 'color', False, ['EXIF orientation']), (6, 'color', True, []), (6, 'color_ignore_orientation', False, []),
    (6, 'color_ignore_orientation', True, ['size']), (3, 'color', False, ['EXIF unclear']), (1, 'color', False, []),
    (2, 'color_ignore_orientation', False, ['EXIF unclear'])])
def test_exif_orientation(built, voc_tree, orientation, flag, turned_mask, kinds):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new('RGB', (16, 12)).save(voc_tree / 'JPEGImages/a.jpg', exif=exif)
    Image.new('L', (12, 16) if turned_mask else (16, 12)).save(voc_tree / 'SegmentationClass/a.png')
    dataset, looks = built(pipeline=[dict(LOAD[0], color_type=flag), LOAD[1]])
    assert [finding.kind for finding in looks[0].findings] == kinds
    assert isinstance(dataset[0], dict) == (kinds in ([], ['EXIF unclear']))  # else the pipeline refuses it too


def test_decoders_complain_into_the_finding_and_not_onto_the_screen(built, voc_tree, capfd):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    path = voc_tree / 'JPEGImages/b.jpg'
    Image.fromarray(noise).save(path)
    Image.new('L', (64, 64)).save(voc_tree / 'SegmentationClass/b.png')
    data = path.read_bytes()
    path.write_bytes(data[:-900] + b'\xff\xd3' + data[-900:])
    looks = built()[1]
    assert [[finding.kind for finding in look.findings] for look in looks] == [[], ['decoder complains'], []]
    assert 'Corrupt JPEG data' in looks[1].findings[0].text and looks[1].mask.labels == {0: 64 * 64}
    assert capfd.readouterr().err == ''
    os.write(2, b'still there\n')
    assert capfd.readouterr().err == 'still there\n'


def png_with(voc_tree, *parts):
    """Put a PNG with such parts before its pixels in place of a photo; its bytes."""
    data = io.BytesIO()
    Image.new('RGB', (16, 12), (9, 99, 199)).save(data, 'PNG')
    chunks = b''.join(struct.pack('>I', len(value)) + name + value + struct.pack('>I', zlib.crc32(name + value))
                      for name, value in parts)
    changed = data.getvalue()[:33] + chunks + data.getvalue()[33:]  # behind the first part, the header
    (voc_tree / 'JPEGImages/b.jpg').write_bytes(changed)
    return changed


@pytest.mark.parametrize('part, complains', [
    ((b'iCCP', b'name\0\0'), False), ((b'sRGB', b'\x09'), False), ((b'tIME', b'\0'), False), ((b'pHYs', b'\0'), False),
    ((b'zTXt', b'ab'), False), ((b'sBIT', b'\x09' * 3), False), ((b'tRNS', b'\0' * 3), True),
    ((b'eXIf', b'abc'), True)], ids=lambda value: value[0].decode() if isinstance(value, tuple) else '')
def test_parts_of_a_png_without_pixels_are_no_complaint(built, voc_tree, capfd, part, complains):
    data = png_with(voc_tree, part)
    img = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert part[0].decode() in capfd.readouterr().err  # else this test shows nothing
    assert (img == (199, 99, 9)).all()
    assert [finding.kind for finding in built()[1][1].findings] == ['decoder complains'] * complains


def test_a_complaint_behind_a_harmless_one_is_told(built, voc_tree):
    png_with(voc_tree, (b'sRGB', b'\x09'), (b'tRNS', b'\0' * 3))
    look = built()[1][1]
    assert [finding.kind for finding in look.findings] == ['decoder complains'] and 'tRNS' in look.findings[0].text


def test_a_maps_fields_of_a_tiff_are_no_complaint(built, voc_tree, capfd):
    path = voc_tree / 'JPEGImages/b.jpg'
    Image.new('RGB', (16, 12)).save(path, 'TIFF', tiffinfo={33550: (1.0, 1.0, 0.0)})
    cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert 'tag 33550' in capfd.readouterr().err
    assert built()[1][1].findings == []


def test_masks_of_colours(built, voc_tree):
    mask = np.zeros((12, 16, 3), np.uint8)
    mask[:3] = 128, 0, 0
    Image.fromarray(mask).save(voc_tree / 'SegmentationClass/a.png')
    look = built()[1][0]
    assert [finding.kind for finding in look.findings] == ['RGB mask']
    assert look.mask.colors == {(0, 0, 0): 9 * 16, (128, 0, 0): 3 * 16} and look.mask.stored == {}

    def with_colors(**colors):
        return built(pipeline=[LOAD[0], dict(LOAD[1], color_map={(0, 0, 0): 0, **colors.pop('more', {})})])[1][0]
    assert [finding.kind for finding in with_colors().findings] == ['colours']
    look = with_colors(more={(128, 0, 0): 7})
    assert look.findings == [] and look.mask.labels == {0: 9 * 16, 7: 3 * 16}


def test_a_photo_as_mask_does_not_fill_the_list_of_labels(built, voc_tree):
    noise = np.random.default_rng(0).integers(0, 255, (12, 16)).astype(np.uint8)
    Image.fromarray(noise).save(voc_tree / 'SegmentationClass/a.png')
    look = built()[1][0]
    assert [finding.kind for finding in look.findings] == ['labels'] and 'photo' in look.findings[0].remedy
    assert look.mask.stored == {} and look.mask.wrong == {}


def test_labels_of_sixteen_bits_and_no_number_of_classes(built, voc_tree):
    mask = np.zeros((12, 16), np.uint16)
    mask[0] = 300
    Image.fromarray(mask).save(voc_tree / 'SegmentationClass/a.png')
    look = built(num_classes=None)[1][0]
    assert look.findings == [] and look.mask.labels == {0: 11 * 16, 300: 16} and look.mask.bits == 16
    look = built()[1][0]
    assert look.mask.wrong == {300: 16} and '300 (16 pixels)' in look.findings[0].text


def test_void_masks_are_told_and_files_that_cannot_be_read(built, voc_tree):
    Image.new('L', (16, 12), 255).save(voc_tree / 'SegmentationClass/a.png')
    (voc_tree / 'JPEGImages/b.jpg').unlink()
    (voc_tree / 'SegmentationClass/c.png').unlink()
    (voc_tree / 'SegmentationClass/c.png').mkdir()
    kinds = Counter((finding.kind, os.path.basename(finding.file)) for look in built()[1] for finding in look.findings)
    assert kinds == {('void mask', 'a.png'): 1, ('missing photo', 'b.jpg'): 1, ('unreadable', 'c.png'): 1}


def test_other_transforms_are_refused(built, voc_config):
    @TRANSFORMS.register_module(force=True)
    class LoadSomethingElse:
        def __call__(self, results):
            return results

    with pytest.raises(ConfigError, match='LoadSomethingElse, a transform that is not of this package'):
        built(pipeline=[dict(type='LoadSomethingElse')])
    TRANSFORMS.module_dict.pop('LoadSomethingElse')
