"""VOC with SBD: real masks and lists, .mat files as SBD's are."""
import hashlib
import os
import runpy
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.apis.converters import voc_aug
from segkit.apis.converters.voc_aug import COUNTS, convert
from segkit.errors import DataError
from segkit.palette import color_map

ROOT = Path(__file__).parents[3]
LISTS, OFFICIAL, AUG = 'ImageSets/Segmentation', 'SegmentationClass', 'SegmentationClassAug'


@pytest.fixture
def real(tmp_path, data_pack, sbd_mat):
    """12 real photos of VOC's train, 8 of val, and SBD: 10 others with its real masks, 6 of train and 4 of val."""
    pack, devkit, aug = data_pack / 'VOC2012', tmp_path / 'VOCdevkit', tmp_path / 'VOCaug'
    names = {split: (pack / LISTS / f'{split}.txt').read_text().split() for split in ('train', 'val', 'train_aug')}
    added = sorted(set(names['train_aug']) - set(names['train']))[:10]
    train, val = names['train'][:12], names['val'][:8]
    for folder in ('JPEGImages', OFFICIAL, LISTS):
        (devkit / 'VOC2012' / folder).mkdir(parents=True)
    for name in (*train, *val, *added):
        shutil.copy(pack / f'JPEGImages/{name}.jpg', devkit / 'VOC2012/JPEGImages')
    for name in (*train, *val):
        shutil.copy(pack / f'{OFFICIAL}/{name}.png', devkit / 'VOC2012' / OFFICIAL)
    for split, some in (('train', train), ('val', val)):
        (devkit / 'VOC2012' / LISTS / f'{split}.txt').write_text('\n'.join(some) + '\n')
    for split, some in (('train', added[:7] + train[:6]), ('val', added[7:] + val[:4])):
        for name in some:
            inside = Image.open(pack / (AUG if name in added else OFFICIAL) / f'{name}.png')
            labels = np.array(inside)
            sbd_mat(aug / f'dataset/cls/{name}.mat', np.where(labels == 255, 0, labels))
        (aug / f'dataset/{split}.txt').write_text('\n'.join(some) + '\n')
    return devkit, aug, dict(train=train, val=val, added=added), pack


def test_real_masks_lists_and_the_config(real, through_config, capsys):
    devkit, aug, names, pack = real
    sizes = convert(str(devkit), str(aug), partial=True, processes=2)
    assert sizes == {'train': 12, 'train + aug': 22, 'trainaug': 22, 'val': 8}
    root = devkit / 'VOC2012'
    lists = {split: (root / LISTS / f'{split}.txt').read_text().split() for split in ('aug', 'trainaug')}
    assert lists == dict(aug=names['added'], trainaug=sorted(names['train'] + names['added']))
    for name in (*names['train'], *names['val'], *names['added']):
        official = name not in names['added']
        mask, real_mask = (Image.open(folder / f'{name}.png') for folder in (
            root / AUG, pack / (OFFICIAL if official else AUG)))
        assert np.array_equal(np.array(mask), np.array(real_mask))  # of train and val with their void borders
        assert mask.mode == 'P' and mask.getpalette()[:63] == sum(color_map(21), [])
    assert len(list((root / AUG).iterdir())) == 30
    train, val = through_config('pascal_voc12_aug.py', root)
    assert (len(train), len(val)) == (22, 8)
    assert [255 in sample['gt_seg_map'] for sample in train] == [True] * 12 + [False] * 10
    before = {path: path.stat().st_mtime_ns for path in root.rglob('*') if path.is_file()}
    capsys.readouterr()
    convert(str(root), str(aug), partial=True, processes=1)  # VOC2012 itself is taken too
    said = capsys.readouterr().out
    assert 'aug: 0 masks written, 10 were there\n' in said and 'train and val: 0 masks written, 20 were there' in said
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob('*') if path.is_file()}


