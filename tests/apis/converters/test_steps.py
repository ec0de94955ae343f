"""The steps that all converters share: what is refused, what is mended, and runs that are killed."""
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.apis.converters import steps
from segkit.apis.converters.steps import Mask, look_at, put_files, read_all, write_list, write_masks
from segkit.datasets.transforms.image_file import decode_mask, read_bytes
from segkit.errors import DataError
from segkit.palette import color_map

LINK = os.link


def read(path: str) -> np.ndarray:
    return steps.map_labels(decode_mask(read_bytes(path), path), np.r_[np.arange(5) + 1, np.full(251, -1)], path,
                            'the labels are 0 to 4')


@pytest.fixture
def masks(tmp_path, photo, grey):
    """120 masks to be made of grey files, three pieces of work."""
    made = []
    for n in range(120):
        size = (6 + n % 3, 8)
        photo(tmp_path / f'in/{n:03d}.jpg', size, n)
        grey(tmp_path / f'in/{n:03d}.png', np.random.RandomState(n).randint(0, 5, size))
        made.append(Mask(str(tmp_path / f'in/{n:03d}.png'), str(tmp_path / f'out/{n % 2}/{n:03d}.png'),
                         str(tmp_path / f'in/{n:03d}.jpg')))
    return made


def assert_made(masks):
    for mask in masks:
        assert np.array_equal(np.array(Image.open(mask.target)), np.array(Image.open(mask.source)) + 1)


@pytest.mark.parametrize('processes', [1, 3])
def test_written_once_and_mended(masks, capsys, processes):
    look_at(masks, 'masks looked at', None, processes)
    write_masks(masks, read, color_map(6), 'train', processes)
    said = capsys.readouterr().out
    assert '120/120 masks looked at in ' in said and 'train: 120 masks written, 0 were there\n' in said
    assert_made(masks)
    assert Image.open(masks[0].target).getpalette()[:18] == sum(color_map(6), [])
    times = {mask.target: os.stat(mask.target).st_mtime_ns for mask in masks}
    os.remove(masks[0].target)
    Path(masks[1].target).write_bytes(Path(masks[1].target).read_bytes()[:-9])
    Path(masks[2].target).write_bytes(other := Path(masks[3].target).read_bytes())
    Path(f'{masks[4].target}.part').write_bytes(b'half')
    write_masks(masks, read, color_map(6), 'train', processes)
    said = capsys.readouterr().out
    assert 'train: 3 masks written, 117 were there; 2 of the written ones were there with' in said
    assert f'train: a file of other content was there; it is kept as {masks[2].target}.before\n' in said
    assert Path(f'{masks[2].target}.before').read_bytes() == other
    assert len(list(Path(masks[0].target).parents[1].rglob('*.before'))) == 1  # none of the damaged one
    assert_made(masks)
    assert [mask.target for mask in masks if os.stat(mask.target).st_mtime_ns != times[mask.target]] == [
        mask.target for mask in masks[:3]]


@pytest.mark.parametrize('processes', [1, 3])
def test_other_files_at_a_mask_s_place_are_kept(masks, capsys, processes):
    own = {masks[0]: b'no image at all', masks[60]: Path(masks[1].source).read_bytes(),
           masks[110]: Path(masks[1].photo).read_bytes()}
    for mask, content in own.items():
        Path(mask.target).parent.mkdir(parents=True, exist_ok=True)
        Path(mask.target).write_bytes(content)
    write_masks(masks, read, color_map(6), 'train', processes)
    assert_made(masks)
    for mask, content in own.items():
        assert Path(f'{mask.target}.before').read_bytes() == content
    names = [f'{mask.target}.before' for mask in own]
    assert f'train: 3 files of other content were there; they are kept as {names[0]}, {names[1]}, ...\n' in (
        capsys.readouterr().out)


def test_a_list_of_somebody_s_own_is_kept(tmp_path, capsys):
    path = tmp_path / 'train.txt'
    path.write_text('their own\n')
    for _ in range(2):
        write_list(str(path), ['a', 'b'])
    assert path.read_text() == 'a\nb\n' and (tmp_path / 'train.txt.before').read_text() == 'their own\n'
    assert capsys.readouterr().out == f'{path}: a file of other content was there; it is kept as {path}.before\n'
    path.write_text('another one\n')
    write_list(str(path), ['a', 'b'])
    assert (tmp_path / 'train.txt.before').read_text() == 'their own\n'
    assert (tmp_path / 'train.txt.2.before').read_text() == 'another one\n'
    assert f'kept as {path}.2.before\n' in capsys.readouterr().out
    assert len(list(tmp_path.iterdir())) == 3


