"""The pass over several splits: counts against those of class_counts, and any number of processes."""
import numpy as np
import pytest
from PIL import Image

from segkit.datasets import BaseSegDataset, count_classes
from segkit.datasets.scenes import generate
from segkit.datasets.survey import Split, survey
from segkit.errors import ConfigError, DataError
from segkit.registry import DATASETS

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp('survey') / 'scenes'
    generate(str(root), 40, 5, (48, 80))
    broken = root / 'SegmentationClass/scene_00003.png'
    broken.write_bytes(broken.read_bytes()[:-20])
    return root


def dataset(root, name='train', **kwargs):
    return DATASETS.build(dict(type='SceneDataset', data_root=str(root), ann_file=f'ImageSets/Segmentation/{name}.txt',
                               data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
                               pipeline=LOAD, bad_samples='skip', **kwargs))


def looked(splits, processes=1, limit=None):
    told = []

    def found(finding, owners):
        told.append((finding, owners))
        return True

    return survey(splits, lambda part: part.num_classes, found, limit, processes), told


def test_counts_are_those_of_class_counts(scenes):
    part = dataset(scenes)
    split = Split('train', 'train', [part])
    _, told = looked([split])
    counts = count_classes(part, lambda done, total: None)
    labels = range(part.num_classes)
    assert [split.pixels[label] for label in labels] == counts['pixels']
    assert [split.around[label] for label in labels] == counts['around']
    assert (split.pairs, split.usable) == (40, 39) and counts['masks'] == 39
    assert [(finding.kind, owners) for finding, owners in told] == [('cut short', (0,))]
    masks = [np.array(Image.open(part.get_data_info(i)['seg_map_path'])) for i in range(40) if i != 3]
    assert [split.masks[label] for label in labels] == [sum((mask == label).any() for mask in masks)
                                                        for label in labels]
    assert split.void == sum((mask == 255).sum() for mask in masks)


def facts(split):
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(split).items()
            if key != 'parts'}


def test_several_processes_find_what_one_finds(scenes):
    results = []
    for processes in (1, 3):
        splits = [Split('train', 'train', [dataset(scenes)]), Split('val', 'val', [dataset(scenes, 'val')])]
        result, told = looked(splits, processes)
        results.append((list(map(facts, splits)), result.table.tobytes(), result.paths, told))
    assert results[0] == results[1]


def test_a_pair_of_two_splits_is_read_once_and_counts_in_both(scenes):
    splits = [Split('train', 'train', [dataset(scenes)]), Split('few', 'all', [dataset(scenes, indices=10)]),
              Split('double', 'train', [dataset(scenes), dataset(scenes)])]
    result, told = looked(splits)
    assert len(result.table) == 40 and [len(split.rows) for split in splits] == [40, 10, 80]
    assert splits[1].rows.tolist() == list(range(10))
    assert [(finding.kind, owners) for finding, owners in told] == [('cut short', (0, 1, 2))]
    assert splits[2].pixels == {label: 2 * count for label, count in splits[0].pixels.items()}
    assert (splits[1].pairs, splits[1].usable, splits[2].usable) == (10, 9, 78)


def test_other_ways_of_reading_are_other_pairs(scenes):
    splits = [Split('train', 'train', [dataset(scenes)]), Split('val', 'val', [dataset(scenes, label_map={8: 255})])]
    assert len(looked(splits)[0].table) == 80
    assert splits[0].pixels[8] and not splits[1].pixels[8]


def test_a_limit_takes_pairs_from_all_over(scenes):
    split = Split('train', 'train', [dataset(scenes)])
    result, _ = looked([split], limit=5)
    assert split.pairs == 5 and [path[-9:-4] for path, _ in result.paths] == ['00000', '00009', '00019', '00029',
                                                                              '00039']


def test_a_dataset_that_names_no_photos_is_refused(scenes):
    class Arrays(BaseSegDataset):
        METAINFO = dict(classes=('a', 'b'))

        def load_data_list(self):
            return [dict(array=3)]

    with pytest.raises(ConfigError, match='Arrays gives no img_path for its sample 0'):
        looked([Split('train', 'train', [Arrays()])])


def test_a_record_that_is_damaged_is_not_called_empty(scenes, monkeypatch):
    def read(path, backend_args=None):
        raise DataError(f'The record of {path} is not what was written.\nWrite it again.')

    monkeypatch.setattr('segkit.datasets.pair_look.read_bytes', read)
    _, told = looked([Split('val', 'val', [dataset(scenes, 'val')])])
    assert {finding.kind for finding, _ in told} == {'damaged'} and len(told) == 10
