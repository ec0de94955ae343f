"""The file of painted masks: what is in it, and how it comes through interruptions and damage."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segkit.datasets import coco_index
from segkit.datasets.coco_annotations import read_instances
from segkit.datasets.coco_index import DamagedIndexError, open_index, require_index
from segkit.datasets.coco_masks import RULES, render_labels
from segkit.datasets.mini_coco import write_mini_coco
from segkit.datasets.transforms.label_runs import decode_runs
from segkit.errors import DataError

NAMES = [f'{n:012d}' for n in range(7)]


@pytest.fixture
def ann_file(tmp_path, monkeypatch):
    """An instances file of seven photos, painted in blocks of two."""
    monkeypatch.setattr(coco_index, 'PHOTOS_PER_BLOCK', 2)
    path = tmp_path / 'coco/annotations/instances_mini.json'
    write_mini_coco(str(path), str(tmp_path / 'coco/mini/'), NAMES, 1, (48, 64))
    return str(path)


@pytest.fixture
def make(ann_file, tmp_path):
    """Make or find the index, in one process unless said otherwise."""
    return lambda rule='gluoncv', processes=1: require_index(ann_file, rule, str(tmp_path / 'cache'), processes)


@pytest.fixture
def said(monkeypatch):
    """What is said to the user, line by line."""
    lines = []
    monkeypatch.setattr(coco_index, 'print_log', lambda line, *args: lines.append(line))
    return lines


def masks_of(index):
    content = Path(index.path).read_bytes()
    return [decode_runs(content[row['begin']:row['begin'] + row['size']]) for row in index.rows]


@pytest.mark.parametrize('rule', RULES)
def test_it_holds_every_photo_in_order_with_its_counts_and_mask(make, ann_file, rule):
    index, photos = make(rule), read_instances(ann_file)
    assert [name.decode() for name in index.names] == [f'{name}.jpg' for name in NAMES]
    for photo, row, mask in zip(photos, index.rows, masks_of(index)):
        labels = render_labels(photo, rule)
        assert (row['id'], row['height'], row['width']) == (photo.id, photo.height, photo.width)
        assert row['pixels'] == (labels > 0).sum() and row['area'] == sum(i.area for i in photo.instances)
        assert np.array_equal(mask, labels)
        assert index.row_of(photo.file_name) == row
    with pytest.raises(KeyError):
        index.row_of('000000000099.jpg')


def test_the_real_sample_in_several_processes(data_pack, tmp_path, capsys):
    path = str(data_pack / 'COCO_sample/annotations/instances_train2017.json')
    several, one = (require_index(path, 'gluoncv', str(tmp_path / str(n)), n) for n in (3, 1))
    assert Path(several.path).read_bytes() == Path(one.path).read_bytes()
    photos = read_instances(path)
    assert (one.rows['pixels'] > 1000).sum() == 62 and len(one.rows) == len(photos) == 80
    for photo, mask in zip(photos, masks_of(one)):
        assert np.array_equal(mask, render_labels(photo, 'gluoncv'))
    assert '80/80 photos in' in capsys.readouterr().out


def test_it_is_made_once_and_read_without_the_annotations(make, ann_file, monkeypatch):
    first = make()
    monkeypatch.setattr(coco_index, 'read_instances', None)
    coco_index._read.cache_clear()
    again = make()
    assert again.path == first.path and np.array_equal(again.rows, first.rows)
    with pytest.raises(TypeError):
        make('torchvision')  # another rule is another file


@pytest.mark.parametrize('blocks', range(5))
def test_an_interrupted_one_goes_on_where_it_was(make, monkeypatch, capsys, blocks):
    whole = Path(make().path)
    content = whole.read_bytes()
    whole.unlink()
    painted = []

    def stop(function, pieces, processes):
        for piece in pieces:
            if len(painted) == blocks:
                raise KeyboardInterrupt
            painted.append(piece)
            yield function(piece)

    with monkeypatch.context() as patch:
        patch.setattr(coco_index, 'map_in_order', stop)
        if blocks < 4:
            with pytest.raises(KeyboardInterrupt):
                make()
            assert not whole.exists()
            seen = {photo.id for piece in painted for photo in piece}
            painted.clear()
            patch.setattr(coco_index, 'map_in_order',
                          lambda function, pieces, n: (painted.append(piece) or function(piece) for piece in pieces))
            capsys.readouterr()
        else:
            seen = set()
        make()
    assert whole.read_bytes() == content
    rest = {photo.id for piece in painted for photo in piece}
    assert len(rest) + len(seen) == 7 and not rest & seen
    assert '7/7 photos' in capsys.readouterr().out


def test_whatever_part_of_it_is_left_it_ends_as_the_same_file(make, capsys):
    whole = Path(make().path)
    content = whole.read_bytes()
    for end in range(0, len(content), 97):
        whole.unlink()
        Path(f'{whole}.part').write_bytes(content[:end] + b'\0' * (end % 3))
        make()
        assert whole.read_bytes() == content


def test_damage_anywhere_is_found_and_mended(make):
    whole = Path(make().path)
    content = whole.read_bytes()
    rng = np.random.RandomState(0)
    places = [0, 4, 20, len(content) - 1, *rng.randint(0, len(content), 30)]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.randint(8)
        for bad in (bytes(damaged), content[:place], content + content[place:place + 1]):
            whole.write_bytes(bad)
            coco_index._read.cache_clear()
            with pytest.raises(DamagedIndexError, match='is damaged or cut short'):
                open_index(str(whole))
            make()
            assert whole.read_bytes() == content


def test_damage_is_said(make, said):
    whole = Path(make().path)
    whole.write_bytes(whole.read_bytes()[:-40])
    make()
    damaged = f'{whole} is damaged or cut short: it is made anew.'
    assert said[1:] == [damaged, said[0], '6 of 7 photos were painted before.']


def test_changed_annotations_make_another_index_and_that_is_said(make, ann_file, said):
    old = make()
    content = json.loads(Path(ann_file).read_text())
    content['annotations'] = content['annotations'][1:]
    Path(ann_file).write_text(json.dumps(content))
    said.clear()
    new = make()
    assert new.path != old.path and new.rows['pixels'][0] == old.rows['pixels'][0] - 64
    assert f'is not the file that {old.path} was made from' in said[0] and f'({new.path})' in said[1]


def test_an_index_of_something_else_under_its_name_is_not_taken(make, said):
    gluoncv, torchvision = make(), make('torchvision')
    shutil.copy(torchvision.path, gluoncv.path)
    mended = make()
    assert f'{gluoncv.path} is of another rule: torchvision instead of gluoncv: it is made anew.' in said
    assert not any('painted before' in line for line in said)
    assert np.array_equal(mended.rows, gluoncv.rows)


def test_another_process_that_makes_it_is_waited_for(make, ann_file, tmp_path):
    code = ('import sys\nfrom segkit.datasets.coco_index import require_index\n'
            'print(len(require_index(sys.argv[1], "gluoncv", sys.argv[2], 1).rows))')
    path = make().path
    facts = coco_index._read(path, os.path.getsize(path), os.stat(path).st_mtime_ns)[1]
    os.unlink(path)
    with coco_index._alone(path):
        other = subprocess.Popen([sys.executable, '-c', code, ann_file, str(tmp_path / 'cache')], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert 'waiting for it' in other.stdout.readline()
        coco_index._make(path, facts, ann_file, 1)
        inode = os.stat(path).st_ino
    said = other.communicate()[0]
    assert said.split() == ['7'] and os.stat(path).st_ino == inode


def test_a_damaged_annotation_is_named_with_its_file(make, ann_file):
    content = json.loads(Path(ann_file).read_text())
    content['annotations'][70]['segmentation'] = dict(size=[1, 1], counts=[1])
    Path(ann_file).write_text(json.dumps(content))
    for processes in (1, 2):
        with pytest.raises(DataError, match='instances_mini.json: annotation 71 of image') as caught:
            make(processes=processes)
        assert len(str(caught.value).splitlines()) <= 4


def test_a_folder_that_cannot_be_written(ann_file, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(DataError, match='Name another folder with cache_dir'):
        require_index(ann_file, 'gluoncv', str(tmp_path / 'file/cache'), 1)
