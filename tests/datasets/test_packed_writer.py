"""Packs that are written in several goes, by several processes, without room, or not at all."""
import multiprocessing
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

import lmdb
import pytest

from segkit.datasets import packed_writer
from segkit.datasets.packed_file import Pack, open_pack
from segkit.datasets.packed_records import IMAGE, MASK
from segkit.datasets.packed_verify import damaged_records
from segkit.datasets.scenes import generate
from segkit.errors import ConfigError, DataError


@pytest.fixture(scope='module')
def scenes_once(tmp_path_factory):
    root = tmp_path_factory.mktemp('scenes')
    generate(str(root), 40, 1, (60, 90))
    return root


@pytest.fixture
def scenes(scenes_once, tmp_path):
    """The config of 40 generated photos, in a folder of the test's own."""
    root = tmp_path / 'scenes'
    shutil.copytree(scenes_once, root)
    return dict(type='SceneDataset', data_root=str(root), ann_file='ImageSets/Segmentation/train.txt',
                data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Some photos in each block, so that there are several."""
    monkeypatch.setattr(packed_writer, 'BLOCK', 30_000)
    monkeypatch.setattr(packed_writer, 'AT_ONCE', 4)


def assert_whole(path, scenes):
    """Every file of the split, in its order and byte by byte."""
    root, opened = Path(scenes['data_root']), Pack(str(path))
    names = (root / scenes['ann_file']).read_text().split()
    assert len(opened) == len(names)
    for number, name in enumerate(names):
        assert opened.read(number, IMAGE) == (root / f'JPEGImages/{name}.jpg').read_bytes()
        assert opened.read(number, MASK) == (root / f'SegmentationClass/{name}.png').read_bytes()
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name]


def stop_after(monkeypatch, blocks):
    """Ctrl-C when so many blocks are written."""
    put, count = packed_writer._Writer._put_block, []

    def stop(self, *args):
        if len(count) == blocks:
            raise KeyboardInterrupt
        count.append(1)
        put(self, *args)

    monkeypatch.setattr(packed_writer._Writer, '_put_block', stop)


@pytest.mark.parametrize('processes', [1, 3])
def test_processes_write_the_same_file(pack, scenes, processes):
    path = pack(scenes, processes=processes)
    assert_whole(path, scenes)
    with lmdb.open(str(path), subdir=False, lock=False, readonly=True) as env, env.begin() as txn:
        assert txn.get(b'index/000003') is not None


def test_a_run_that_was_stopped_is_gone_on_with(pack, scenes, monkeypatch, tmp_path, capsys):
    part = tmp_path / 'packed/train.lmdb.part'
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 2)
        pack(scenes)
    assert part.is_file() and not part.with_suffix('').exists()
    with pytest.raises(DataError, match='is not finished'):
        Pack(str(part))
    read = []
    monkeypatch.setattr(packed_writer, 'read_samples', lambda samples, skips, own=packed_writer.read_samples: (
        read.extend(sample.img_name for sample in samples), own(samples, skips))[1])
    capsys.readouterr()
    path = pack(scenes)
    said = capsys.readouterr().out
    before = int(said[said.index(' of 40 samples were packed before') - 2:].split()[0])
    assert 0 < before < 40 and len(read) == 40 - before
    assert_whole(path, scenes)


def test_files_that_changed_since_are_read_again(pack, scenes, monkeypatch, capsys):
    root = Path(scenes['data_root'])
    names = (root / scenes['ann_file']).read_text().split()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 2)
        pack(scenes)
    shutil.copy(root / f'JPEGImages/{names[-1]}.jpg', root / f'JPEGImages/{names[5]}.jpg')
    shutil.copy(root / f'SegmentationClass/{names[-1]}.png', root / f'SegmentationClass/{names[5]}.png')
    os.utime(root / f'JPEGImages/{names[0]}.jpg', (1, 1))  # another time, the same bytes
    path = pack(scenes)
    said = capsys.readouterr().out
    assert f'{names[5]}.jpg has changed since it was packed' in said and 'Going on from sample 0:' in said
    assert_whole(path, scenes)


def test_the_rest_of_another_split_or_a_damaged_one_is_not_gone_on_with(pack, scenes, monkeypatch, tmp_path, capsys):
    part = tmp_path / 'packed/train.lmdb.part'
    for reason, change in (
            ('damaged', lambda: part.write_bytes(part.read_bytes()[:20000])),
            ('damaged', lambda: part.write_bytes(b'x' * 30000)),
            ('of other files or classes', lambda: (tmp_path / 'scenes/ImageSets/Segmentation/train.txt').write_text(
                '\n'.join((tmp_path / 'scenes/ImageSets/Segmentation/train.txt').read_text().split()[1:])))):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            stop_after(patch, 2)
            pack(scenes)
        change()
        capsys.readouterr()
        path = pack(scenes)
        said = capsys.readouterr().out
        assert f'{part}, which an interrupted run has left, is {reason}: it is begun anew.\n' in said
        assert 'packed before' not in said
        assert_whole(path, scenes)
        path.unlink()


def test_a_run_that_was_stopped_behind_its_last_record(pack, scenes, monkeypatch, capsys):
    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(packed_writer, 'damaged_records', stop)
        pack(scenes)
    path = pack(scenes)
    assert '40 of 40 samples were packed before' in capsys.readouterr().out
    assert_whole(path, scenes)


def test_what_is_not_read_back_alike_gets_no_name(pack, scenes, monkeypatch, tmp_path):
    def damage(path, processes):
        content = Path(path).read_bytes()
        at = content.index(b'\xff\xd8\xff') + 500
        Path(path).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1:])
        return damaged_records(path, processes)

    with monkeypatch.context() as patch, pytest.raises(DataError, match='not read back as they were written'):
        patch.setattr(packed_writer, 'damaged_records', damage)
        pack(scenes)
    assert not (tmp_path / 'packed/train.lmdb').exists()
    assert_whole(pack(scenes), scenes)


def test_files_that_grow_while_they_are_packed(pack, scenes, monkeypatch):
    """The sizes that the map was made for are too small."""
    monkeypatch.setattr(packed_writer, '_require_room', lambda path, samples: 100_000)
    assert_whole(pack(scenes), scenes)


def test_room_is_asked_for_first(pack, scenes, monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage._replace(free=200_000))
    with pytest.raises(DataError, match=r'train.lmdb needs [\d.]+ MB, and 0.2 MB are free'):
        pack(scenes)
    assert not (tmp_path / 'packed/train.lmdb').exists()


def test_a_full_disk(pack, scenes):
    """A limit on the size of files, which the system enforces, in the place of a full disk; then there is room."""
    def limited(answer):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
        try:
            pack(scenes)
        except DataError as error:
            answer.send(str(error))
        answer.close()

    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context('fork').Process(target=limited, args=(theirs,))
    process.start()
    theirs.close()
    said = ours.recv()
    process.join()
    assert 'train.lmdb.part could not be written: ' in said and said.endswith('it goes on from there.')
    assert_whole(pack(scenes), scenes)


def test_two_at_a_time_are_refused(pack, scenes, tmp_path):
    part = tmp_path / 'packed/train.lmdb.part'
    part.parent.mkdir()
    with packed_writer._alone(str(part)), pytest.raises(DataError, match='Another process writes'):
        pack(scenes)
    assert_whole(pack(scenes), scenes)


def test_without_the_package_packs_are_read_and_not_written(pack, scenes, monkeypatch):
    path = pack(scenes)
    monkeypatch.setitem(sys.modules, 'lmdb', None)
    with pytest.raises(ConfigError, match='pip install lmdb'):
        pack(scenes, 'other')
    assert len(open_pack(str(path))) == 40