def test_masks_of_mmsegmentation_s_converter_give_way_to_official_ones(real, capsys):
    """It writes SBD's masks of train and val too, which have no void border."""
    devkit, aug, names, pack = real
    (devkit / 'VOC2012' / AUG).mkdir()
    name = names['train'][0]
    labels = np.array(Image.open(pack / OFFICIAL / f'{name}.png'))
    Image.fromarray(np.where(labels == 255, 0, labels).astype(np.uint8)).save(devkit / 'VOC2012' / AUG / f'{name}.png')
    convert(str(devkit), str(aug), partial=True)
    said, path = capsys.readouterr().out, devkit / 'VOC2012' / AUG / f'{name}.png'
    assert 'train and val: 20 masks written, 0 were there; 1 of the written ones' in said
    assert f'train and val: a file of other content was there; it is kept as {path}.before\n' in said
    assert 255 in np.array(Image.open(path))
    with Image.open(f'{path}.before') as image:
        assert 255 not in np.array(image)


def test_what_is_missing_or_damaged_is_named_and_nothing_is_written(real, tmp_path, sbd_mat):
    devkit, aug, names, _ = real
    root = devkit / 'VOC2012'

    def refused(**own):
        with pytest.raises(DataError) as error:
            convert(str(devkit), str(aug), **{**dict(partial=True, processes=1), **own})
        assert len(str(error.value).splitlines()) <= 4
        assert not (root / AUG).exists() and not (root / LISTS / 'aug.txt').exists()
        return str(error.value)

    text = refused(partial=False)
    assert 'train has 12 instead of 1,464' in text and 'aug has 10 instead of 9,118' in text and '--partial' in text
    mat, photo = aug / f'dataset/cls/{names["added"][2]}.mat', root / f'JPEGImages/{names["added"][3]}.jpg'
    for path, content, reason in ((mat, mat.read_bytes()[:-40], 'is damaged or cut short'), (mat, b'', 'is empty'),
                                  (mat, None, 'is missing.\n1 of 10 masks of SBD'),
                                  (photo, photo.read_bytes()[:-40], 'is cut short'),
                                  (photo, None, 'is missing.\n1 of 30 photos are'),
                                  (root / LISTS / 'val.txt', None, 'is missing.\nVOCtrainval'),
                                  (aug / 'dataset/val.txt', None, 'is missing.\nbenchmark.tgz has it')):
        before = path.read_bytes()
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        text = refused()
        assert path.name in text and reason in text, text
        path.write_bytes(before)
    before = mat.read_bytes()
    sbd_mat(mat, np.zeros((5, 6)))
    assert f'{mat} has 6x5 pixels, its photo' in refused()
    mat.write_bytes(before)
    labels = np.zeros(Image.open(root / f'JPEGImages/{mat.stem}.jpg').size[::-1])
    labels[0, :3] = 21
    sbd_mat(mat, labels)
    assert f'{mat} has the label 21 in 3 pixels; the labels are 0 to 20' in refused()
    (aug / 'dataset/cls').rename(aug / 'dataset/class')
    assert f'There is no folder {aug}/dataset/cls' in refused()


