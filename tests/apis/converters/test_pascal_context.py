"""PASCAL Context from both of its forms: masks, lists, and the two data set classes."""
import hashlib
import io
import json
import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from segkit.apis.converters import pascal_context
from segkit.apis.converters.pascal_context import LABEL_MAPS, VOC_2010, convert
from segkit.errors import DataError


@pytest.fixture
def tree(tmp_path, photo, context):
    """VOC 2010 with six photos, the JSON file, the .mat files, and the labels of each photo."""
    content, maps = context.file(6)
    voc = tmp_path / 'VOCdevkit/VOC2010'
    (voc / 'ImageSets/Main').mkdir(parents=True)
    for split in ('train', 'val'):
        names = [image['file_name'][:-4] for image in content['images'] if image['phase'] == split]
        (voc / f'ImageSets/Main/{split}.txt').write_text('\n'.join(names) + '\n')
    for n, (name, numbers) in enumerate(maps.items()):
        photo(voc / f'JPEGImages/{name}.jpg', (20, 30), n)
        (tmp_path / 'mats').mkdir(exist_ok=True)
        rare = np.where(numbers == 0, 1 + n, numbers)  # of the 459 labels, those that are none of the classes
        savemat(tmp_path / f'mats/{name}.mat', dict(LabelMap=rare.astype(np.uint16)), do_compression=True)
    (tmp_path / 'trainval_merged.json').write_text(json.dumps(content))
    return tmp_path, voc, {name: context.labels(numbers) for name, numbers in maps.items()}


@pytest.mark.parametrize('form', ['trainval_merged.json', 'mats'])
def test_masks_lists_and_both_configs(tree, form, through_config, capsys):
    root, voc, labels = tree
    own = dict(json_path=str(root / form), partial=True)
    sizes = convert(str(root / 'VOCdevkit'), processes=2, **own)
    assert sizes == {'train of 60': 4, 'train of 59': 4, 'val of 60': 2, 'val of 59': 2}
    for name, expected in labels.items():
        made = np.array(Image.open(voc / f'SegmentationClassContext/{name}.png'))
        # The .mat files' second and ninth label are classes: aeroplane and bag.
        assert np.array_equal(made if form != 'mats' else np.where(expected == 0, 0, made), expected)
    assert (voc / 'ImageSets/SegmentationContext/val.txt').read_text() == '2008_000002\n2008_000005\n'
    for config, stored in (('pascal_context.py', lambda mask: mask),
                           ('pascal_context_59.py', lambda mask: np.where(mask == 0, 255, mask - 1))):
        train, val = through_config(config, voc)
        assert (len(train), len(val)) == (4, 2)
        for sample in train + val:
            mask = np.array(Image.open(sample['seg_map_path']))
            assert np.array_equal(sample['gt_seg_map'], stored(mask.astype(int)))
    capsys.readouterr()
    convert(str(voc), processes=1, **own)
    assert 'PASCAL Context: 0 masks written, 6 were there\n' in capsys.readouterr().out


def test_what_is_missing_or_damaged_is_named(tree):
    root, voc, _ = tree

    def refused(form, **own):
        with pytest.raises(DataError) as error:
            convert(str(root / 'VOCdevkit'), str(root / form), **{**dict(partial=True, processes=1), **own})
        assert len(str(error.value).splitlines()) <= 4
        assert not (voc / 'SegmentationClassContext').exists() and not (voc / 'ImageSets/SegmentationContext').exists()
        return str(error.value)

    for form in ('mats', 'trainval_merged.json'):
        assert 'train has 4 instead of 4,998, val has 2 instead of 5,105' in refused(form, partial=False)
    assert 'none.json cannot be read' in (text := refused('none.json')) and '--download' in text
    assert 'There is no folder' in (text := refused('none')) and 'trainval.tar.gz' in text
    photo, mat = voc / 'JPEGImages/2008_000003.jpg', root / 'mats/2008_000004.mat'
    for path, forms in ((photo, ('mats', 'trainval_merged.json')), (mat, ('mats',))):
        before = path.read_bytes()
        for form in forms:
            path.write_bytes(before[:-20])
            assert str(path) in (text := refused(form)) and 'cut short' in text
            path.unlink()
            assert f'{path} is missing' in refused(form)
        path.write_bytes(before)
    Image.fromarray(np.zeros((21, 30, 3), np.uint8)).save(photo)
    assert f'2008_000003.mat has 30x20 pixels, its photo {photo} 30x21' in refused('mats')
    assert f'The mask for 2008_000003.png has 30x20 pixels, its photo {photo}' in refused('trainval_merged.json')
    (voc / 'JPEGImages').rename(voc / 'JPEG')
    assert f'There is no folder {voc}/JPEGImages' in refused('mats')


@pytest.mark.parametrize('form', ['trainval_merged.json', 'mats'])
def test_downloaded(tree, tmp_path, web_server, monkeypatch, form):
    root, voc, _ = tree
    for archive, folder, inside, mode in ((VOC_2010, root / 'VOCdevkit', 'VOCdevkit', 'w'),
                                          (LABEL_MAPS, root / 'mats', 'trainval', 'w:gz')):
        with tarfile.open(web_server.folder / archive.name, mode) as file:
            for path in sorted(folder.rglob('*.*')):
                info = tarfile.TarInfo(f'{inside}/{path.relative_to(folder)}')
                info.size = path.stat().st_size
                file.addfile(info, io.BytesIO(path.read_bytes()))
    (web_server.folder / 'trainval_merged.json').write_bytes((root / 'trainval_merged.json').read_bytes())
    for name in ('VOC_2010', 'LABEL_MAPS'):
        archive = getattr(pascal_context, name)
        digest = hashlib.md5((web_server.folder / archive.name).read_bytes()).hexdigest() if archive.digest else ''
        monkeypatch.setattr(pascal_context, name, archive._replace(
            url=f'{web_server.address}/{archive.name}', digest=digest and f'md5:{digest}',
            holds=dict.fromkeys(archive.holds, 6)))
    sha1 = hashlib.sha1((root / 'trainval_merged.json').read_bytes()).hexdigest()
    monkeypatch.setattr(pascal_context, 'JSON', pascal_context.JSON._replace(
        url=f'{web_server.address}/trainval_merged.json', digest=f'sha1:{sha1}'))
    new = tmp_path / 'new/VOCdevkit'
    given = str(new), str(tmp_path / 'new/sources' / form)
    sizes = convert(*given, partial=True, download=True)
    assert sizes['train of 59'] == 4 and sizes['val of 60'] == 2
    shutil.rmtree(new / 'downloads')  # what was fetched is where the command said, and is not fetched again
    assert convert(*given, partial=True, download=True) == convert(*given, partial=True) == sizes
    second = LABEL_MAPS.name if form == 'mats' else form
    assert [path for path, _ in web_server.seen] == [f'/{VOC_2010.name}', f'/{second}']
