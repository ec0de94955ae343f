"""Files that no split names."""
import shutil

import pytest

from segkit.datasets.unlisted import odd_names, same_but_for_case, unlisted
from segkit.registry import DATASETS


def names(paths):
    return [path.rsplit('/', 1)[1] for path in paths]


@pytest.fixture
def parts(voc_config, voc_tree):
    def parts(*lists, **kwargs):
        return [DATASETS.build({**voc_config, 'ann_file': f'ImageSets/Segmentation/{one}.txt', 'bad_samples': 'skip',
                                **kwargs}) for one in lists]
    return parts


def test_whole_splits_leave_nothing(parts):
    assert not any(unlisted(parts('train', 'val')))


def test_pairs_photos_and_masks_of_no_split(parts, voc_tree, write_pair):
    write_pair(voc_tree / 'JPEGImages/e.jpg', voc_tree / 'SegmentationClass/f.png')
    assert [names(found) for found in unlisted(parts('train'))] == [['d.jpg'], ['e.jpg'], ['f.png']]
    assert [names(found) for found in unlisted(parts('train', 'val'))] == [[], ['e.jpg'], ['f.png']]
    (voc_tree / 'JPEGImages/a.jpg').unlink()  # a split names it, so its mask is not without an owner
    assert [names(found) for found in unlisted(parts('train', 'val'))] == [[], ['e.jpg'], ['f.png']]


def test_a_second_mask_and_other_kinds_of_files_are_nothing_to_tell(parts, voc_tree):
    (voc_tree / 'SegmentationClassAug').mkdir()
    shutil.copy(voc_tree / 'SegmentationClass/a.png', voc_tree / 'SegmentationClassAug')
    (voc_tree / 'JPEGImages/Thumbs.db').write_bytes(b'x')
    (voc_tree / 'SegmentationClass/a.json').write_bytes(b'x')
    found = parts('train', 'val', data_prefix=dict(img_path='JPEGImages', seg_map_path=['SegmentationClass',
                                                                                       'SegmentationClassAug']))
    assert not any(unlisted(found))


def test_a_folder_dataset_finds_masks_of_another_name(tmp_path, write_pair):
    for name in 'abc':
        write_pair(tmp_path / f'images/{name}.jpg', tmp_path / f'masks/{name}_mask.png')
    write_pair(tmp_path / 'images/d.png', tmp_path / 'masks/other.tif')
    (tmp_path / 'train.txt').write_text('a\nb\n')
    dataset = DATASETS.build(dict(type='FolderDataset', data_root=str(tmp_path), ann_file='train.txt',
                                  metainfo=dict(classes=['x']), bad_samples='skip'))
    assert [names(found) for found in unlisted([dataset])] == [['c.jpg'], ['d.png'], ['other.tif']]


def test_photos_and_masks_in_one_folder(tmp_path, write_pair):
    for name in 'ab':
        write_pair(tmp_path / f'all/{name}.jpg', tmp_path / f'all/{name}.png')
    (tmp_path / 'all/b.png').rename(tmp_path / 'all/c.png')
    dataset = DATASETS.build(dict(type='FolderDataset', data_root=str(tmp_path), metainfo=dict(classes=['x']),
                                  data_prefix=dict(img_path='all', seg_map_path='all'), img_suffix='.jpg',
                                  seg_map_suffix='.png', bad_samples='skip', indices=1))
    assert [names(found) for found in unlisted([dataset])] == [[], ['b.jpg'], ['c.png']]


def test_names_that_differ_in_case_or_in_the_form_of_accents():
    paths = ['x/a.jpg', 'x/A.jpg', 'x/b.jpg', 'y/a.jpg', 'x/\u00e9.jpg', 'x/e\u0301.jpg', 'x/Stra\u00dfe', 'x/STRASSE']
    assert same_but_for_case(paths) == [('x/a.jpg', 'x/A.jpg'), ('x/\u00e9.jpg', 'x/e\u0301.jpg'),
                                        ('x/Stra\u00dfe', 'x/STRASSE')]


@pytest.mark.parametrize('name, odd', [('a b (2).jpg', False), ('2007_000032.jpg', False), ('a-b+c@d,e=f.jpg', False),
                                       ('\u00e4.jpg', True), ('a\n.jpg', True), ('a?.jpg', True), (' a.jpg', True),
                                       ("it's.jpg", True)])
def test_odd_names(name, odd):
    assert odd_names([f'/data/\u00e4/{name}']) == ([f'/data/\u00e4/{name}'] if odd else [])
