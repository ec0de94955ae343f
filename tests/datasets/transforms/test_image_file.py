import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from segkit.datasets.transforms.image_file import decode_image, decode_mask, read_bytes
from segkit.datasets.transforms.png_file import PNG_START, decode_palette_png, png_fault
from segkit.errors import DataError

SIZE = (23, 31)


def indices(high=21, seed=0):
    small = np.random.RandomState(seed).randint(0, high, (6, 8)).astype(np.uint8)
    return np.kron(small, np.ones((4, 4), np.uint8))[:SIZE[0], :SIZE[1]]


def saved(array, mode='P', **options):
    image = Image.fromarray(array) if mode != 'P' else Image.fromarray(array, 'P')
    if mode == 'P':
        image.putpalette(np.random.RandomState(1).randint(0, 256, 768).tolist())
    buffer = io.BytesIO()
    image.save(buffer, 'PNG', **options)
    return buffer.getvalue()


def chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def filtered_png(array, filters, color_type=3, pieces=1):
    """An 8-bit PNG whose rows use the given filters in turn, written after the PNG standard, section 9."""
    height, width = array.shape
    rows, above = b'', np.zeros(width, int)
    for y, row in enumerate(array.astype(int)):
        left = np.concatenate([[0], row[:-1]])
        corner = np.concatenate([[0], above[:-1]])
        guess = left + above - corner
        distance = np.stack([abs(guess - left), abs(guess - above), abs(guess - corner)])
        paeth = np.choose(distance.argmin(0), [left, above, corner])
        kind = filters[y % len(filters)]
        predicted = [0, left, above, (left + above) // 2, paeth][kind]
        rows += bytes([kind]) + ((row - predicted) % 256).astype(np.uint8).tobytes()
        above = row
    data = zlib.compress(rows)
    cuts = np.linspace(0, len(data), pieces + 1).astype(int)
    palette = chunk(b'PLTE', bytes(range(256)) * 3) if color_type == 3 else b''
    return (PNG_START + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, color_type, 0, 0, 0))
            + palette + chunk(b'tRNS', bytes(9)) * (color_type == 3)
            + b''.join(chunk(b'IDAT', data[a:b]) for a, b in zip(cuts, cuts[1:])) + chunk(b'IEND', b''))


