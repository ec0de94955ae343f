"""Folders that nobody described."""
import pytest

from segkit.datasets.layouts import recognise, role_of
from segkit.errors import DataError
from segkit.registry import DATASETS


@pytest.fixture
def write(tmp_path, write_pair):
    """A function that writes pairs of photos and masks into two folders below a root."""
    def write(photos, masks, names, suffix='.png'):
        for name in names:
            write_pair(tmp_path / photos / f'{name}.jpg', tmp_path / masks / f'{name}{suffix}')
        return tmp_path
    return write


def sizes(folder):
    """What is recognised, and how many samples each split has when its dataset is built."""
    layout = recognise(str(folder))
    built = {name: DATASETS.build(dict(config, metainfo=dict(classes=['x'])))
             for name, config in layout.splits.items()}
    for dataset in built.values():
        for i in range(len(dataset)):
            assert dataset.get_data_info(i)['img_path'].endswith('.jpg')
    return layout.what, {name: (len(dataset), dataset.wants_labels) for name, dataset in built.items()}


def test_voc(voc_tree):
    what, found = sizes(voc_tree)
    assert what == "PASCAL VOC's layout: JPEGImages/, SegmentationClass/, lists train, val"
    assert found == {'train': (3, True), 'val': (1, True)}


def test_voc_with_more_masks_and_with_a_test_list_without_any(voc_tree, write_pair):
    write_pair(voc_tree / 'JPEGImages/e.jpg', voc_tree / 'SegmentationClassAug/e.png')
    write_pair(voc_tree / 'JPEGImages/f.jpg', voc_tree / 'elsewhere/f.png')
    (voc_tree / 'ImageSets/Segmentation/aug.txt').write_text('a\ne\n')
    (voc_tree / 'ImageSets/Segmentation/test.txt').write_text('f\n')
    assert sizes(voc_tree)[1] == {'aug': (2, True), 'test': (1, False), 'train': (3, True), 'val': (1, True)}
    (voc_tree / 'ImageSets/Segmentation/test.txt').write_text('f\na\n')  # one has a mask, so the other one misses it
    assert recognise(str(voc_tree)).splits['test']['data_prefix']['seg_map_path']


def test_voc_without_lists_and_one_folder_above(tmp_path, write):
    write('VOC2012/JPEGImages', 'VOC2012/SegmentationClass', 'abc')
    what, found = sizes(tmp_path)
    assert what == "VOC2012/: PASCAL VOC's layout: JPEGImages/, SegmentationClass/, no split lists"
    assert found == {'all': (3, True)}


@pytest.mark.parametrize('photos, masks', [('images', 'masks'), ('img', 'labels'), ('img_dir', 'ann_dir'),
                                           ('Images', 'Annotations')])
def test_a_folder_of_photos_beside_one_of_masks(write, photos, masks):
    root = write(photos, masks, 'abcd', '_mask.png')
    assert sizes(root) == (f'{photos}/ beside {masks}/, one split', {'all': (4, True)})
    (root / 'train.txt').write_text('a\nb\nc\n')
    (root / 'val.txt').write_text('d\n')
    assert sizes(root) == (f'{photos}/ beside {masks}/, lists train.txt, val.txt',
                           {'train': (3, True), 'val': (1, True)})


def test_a_folder_for_each_split_in_both(write):
    write('images/training', 'annotations/training', 'ab')
    write('images/validation', 'annotations/validation', 'c')
    root = write('images/test', 'elsewhere', 'd')
    what, found = sizes(root)
    assert what == 'images/ beside annotations/, a folder for each split in both (training, validation)'
    assert found == {'training': (2, True), 'validation': (1, True), 'test': (1, False)}


def test_a_folder_for_each_split_with_both_in_it(write):
    write('train/images', 'train/masks', 'ab')
    root = write('val/images', 'val/masks', 'c')
    (root / 'test/images').mkdir(parents=True)
    (root / 'val/images/c.jpg').rename(root / 'test/images/c.jpg')
    (root / 'val/masks/c.png').unlink()
    layout = recognise(str(root))
    assert layout.what == 'a folder for each split (train, val, test), with images/ and masks/ in it'
    assert list(layout.splits) == ['train', 'val', 'test']
    assert 'seg_map_path' not in layout.splits['test']['data_prefix']


def test_real_data(data_pack):
    _, found = sizes(data_pack / 'VOC2012')
    assert found == {'train': (411, True), 'train_2007': (311, True), 'train_aug': (471, True),
                     'trainval': (832, True), 'val': (421, True), 'val_2007': (321, True)}
    assert sizes(data_pack / 'CamVid')[1] == {'train': (367, True), 'val': (101, True), 'test': (233, True)}


def test_what_is_not_recognised(tmp_path, write):
    with pytest.raises(DataError, match='nowhere') as caught:
        recognise(str(tmp_path / 'nowhere'))
    (tmp_path / 'images').mkdir()
    with pytest.raises(DataError, match='which holds: images') as caught:
        recognise(str(tmp_path))
    assert 'JPEGImages' in str(caught.value) and len(str(caught.value).splitlines()) <= 4
    (tmp_path / 'images').rmdir()
    write('one/images', 'one/masks', 'a')
    write('two/images', 'two/masks', 'a')
    with pytest.raises(DataError, match='several data sets: one, two'):
        recognise(str(tmp_path))


@pytest.mark.parametrize('name, role', [
    ('train', 'train'), ('train_aug', 'train'), ('trainaug', 'train'), ('training', 'train'), ('aug', 'train'),
    ('trainval', 'all'), ('trainval_2007', 'all'), ('val', 'val'), ('validation', 'val'), ('test', 'test'),
    ('all', 'all'), ('minival', 'all')])
def test_roles(name, role):
    assert role_of(name) == role
