"""Cityscapes: label ids and polygons to train ids, a real frame and generated ones."""
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from segkit.apis.converters import cityscapes
from segkit.apis.converters.cityscapes import convert
from segkit.apis.converters.cityscapes_polygons import NAMES, TRAIN_IDS, paint_polygons
from segkit.errors import DataError


@pytest.fixture
def tree(tmp_path, photo):
    """Frames with polygons: two cities of train, one of val, one of test. Those of bochum have label ids too."""
    rng, id_of = np.random.RandomState(0), [next(i for i in range(34) if TRAIN_IDS[i] == k) for k in range(19)]
    id_of = np.array(id_of + [0] * 237)  # a label id of each train id; 0, unlabeled, of void
    for n, frame in enumerate(('train/aachen/aachen_000000_000019', 'train/aachen/aachen_000001_000019',
                               'train/bochum/bochum_000000_000313', 'val/lindau/lindau_000000_000019',
                               'test/bonn/bonn_000000_000019')):
        photo(tmp_path / f'leftImg8bit/{frame}_leftImg8bit.png', (48, 96), n)
        path = tmp_path / f'gtFine/{frame}_gtFine_polygons.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(imgWidth=96, imgHeight=48, objects=[
            dict(label=NAMES[rng.randint(34)], polygon=rng.randint(0, 96, (5, 2)).tolist()) for _ in range(30)])))
        if 'bochum' in frame:
            Image.fromarray(id_of[paint_polygons(str(path))].astype(np.uint8)).save(
                path.with_name(path.name.replace('polygons.json', 'labelIds.png')))
    return tmp_path


