"""Generated trees stand in for the data of a config."""
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.datasets.mini_trees import NAMES, dataset_configs, stored_labels, write_mini_trees
from segkit.errors import ConfigError
from segkit.registry import DATASETS

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
FOLDERS = dict(img_path='images', seg_map_path='masks')


def loader(**dataset) -> dict:
    return dict(dataset={**dict(data_root='data/set', data_prefix=FOLDERS), **dataset})


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob('*') if path.is_file())


@pytest.mark.parametrize('name', NAMES)
def test_every_class_lists_and_loads_its_tree(tmp_path, name):
    own = dict(metainfo=dict(classes=('a', 'b'))) if name == 'BaseSegDataset' else {}
    if name == 'COCOVOCDataset':  # its masks are in its ann_file
        own = dict(data_prefix=dict(img_path='images'), cache_dir=str(tmp_path / 'cache'), processes=1)
    cfg = dict(train_dataloader=loader(**{**dict(type=name, ann_file='train.txt'), **own}))
    overrides = write_mini_trees(cfg, str(tmp_path), images=4)
    assert overrides == {'train_dataloader.dataset.data_root': str(tmp_path / 'data/set')}
    dataset = DATASETS.build({**dict(type=name, data_root=str(tmp_path / 'data/set'), data_prefix=FOLDERS,
                                     ann_file='train.txt', pipeline=LOAD), **own})
    samples = [dataset[i] for i in range(len(dataset))]
    assert len(samples) == 4 and {s['img'].shape for s in samples} == {(48, 64, 3), (64, 48, 3)}
    seen = set(np.unique(np.concatenate([s['gt_seg_map'].ravel() for s in samples])).tolist())
    _, void = stored_labels(dataset)
    assert (255 in seen) is bool(void)
    # Four images have room for 192 squares; few classes can be missing.
    assert len(seen - {255}) > 0.6 * dataset.num_classes and max(seen - {255}) < dataset.num_classes


def test_cities_suffixes_and_stored_labels(tmp_path):
    cfg = dict(train_dataloader=loader(type='CityscapesDataset'), val_dataloader=loader(type='LoveDADataset'))
    write_mini_trees(cfg, str(tmp_path), images=2)
    there = files(tmp_path / 'data/set')
    assert 'images/bochum/bochum_000000_000001_leftImg8bit.png' in there
    assert 'masks/aachen/aachen_000002_000019_gtFine_labelTrainIds.png' in there
    assert {'images/3.png', 'masks/3.png'} <= set(there)
    stored = np.unique(Image.open(tmp_path / 'data/set/masks/3.png'))
    assert stored.tolist() == list(range(8))  # 0 is void there
    label_ids = dict(train_dataloader=loader(type='CityscapesDataset', seg_map_suffix='_gtFine_labelIds.png'))
    write_mini_trees(label_ids, str(tmp_path), images=1)
    ids = np.unique(Image.open(tmp_path / 'data/set/masks/bochum/bochum_000000_000001_gtFine_labelIds.png'))
    assert {7, 33} <= set(ids.tolist())


def test_only_sets_that_have_one_get_a_palette(tmp_path):
    for name, mode in (('PascalVOCDataset', 'P'), ('SceneDataset', 'P'), ('LIPDataset', 'L')):
        write_mini_trees(dict(train_dataloader=loader(type=name, ann_file='train.txt')), str(tmp_path / name), images=1)
        mask, = (tmp_path / name / 'data/set/masks').iterdir()
        assert Image.open(mask).mode == mode


def test_wrappers_lists_and_splits_that_share_a_folder(tmp_path):
    voc = dict(type='PascalVOCDataset', data_root='/absolute/VOC', data_prefix=FOLDERS)
    cfg = dict(
        train_dataloader=dict(dataset=dict(type='RepeatDataset', times=2, dataset=dict(
            type='ConcatDataset', datasets=[dict(voc, ann_file='lists/train.txt'), dict(voc, ann_file='aug.txt')]))),
        val_dataloader=dict(dataset=dict(voc, ann_file='lists/val.txt')),
        test_dataloader=dict(dataset=dict(voc, ann_file='lists/val.txt')))
    overrides = write_mini_trees(cfg, str(tmp_path), images=2)
    assert list(overrides) == [f'train_dataloader.dataset.dataset.datasets.{i}.data_root' for i in (0, 1)] + [
        'val_dataloader.dataset.data_root', 'test_dataloader.dataset.data_root']
    root = tmp_path / 'absolute/VOC'
    assert set(overrides.values()) == {str(root)}
    names = [set((root / one).read_text().split()) for one in ('lists/train.txt', 'aug.txt', 'lists/val.txt')]
    assert len(set.union(*names)) == 6 == len(list((root / 'images').iterdir()))
    assert voc['data_root'] == '/absolute/VOC'


def test_lists_and_folders_of_one_dataset(tmp_path):
    both = dict(img_path='images', seg_map_path=['a', 'b'])
    for case, lists in (('two lists', ['1.txt', '2.txt']), ('one list', '1.txt')):
        leaf = dict(type='PascalVOCDataset', ann_file=lists, data_prefix=both)
        overrides = write_mini_trees(dict(val_dataloader=dict(dataset=leaf)), str(tmp_path / case), images=2)
        dataset = DATASETS.build(dict(leaf, data_root=overrides['val_dataloader.dataset.data_root'], pipeline=LOAD))
        folders = {Path(dataset[i]['seg_map_path']).parent.name for i in range(len(dataset))}
        assert folders == {'a', 'b'}


def test_a_choice_of_classes_keeps_the_stored_labels(tmp_path):
    leaf = dict(type='CityscapesDataset', metainfo=dict(classes=('car', 'road')), data_prefix=FOLDERS)
    overrides = write_mini_trees(dict(train_dataloader=dict(dataset=leaf)), str(tmp_path), images=6)
    root, = overrides.values()
    masks = [np.asarray(Image.open(path)) for path in Path(root).rglob('*TrainIds.png')]
    assert {0, 13} <= set(np.unique(np.concatenate([m.ravel() for m in masks])).tolist())
    dataset = DATASETS.build(dict(leaf, data_root=root, pipeline=LOAD))
    seen = {int(v) for i in range(6) for v in np.unique(dataset[i]['gt_seg_map'])}
    assert seen == {0, 1, 255}


def test_two_runs_make_the_same_bytes(tmp_path):
    cfg = dict(train_dataloader=loader(type='ADE20KDataset'))
    for name in 'ab':
        write_mini_trees(cfg, str(tmp_path / name))
    assert files(tmp_path / 'a') == files(tmp_path / 'b')
    assert all((tmp_path / 'a' / f).read_bytes() == (tmp_path / 'b' / f).read_bytes() for f in files(tmp_path / 'a'))


def test_what_cannot_be_made_is_said(tmp_path):
    with pytest.raises(ConfigError, match='has no dataset'):
        write_mini_trees(dict(model=1), str(tmp_path))
    absolute = dict(type='LIPDataset', data_prefix=dict(img_path='/photos', seg_map_path='masks'))
    with pytest.raises(ConfigError, match="train_dataloader.dataset reads '/photos'"):
        write_mini_trees(dict(train_dataloader=dict(dataset=absolute)), str(tmp_path))
    with pytest.raises(ConfigError, match='images >= 1'):
        write_mini_trees(dict(train_dataloader=loader(type='LIPDataset')), str(tmp_path), images=0)
    assert not list(tmp_path.iterdir())


def test_dataset_configs_of_a_bare_dataset():
    assert list(dataset_configs(dict(type='A'), 'x')) == [('x', dict(type='A'))]
