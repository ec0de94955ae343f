import cv2
import numpy as np
import pytest
from PIL import Image

from segkit.datasets.image_header import header_of, read_header


@pytest.mark.parametrize('name, mode, color', [
    ('a.png', 'L', 'grey'), ('a.png', 'P', 'palette'), ('a.png', 'RGB', 'RGB'), ('a.png', 'RGBA', 'RGBA'),
    ('a.png', 'LA', 'grey and alpha'), ('a.jpg', 'RGB', 'RGB'), ('a.jpg', 'L', 'grey')])
def test_size_and_color(tmp_path, name, mode, color):
    Image.new(mode, (31, 17)).save(tmp_path / name)
    header = read_header(str(tmp_path / name))
    assert header[:5] == (dict(png='PNG', jpg='JPEG')[name[-3:]], 31, 17, color, True)


@pytest.mark.parametrize('name, mode, color, bits', [
    ('a.jpg', 'CMYK', 'CMYK', 8), ('a.png', 'I;16', 'grey', 16), ('a.png', '1', 'grey', 1), ('a.png', 'RGB', 'RGB', 8)])
def test_bits_of_a_value_and_four_inks(tmp_path, name, mode, color, bits):
    Image.new(mode, (31, 17)).save(tmp_path / name)
    header = read_header(str(tmp_path / name))
    assert (header.color, header.bits) == (color, bits)


@pytest.mark.parametrize('orientation, turned', [(1, (31, 17)), (3, (31, 17)), (6, (17, 31)), (8, (17, 31))])
def test_exif_orientation_turns_the_size_as_opencv_does(tmp_path, orientation, turned):
    path = str(tmp_path / 'a.jpg')
    exif = Image.Exif()
    exif[0x010F] = 'a camera'
    exif[0x0112] = orientation
    Image.new('RGB', (31, 17)).save(path, exif=exif)
    header = read_header(path)
    assert header.orientation == orientation and header.turned_size == turned
    assert cv2.imread(path).shape[1::-1] == turned
    assert cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION).shape[1::-1] == header[1:3] == (31, 17)


def test_large_segments_before_the_size(tmp_path):
    plain = tmp_path / 'a.jpg'
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    Image.fromarray(noise).save(plain, progressive=True)
    data = plain.read_bytes()
    segments = b''.join(b'\xff\xe2' + (length + 2).to_bytes(2, 'big') + b'\xff\xd9' * (length // 2)
                        for length in (4090, 60000, 4096))
    (tmp_path / 'b.jpg').write_bytes(data[:2] + segments + data[2:])
    assert read_header(str(tmp_path / 'b.jpg')) == read_header(str(plain))
    # the end marks inside those segments do not make a file whole
    (tmp_path / 'c.jpg').write_bytes((data[:2] + segments + data[2:])[:-1000])
    assert read_header(str(tmp_path / 'c.jpg')).whole is False


@pytest.mark.parametrize('name', ['a.jpg', 'a.png'])
@pytest.mark.parametrize('size', [(8, 8), (300, 200)])
def test_a_file_that_is_cut_short_is_not_whole(tmp_path, name, size):
    path = tmp_path / name
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)).save(path)
    data = path.read_bytes()
    assert read_header(str(path)).whole
    path.write_bytes(data + b'some bytes that a camera left' * 9)
    assert read_header(str(path)).whole
    path.write_bytes(data[:-3])
    assert not read_header(str(path)).whole


@pytest.mark.parametrize('data', [
    b'', b'hello', b'\xff\xd8', b'\xff\xd8 and no segment', b'\x89PNG\r\n\x1a\n', b'BM1234'])
def test_other_content(tmp_path, data):
    (tmp_path / 'x').write_bytes(data)
    assert read_header(str(tmp_path / 'x')) is None and header_of(data) is None


@pytest.mark.parametrize('suffix, options', [('.jpg', {}), ('.jpg', dict(progressive=True)), ('.png', {})])
def test_a_file_of_one_colour_fits_and_a_larger_size_does_not(tmp_path, suffix, options):
    path = tmp_path / f'a{suffix}'
    Image.new('L', (4000, 4000)).save(path, optimize=True, quality=1, **options)  # as small as a file can be
    data = path.read_bytes()
    assert read_header(str(path)).size_fault == header_of(data).size_fault == ''
    header = header_of(data.replace((4000).to_bytes(2, 'big'), (60000).to_bytes(2, 'big')))
    assert header.width == 60000 and 'promises 60000x60000 pixels, which a file of its length' in header.size_fault
    empty = header_of(data.replace((4000).to_bytes(2, 'big'), bytes(2)))
    assert empty.width == 0 and empty.size_fault


def test_real_files_agree_with_opencv(data_pack):
    files = sorted((data_pack / 'VOC2012/JPEGImages').iterdir())[::30]
    files += sorted((data_pack / 'COCO_sample/train2017').iterdir())[::10]
    files += sorted((data_pack / 'VOC2012/SegmentationClass').iterdir())[::60]
    for file in files:
        header = read_header(str(file))
        assert header.whole and cv2.imread(str(file)).shape[1::-1] == header.turned_size