def killed_at(masks, path, who, processes):
    """Write masks, and kill a process when half the bytes of one are written."""
    write = steps.write_palette_png

    def write_half(target, labels, palette):
        if target == path:
            write(f'{target}.whole', labels, palette)
            content = Path(f'{target}.whole').read_bytes()
            os.remove(f'{target}.whole')
            Path(f'{target}.part').write_bytes(content[:len(content) // 2])
            for process in who:
                os.kill(process(), signal.SIGKILL)
        write(target, labels, palette)

    steps.write_palette_png = write_half  # in this process, which is one of its own, and those it forks
    try:
        write_masks(masks, read, color_map(6), 'train', processes)
    except DataError as error:
        sys.exit(str(error) if 'was ended by the system' not in str(error) else 3)


@pytest.mark.parametrize('processes, who, status', [
    (1, [os.getpid], -signal.SIGKILL), (2, [os.getppid, os.getpid], -signal.SIGKILL), (2, [os.getpid], 3)],
    ids=['alone', 'parent and child', 'one of two'])
def test_a_run_that_is_killed_goes_on(tmp_path, masks, capsys, processes, who, status):
    run = multiprocessing.get_context('fork').Process(target=killed_at, args=(masks, masks[70].target, who, processes))
    lasts, held = os.pipe()
    run.start()
    os.close(held)
    run.join(60)
    if run.is_alive():
        run.kill()
        run.join()
        pytest.fail('the run, of which a process was killed, did not end within a minute')
    assert run.exitcode == status
    assert os.read(lasts, 1) == b''  # its other process, which goes on for a moment, has ended too
    os.close(lasts)
    there = {mask.target for mask in masks if os.path.exists(mask.target)}
    assert masks[70].target not in there and os.path.exists(f'{masks[70].target}.part') and len(there) >= 20
    assert_made([mask for mask in masks if mask.target in there])
    capsys.readouterr()
    write_masks(masks, read, color_map(6), 'train', 1)
    said = capsys.readouterr().out
    assert f'train: {120 - len(there)} masks written, {len(there)} were there\n' in said
    assert_made(masks)
    assert not os.path.exists(f'{masks[70].target}.part')


def test_faulty_photos_and_masks_are_named_before_anything_is_written(masks, tmp_path, photo):
    def change(path, cut=None, size=None):
        before = Path(path).read_bytes()
        if size:
            photo(Path(path), size)
        else:
            Path(path).write_bytes(before[:cut])
        with pytest.raises(DataError) as error:
            look_at(masks, 'masks looked at', None, 2)
        Path(path).write_bytes(before)
        assert len(str(error.value).splitlines()) <= 4
        return str(error.value)

    assert f'{masks[7].photo} is empty (0 bytes)' in change(masks[7].photo, 0)
    assert f'{masks[7].photo} is cut short: the end of the JPEG' in change(masks[7].photo, -9)
    assert f'{masks[7].source} is cut short: the end of the PNG' in change(masks[7].source, -9)
    assert f'{masks[7].source} is no JPEG or PNG file' in change(masks[7].source, 4)
    assert f'{masks[7].source} has 8x7 pixels, its photo {masks[7].photo} 9x9.' in change(masks[7].photo, size=(9, 9))
    os.remove(masks[3].photo)
    assert f'{masks[3].photo} cannot be read: No such file' in (text := change(masks[7].photo, 0))
    assert '2 of 120 files cannot be used; next: ' in text and masks[7].photo in text
    assert not (tmp_path / 'out').exists()


def test_labels_that_must_not_occur_and_damaged_pixels(masks, tmp_path, grey, capsys):
    grey(tmp_path / 'in/010.png', np.full((7, 8), 9))
    content = bytearray(Path(masks[90].source).read_bytes())
    content[45] ^= 255  # in its pixels: a checksum is wrong
    Path(masks[90].source).write_bytes(bytes(content))
    look_at(masks, 'masks looked at', None, 1)
    for function, own in ((write_masks, (color_map(6), 'train', 2)), (read_all, ('masks read', 2))):
        with pytest.raises(DataError, match='010.png has the label 9 in 56 pixels; the labels are 0 to 4.*\n2 of 120 '
                                            "files cannot be used; next: '.*090.png' is damaged: the checksum"):
            function(masks, read, *own)
    assert 'train: 118 masks written, 0 were there\n' in capsys.readouterr().out
    assert_made([mask for mask in masks if mask not in (masks[10], masks[90])])


@pytest.mark.parametrize('links', [True, False])
def test_photos_at_a_second_place(tmp_path, photo, monkeypatch, capsys, links):
    if not links:
        monkeypatch.setattr(os, 'link', lambda *a: (_ for _ in ()).throw(OSError(18, 'Invalid cross-device link')))
    for n in range(3):
        photo(tmp_path / f'{n}.jpg', seed=n)
    pairs = [(str(tmp_path / f'{n}.jpg'), str(tmp_path / f'out/{n}.jpg')) for n in range(3)]
    put_files(pairs, 'photos')
    (tmp_path / 'out/1.jpg').unlink()
    (tmp_path / 'out/1.jpg').write_bytes(b'half')
    unfinished = tmp_path / f'out/1.jpg.{os.getpid()}.part'  # of a killed run whose number this one has got again
    LINK(tmp_path / '2.jpg', unfinished)
    photo_2 = (tmp_path / '2.jpg').read_bytes()
    capsys.readouterr()
    inode = os.stat(tmp_path / 'out/0.jpg').st_ino
    put_files(pairs, 'photos')
    for source, target in pairs:
        assert Path(source).read_bytes() == Path(target).read_bytes() and os.path.samefile(source, target) is links
    assert os.stat(tmp_path / 'out/0.jpg').st_ino == inode
    assert (tmp_path / '2.jpg').read_bytes() == photo_2 and not unfinished.exists()
    assert (tmp_path / 'out/1.jpg.before').read_bytes() == b'half'
    assert f"photos: a file of other content was there; it is kept as {tmp_path / 'out/1.jpg'}.before\n" in (
        capsys.readouterr().out)


def test_try_out_reads_what_a_config_would(tmp_path, photo, grey):
    photo(tmp_path / 'i/a.jpg')
    grey(tmp_path / 'm/a.png', np.zeros((24, 32)))
    config = dict(type='CamVidDataset', data_root=str(tmp_path), data_prefix=dict(img_path='i', seg_map_path='m'))
    assert steps.try_out(dict(train=config)) == dict(train=1)
    grey(tmp_path / 'm/a.png', np.full((24, 32), 11))
    with pytest.raises(DataError, match='a.png'):
        steps.try_out(dict(train=config))