@pytest.mark.slow
def test_the_official_lists_in_full(data_pack, tmp_path, sbd_mat, photo, capsys):
    """All 12,031 names; the files are links to one of each kind. SBD has 2,237 photos of train and val, too."""
    full = {split: (data_pack / f'VOC2012/ImageSets/Segmentation_official_full/{split}.txt').read_text().split()
            for split in ('train', 'val', 'train_aug')}
    added = sorted(set(full['train_aug']) - set(full['train']))
    sbd = added + full['train'][:1200] + full['val'][:1037]
    assert len(sbd) == 11355
    root, aug, one = tmp_path / 'VOCdevkit/VOC2012', tmp_path / 'VOCaug', tmp_path / 'one'
    photo(one / 'x.jpg', (5, 7))
    sbd_mat(one / 'x.mat', np.random.RandomState(0).randint(0, 21, (5, 7)))
    Image.fromarray(np.eye(5, 7, dtype=np.uint8) * 20).save(one / 'x.png')
    for folder, suffix, names in ((root / 'JPEGImages', 'jpg', added + full['train'] + full['val']),
                                  (root / OFFICIAL, 'png', full['train'] + full['val']),
                                  (aug / 'dataset/cls', 'mat', sbd)):
        folder.mkdir(parents=True)
        for name in names:
            os.link(one / f'x.{suffix}', folder / f'{name}.{suffix}')
    (root / LISTS).mkdir(parents=True)
    for path, names in ((root / LISTS / 'train.txt', full['train']), (root / LISTS / 'val.txt', full['val']),
                        (aug / 'dataset/train.txt', sbd[:8498]), (aug / 'dataset/val.txt', sbd[8498:])):
        path.write_text(''.join(f'{name}\n' for name in names))
    sizes = convert(str(tmp_path / 'VOCdevkit'), str(aug))
    assert sizes == {'train': COUNTS['train'], 'train + aug': 10582, 'trainaug': 10582, 'val': 1449}
    assert (root / LISTS / 'trainaug.txt').read_text().split() == sorted(full['train_aug'])
    assert len((root / LISTS / 'aug.txt').read_text().split()) == COUNTS['aug'] == 9118
    assert len(os.listdir(root / AUG)) == 12031
    names = full['val'][:-1] + ['2012_999999']  # as many names, one of them another
    (root / LISTS / 'val.txt').write_text('\n'.join(names))
    with pytest.raises(DataError, match='val.txt would have 1,449 names, but not the official ones'):
        convert(str(tmp_path / 'VOCdevkit'), str(aug))


def test_downloaded_into_the_folder_of_the_year_itself_and_mended(real, tmp_path, web_server, monkeypatch, capsys):
    devkit, aug, _, _ = real
    for name, folder, inside, mode, holds in (('VOC_2012', devkit, 'VOCdevkit', 'w', dict(JPEGImages=30)),
                                              ('SBD', aug, 'benchmark_RELEASE', 'w:gz', {'dataset/cls': 20})):
        archive = getattr(voc_aug, name)
        with tarfile.open(web_server.folder / archive.name, mode) as file:
            file.add(folder, inside)
        digest = hashlib.md5((web_server.folder / archive.name).read_bytes()).hexdigest()
        monkeypatch.setattr(voc_aug, name, archive._replace(url=f'{web_server.address}/{archive.name}',
                                                            digest=f'md5:{digest}', holds=holds))
    root, new_aug = tmp_path / 'new/VOC2012', tmp_path / 'new/aug'
    own = dict(partial=True, download=True, processes=1)
    sizes = convert(str(root), str(new_aug), **own)
    assert sizes['trainaug'] == 22
    assert sorted(path.name for path in root.iterdir()) == [
        'ImageSets', 'JPEGImages', OFFICIAL, AUG, 'downloads']
    for path in (new_aug / 'dataset/train.txt', root / LISTS / 'val.txt'):  # as if it was killed before the lists
        path.unlink()
    assert convert(str(root), str(new_aug), **own) == sizes
    capsys.readouterr()
    assert convert(str(root.parent), str(new_aug), **own) == sizes
    assert capsys.readouterr().out.count(': its files are in ') == 2 and len(web_server.seen) == 2


def test_the_command(real, capsys):
    devkit, aug, _, _ = real
    main = runpy.run_path(str(ROOT / 'tools/dataset_converters/voc_aug.py'))['main']
    main([str(devkit), str(aug), '-o', str(devkit / 'masks'), '--nproc', '2', '--partial'])
    assert len(list((devkit / 'masks').iterdir())) == 30
    assert 'train + aug: 22 samples of PascalVOCDataset; 22 pairs checked' in capsys.readouterr().out
