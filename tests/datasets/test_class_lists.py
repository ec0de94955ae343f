"""Every dataset that is a class list and suffixes, against MMSegmentation's."""
import hashlib
import inspect
import json
from pathlib import Path

import pytest

from segkit.registry import DATASETS

# Made with onedl-mmsegmentation 1.4.2, whose lists are those of mmsegmentation 1.2.2: sha256 of json.dumps() of
# list(METAINFO['classes']) and of [list(color) for color in METAINFO['palette']], and the built dataset's suffixes.
PEER = json.loads((Path(__file__).parents[1] / 'data/mmseg_datasets.json').read_text())


def digest(value: list) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


@pytest.mark.parametrize('name', PEER)
def test_classes_and_palette(name):
    info = DATASETS.get(name).METAINFO
    assert len(info['classes']) == len(info['palette']) == PEER[name]['number']
    assert digest(list(info['classes'])) == PEER[name]['classes']
    assert digest([list(color) for color in info['palette']]) == PEER[name]['palette']


@pytest.mark.parametrize('name', PEER)
def test_suffixes_and_zero_label(name):
    signature = inspect.signature(DATASETS.get(name).__init__).parameters
    needed = dict(ann_file='train.txt') if signature.get('ann_file') else {}
    dataset = DATASETS.build(dict(type=name, lazy_init=True, **needed))
    assert dataset.ignore_index == 255
    for key in ('img_suffix', 'seg_map_suffix', 'reduce_zero_label'):
        assert getattr(dataset, key) == PEER[name][key], key


@pytest.mark.parametrize('name', PEER)
def test_what_the_signature_names_can_be_chosen(name):
    chosen = dict(img_suffix='.bmp', seg_map_suffix='_seg.png', ann_file='list.txt', lazy_init=True)
    dataset = DATASETS.build(dict(type=name, reduce_zero_label=not PEER[name]['reduce_zero_label'], **chosen))
    assert (dataset.img_suffix, dataset.seg_map_suffix) == ('.bmp', '_seg.png')
    assert dataset.reduce_zero_label is not PEER[name]['reduce_zero_label']
    assert dataset.metainfo['reduce_zero_label'] is dataset.reduce_zero_label