def test_masks_written_by_hand(tmp_path, photo, grey):
    """A road with a car on it and a licence plate on that, below a sky; and a frame that has label ids."""
    for name in ('aachen_000000_000019', 'bochum_000000_000313'):
        photo(tmp_path / f'leftImg8bit/val/x/{name}_leftImg8bit.png', (4, 6))
    out = tmp_path / 'gtFine/val/x'
    out.mkdir(parents=True)
    (out / 'aachen_000000_000019_gtFine_polygons.json').write_text(json.dumps(dict(imgWidth=6, imgHeight=4, objects=[
        dict(label=label, polygon=[[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) for label, x0, y0, x1, y1 in (
            ('sky', 0, 0, 5, 0), ('road', 0, 2, 5, 3), ('cargroup', 1, 1, 3, 2), ('license plate', 2, 2, 2, 2))])))
    grey(out / 'bochum_000000_000313_gtFine_labelIds.png', [[23] * 6, [4, 7, 8, 11, 12, 13], [33, 32, 31, 30, 29, 28],
                                                            [0, 17, 19, 20, 21, 22]])
    assert convert(str(tmp_path), partial=True, processes=1) == dict(val=2)
    painted, mapped = (np.array(Image.open(path)).tolist() for path in sorted(out.glob('*_labelTrainIds.png')))
    void = 255
    assert painted == [[10] * 6, [void, 13, 13, 13, void, void], [0, 13, 13, 13, 0, 0], [0] * 6]
    assert mapped == [[10] * 6, [void, 0, 1, 2, 3, 4], [18, 17, 16, void, void, 15], [void, 5, 6, 7, 8, 9]]


def test_both_sources_lists_and_the_config(tree, through_config, capsys):
    assert convert(str(tree), partial=True, processes=2) == dict(train=3, val=1)
    made = sorted(tree.rglob('*_labelTrainIds.png'))
    assert len(made) == 5
    for path in made:
        polygons = path.with_name(path.name.replace('labelTrainIds.png', 'polygons.json'))
        assert np.array_equal(np.array(Image.open(path)), paint_polygons(str(polygons)))
    assert (tree / 'train.txt').read_text().split() == [
        'aachen/aachen_000000_000019', 'aachen/aachen_000001_000019', 'bochum/bochum_000000_000313']
    assert (tree / 'test.txt').read_text() == 'bonn/bonn_000000_000019\n'
    train, val = through_config('cityscapes.py', tree)
    assert (len(train), len(val)) == (3, 1)
    made[0].write_bytes(made[0].read_bytes()[:-5])
    capsys.readouterr()
    convert(str(tree), partial=True, processes=1)
    said = capsys.readouterr().out
    assert 'label ids: 0 masks written, 1 was there' in said
    assert 'polygons: 1 mask written, 3 were there; 1 of the written ones' in said
    assert 'train has 3 instead of 2,975' in said


def test_the_real_frame(tmp_path, data_pack, through_config):
    shutil.copytree(data_pack / 'Cityscapes_sample', tmp_path / 'city')
    scaled = next((tmp_path / 'city').rglob('*_labelTrainIds.png'))
    theirs = np.array(Image.open(scaled))
    scaled.unlink()
    assert convert(str(tmp_path / 'city'), partial=True) == dict(val=1)
    ids = np.array(Image.open(str(scaled).replace('TrainIds', 'Ids')))
    ours = np.array(Image.open(scaled))
    assert np.array_equal(ours, TRAIN_IDS[ids])  # whose table test_cityscapes_polygons.py compares
    assert (ours != theirs).mean() < 0.005  # the sample's two masks were scaled down apart from each other


def test_coarse_annotations_and_lists_elsewhere(tree):
    (tree / 'gtFine').rename(tree / 'gtCoarse')
    for path in list((tree / 'gtCoarse').rglob('*_gtFine_*')):
        path.rename(path.with_name(path.name.replace('gtFine', 'gtCoarse')))
    (tree / 'gtCoarse/test').rename(tree / 'gtCoarse/train_extra')
    (tree / 'leftImg8bit/test').rename(tree / 'leftImg8bit/train_extra')
    sizes = convert(str(tree), 'gtCoarse', str(tree / 'lists'), partial=True)
    assert sizes == dict(train=3, train_extra=1, val=1) and (tree / 'lists/train_extra.txt').is_file()
    assert len(list((tree / 'gtCoarse').rglob('*_gtCoarse_labelTrainIds.png'))) == 5


def test_a_split_that_is_missing_as_a_whole(tree, monkeypatch, capsys):
    monkeypatch.setitem(cityscapes.COUNTS, 'gtFine', dict(train=3, val=1, test=1))
    shutil.rmtree(tree / 'gtFine/test')
    with pytest.raises(DataError, match=r'gtFine: test has 0 instead of 1\.'):
        convert(str(tree), processes=1)
    assert convert(str(tree), partial=True, processes=1) == dict(train=3, val=1)
    assert 'test has 0 instead of 1; taken as it is' in capsys.readouterr().out


def test_what_is_missing_or_damaged_is_named(tree, tmp_path):
    def refused(**own):
        with pytest.raises(DataError) as error:
            convert(str(own.pop('root', tree)), **{**dict(partial=True, processes=1), **own})
        assert len(str(error.value).splitlines()) <= 4
        assert not list(tree.rglob('*_labelTrainIds.png')) and not (tree / 'train.txt').exists()
        return str(error.value)

    assert 'train has 3 instead of 2,975' in refused(partial=False)
    text = refused(root=tree / 'leftImg8bit')
    assert 'no folder' in text and 'registered users only' in text and 'www.cityscapes-dataset.com' in text
    frame = tree / 'leftImg8bit/val/lindau/lindau_000000_000019_leftImg8bit.png'
    polygons = tree / 'gtFine/val/lindau/lindau_000000_000019_gtFine_polygons.json'
    ids = tree / 'gtFine/train/bochum/bochum_000000_000313_gtFine_labelIds.png'
    for path, change, reason in ((frame, None, 'is missing.\n1 of 1 frames'), (frame, -20, 'is cut short'),
                                 (polygons, -20, 'is no file of polygons'), (ids, -20, 'is cut short')):
        before = path.read_bytes()
        path.unlink()
        if change:
            path.write_bytes(before[:change])
        assert path.name in (text := refused()) and reason in text
        path.write_bytes(before)
    polygons.write_text(polygons.read_text().replace('96', '97'))
    assert f'{polygons} has 97x48 pixels, its photo {frame} 96x48' in refused()


def test_label_ids_that_cityscapes_does_not_have(tree, grey):
    ids = tree / 'gtFine/train/bochum/bochum_000000_000313_gtFine_labelIds.png'
    grey(ids, np.full((48, 96), 34))
    with pytest.raises(DataError, match="labelIds.png has the label 34 in 4,608 pixels; Cityscapes' label ids are 0"):
        convert(str(tree), partial=True)
    assert not (tree / 'train.txt').exists()