@pytest.mark.parametrize('filters', [[0], [1], [2], [3], [4], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize('color_type', [0, 3])
@pytest.mark.parametrize('pieces', [1, 3])
def test_png_of_every_row_filter_is_read_as_indices(filters, color_type, pieces):
    data = filtered_png(indices(), filters, color_type, pieces)
    assert np.array_equal(np.array(Image.open(io.BytesIO(data))), indices())  # Pillow reads this writer's files
    found = decode_palette_png(data)
    assert found.dtype == np.uint8 and np.array_equal(found, indices())
    assert found.flags.writeable


@pytest.mark.parametrize('name, mode', [('interlaced', 'P'), ('4-bit', 'P'), ('grey', 'L'), ('1-bit', '1'),
                                        ('16-bit', 'I;16')])
def test_other_pngs_are_read_as_indices(name, mode):
    array = indices(2 if mode == '1' else 14)
    if mode == '1':
        data = saved(array.astype(bool), mode)
    elif mode == 'I;16':
        array = array.astype(np.uint16) * 100
        data = saved(array, mode)
    elif name == 'interlaced':
        header = bytearray(filtered_png(array[:1, :1], [0]))  # one pixel is the same in both orders
        array, header[28] = array[:1, :1], 1
        header[29:33] = struct.pack('>I', zlib.crc32(header[12:29]))
        data = bytes(header)
    else:
        data = saved(array, mode, **(dict(bits=4) if name == '4-bit' else {}))
    found = decode_mask(data, 'mask.png')
    assert np.array_equal(found, array)


def test_colours_come_back_as_rgb():
    rgb = np.random.RandomState(0).randint(0, 256, (*SIZE, 3)).astype(np.uint8)
    assert np.array_equal(decode_mask(saved(rgb, 'RGB'), 'mask.png'), rgb)
    rgba = np.dstack([rgb, np.full(SIZE, 255, np.uint8)])
    assert np.array_equal(decode_mask(saved(rgba, 'RGBA'), 'mask.png'), rgb)
    with pytest.raises(DataError, match="'mask.png' has mode 'LA'"):
        decode_mask(saved(rgba[..., [0, 3]], 'LA'), 'mask.png')


def photo(seed=0):
    small = np.random.RandomState(seed).randint(0, 256, (9, 11, 3)).astype(np.uint8)
    return cv2.resize(small, (220, 170), interpolation=cv2.INTER_CUBIC)


def encoded(suffix):
    return cv2.imencode(suffix, photo())[1].tobytes()


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp'])
def test_a_photo_is_what_opencv_reads(suffix):
    data = encoded(suffix)
    assert np.array_equal(decode_image(data, 'a'), cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    grey = decode_image(data, 'a', 'grayscale')
    assert grey.shape == (170, 220)


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('share', [0.3, 0.7, 0.99])
def test_a_photo_cut_short_is_refused(suffix, share):
    data = encoded(suffix)
    with pytest.raises(DataError, match='photo.* is cut short'):
        decode_image(data[:int(len(data) * share)], 'photo' + suffix)


def test_a_photo_cut_short_after_a_whole_thumbnail_is_refused():
    thumbnail = encoded('.jpg')
    data = encoded('.jpg')
    body = b'Exif\0\0' + thumbnail[:30000]
    with_thumbnail = data[:2] + b'\xff\xe1' + struct.pack('>H', len(body) + 2) + body + data[2:]
    assert decode_image(with_thumbnail, 'a').shape == (170, 220, 3)
    with pytest.raises(DataError, match='is cut short'):
        decode_image(with_thumbnail[:len(body) + 300], 'a')


@pytest.mark.parametrize('share', [0.5, 0.99])
def test_a_photo_whose_end_was_never_written_is_refused(share):
    data = encoded('.jpg')
    kept = int(len(data) * share)
    with pytest.raises(DataError, match="^'a' is cut short: the end of the JPEG is not in its"):
        decode_image(data[:kept] + bytes(len(data) - kept), 'a')


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_bytes_after_the_image_do_no_harm(suffix):
    data = encoded(suffix)
    assert np.array_equal(decode_image(data + b'\n' * 40, 'a'), decode_image(data, 'a'))


@pytest.mark.parametrize('share', [0.2, 0.6, 0.95])
def test_a_mask_cut_short_is_refused(share):
    data = filtered_png(indices(), [0])
    with pytest.raises(DataError, match="'mask.png' is cut short"):
        decode_mask(data[:int(len(data) * share)], 'mask.png')


def test_a_mask_with_a_flipped_bit_is_refused():
    data = bytearray(filtered_png(indices(), [0]))
    data[data.index(b'IDAT') + 20] ^= 0x10
    with pytest.raises(DataError, match="'mask.png' is damaged: the checksum of its part at byte 834 is wrong"):
        decode_mask(bytes(data), 'mask.png')


@pytest.mark.parametrize('mode', ['RGB', 'L'])
def test_a_png_photo_with_any_flipped_bit_is_refused(mode, capfd):
    data = saved(photo() if mode == 'RGB' else photo()[..., 0], mode)
    assert png_fault(data) == ''
    for position in np.random.RandomState(0).randint(8, len(data), 100):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(DataError, match="^'a.png' "):
            decode_image(bytes(damaged), 'a.png')
    assert capfd.readouterr().err == ''  # libpng has not seen them


def huge(data, kind):
    """A file whose header promises more pixels than it has."""
    data = bytearray(data)
    if kind == 'JPEG':
        at = data.index(b'\xff\xc0') + 5
        data[at:at + 4] = struct.pack('>HH', 65000, 65000)
    else:
        data[16:24] = struct.pack('>II', 100_000, 100_000)
        data[29:33] = struct.pack('>I', zlib.crc32(data[12:29]))
    return bytes(data)


def test_a_size_that_the_file_cannot_hold_is_refused_before_memory_is_asked_for():
    for data, kind in ((encoded('.jpg'), 'JPEG'), (encoded('.png'), 'PNG'), (filtered_png(indices(), [0]), 'PNG')):
        size = '65000x65000' if kind == 'JPEG' else '100000x100000'
        for decode in (decode_image, decode_mask):
            with pytest.raises(DataError, match=f"'a' promises {size} pixels, which a file of its length cannot hold"):
                decode(huge(data, kind), 'a')


def test_more_pixels_than_opencv_reads_are_refused_in_words(monkeypatch):
    from segkit.datasets import image_header
    monkeypatch.setattr(image_header, 'MAX_PIXELS', 1000)
    with pytest.raises(DataError, match="promises 220x170 pixels; at most 1,000 are read .*OPENCV_IO_MAX_IMAGE_PIXELS"):
        decode_image(encoded('.jpg'), 'a')


def test_a_file_that_is_no_image_is_refused():
    with pytest.raises(DataError, match='notes.jpg.* is not an image'):
        decode_image(b'hello, this is text', 'notes.jpg')
    with pytest.raises(DataError, match='notes.png.* cannot be decoded'):
        decode_mask(b'hello, this is text', 'notes.png')


def test_missing_and_empty_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"Cannot read '.*gone\.jpg': No such file"):
        read_bytes(str(tmp_path / 'gone.jpg'))
    (tmp_path / 'empty.jpg').write_bytes(b'')
    with pytest.raises(DataError, match=r"empty\.jpg' is empty"):
        read_bytes(str(tmp_path / 'empty.jpg'))


def test_bytes_come_through_mmengine_backends_too(tmp_path):
    (tmp_path / 'a').write_bytes(b'abc')
    assert read_bytes(str(tmp_path / 'a'), dict(backend='local')) == b'abc'


def test_exif_orientation_turns_the_photo_as_opencv_does():
    image = Image.fromarray(photo())
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was held upright
    buffer = io.BytesIO()
    image.save(buffer, 'JPEG', exif=exif)
    assert decode_image(buffer.getvalue(), 'a').shape == (220, 170, 3)
    assert decode_image(buffer.getvalue(), 'a', 'color_ignore_orientation').shape == (170, 220, 3)


def test_real_files_decode_as_with_pillow_and_opencv_and_their_halves_are_refused(data_pack):
    root = data_pack / 'VOC2012'
    for path in sorted((root / 'SegmentationClass').iterdir())[::60]:
        data = path.read_bytes()
        assert np.array_equal(decode_palette_png(data), np.array(Image.open(path))), path
        with pytest.raises(DataError, match=path.name):
            decode_mask(data[:len(data) // 2], str(path))
    for path in sorted((root / 'JPEGImages').iterdir())[::60]:
        data = path.read_bytes()
        assert np.array_equal(decode_image(data, str(path)), cv2.imread(str(path))), path
        with pytest.raises(DataError, match=path.name):
            decode_image(data[:len(data) // 2], str(path))
