import os

import pytest

from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


@pytest.fixture
def build(tmp_path):
    def build(**kwargs):
        return DATASETS.build({**dict(type='FolderDataset', data_root=str(tmp_path), pipeline=LOAD,
                                      metainfo=dict(classes=('road', 'crack', 'hole'))), **kwargs})
    return build


@pytest.fixture
def pairs(tmp_path, write_pair):
    def pairs(*names, start=0):
        for k, (img, mask) in enumerate(names, start=start):
            write_pair(tmp_path / 'images' / img, tmp_path / 'masks' / mask, k, gray=50 * k)
    return pairs


def labels(dataset) -> list[int]:
    assert all(sample['gt_seg_map'].max() == round(sample['img'].mean() / 50) for sample in dataset)
    return sorted(int(sample['gt_seg_map'].max()) for sample in dataset)


@pytest.mark.parametrize('serialize', [True, False])
def test_names_that_are_not_utf_8(build, pairs, tmp_path, serialize):
    odd = os.fsdecode(b'caf\xe9')
    pairs(('a.jpg', 'a.png'), ('b.jpg', 'b.png'))
    try:
        for path in sorted(tmp_path.glob('*/b.*')):
            path.rename(path.with_name(odd + path.suffix))
    except OSError:
        pytest.skip('the disk takes no such name')
    dataset = build(serialize_data=serialize)
    assert labels(dataset) == [0, 1]
    assert [os.path.basename(dataset.get_data_info(i)['img_path']) for i in range(2)] == ['a.jpg', f'{odd}.jpg']


@pytest.mark.parametrize('names', [
    [('a.jpg', 'a.png'), ('b.jpg', 'b.png')],
    [('a.jpg', 'a_mask.png'), ('a1.jpg', 'a1_mask.png')],
    [('a.png', 'a.png'), ('b.jpeg', 'b.png'), ('sub/c.JPG', 'sub/c.png')],
    [('a.bmp', 'a.tif'), ('b.bmp', 'b.png')],
    [('1.jpg', '1.png'), ('10.jpg', '10.png'), ('100.jpg', '100.png')],
])
def test_suffixes_are_found(build, pairs, names):
    pairs(*names)
    assert labels(build()) == list(range(len(names)))


def test_split_list_and_names_with_dots(build, pairs, tmp_path):
    pairs(('v1.0.jpg', 'v1.0.png'), ('v1.5.jpg', 'v1.5.png'), ('b.jpg', 'b.png'))
    (tmp_path / 'train.txt').write_text('v1.5\nb.jpg\n')
    assert labels(build(ann_file='train.txt')) == [1, 2]
    (tmp_path / 'val.txt').write_text('v1.0\n')
    assert labels(build(ann_file=['train.txt', 'val.txt'])) == [0, 1, 2]


def test_one_folder_needs_suffixes(build, tmp_path, write_pair):
    write_pair(tmp_path / 'all/a.jpg', tmp_path / 'all/a.png', 0, gray=0)
    prefix = dict(img_path='all', seg_map_path='all')
    with pytest.raises(ConfigError, match='img_suffix'):
        build(data_prefix=prefix)
    assert labels(build(data_prefix=prefix, img_suffix='.jpg', seg_map_suffix='.png')) == [0]


def test_images_alone(build, pairs):
    pairs(('a.jpg', 'a.png'))
    dataset = build(data_prefix=dict(img_path='images'), pipeline=LOAD[:1])
    assert len(dataset) == 1 and 'seg_map_path' not in dataset[0]


def test_classes_and_palette_come_from_the_config(build, pairs):
    pairs(('a.jpg', 'a.png'))
    dataset = build(metainfo=dict(classes=['x', 'y'], palette=[[1, 2, 3], [4, 5, 6]]))
    assert dataset.num_classes == 2 and dataset.metainfo['palette'] == [[1, 2, 3], [4, 5, 6]]
    with pytest.raises(ConfigError, match='classes'):
        build(metainfo=dict())


def test_errors(build, pairs, tmp_path):
    with pytest.raises(DataError, match='data_prefix.img_path'):
        build()
    (tmp_path / 'images').mkdir()
    with pytest.raises(DataError, match='No images'):
        build()
    pairs(('a.jpg', 'a.png'), ('b.jpg', 'b.png'))
    (tmp_path / 'masks/b.png').unlink()
    with pytest.raises(DataError, match="No mask for 'b'"):
        build()
    (tmp_path / 'masks/a.png').rename(tmp_path / 'masks/z.png')
    with pytest.raises(DataError, match="such as 'z.png'"):
        build()
    pairs(('a.jpg', 'a.png'), ('b.jpg', 'b.png'))
    (tmp_path / 'list.txt').write_text('a\nq\n')
    with pytest.raises(DataError, match="No image for 'q'"):
        build(ann_file='list.txt')
    pairs(('a.png', 'a.png'))
    with pytest.raises(DataError, match='Two images'):
        build()
    with pytest.raises(ConfigError, match='ConcatDataset'):
        build(data_prefix=dict(img_path=['images', 'more'], seg_map_path='masks'))
