"""PASCAL Context's two forms, by brute force."""
import json

import numpy as np
import pytest
from scipy.io import savemat

from segkit.apis.converters.pascal_context_source import NUMBERS, paint, read_json, read_label_map, size_only
from segkit.datasets.pascal_context_dataset import PascalContextDataset
from segkit.errors import DataError


def test_numbers_are_in_the_alphabet_s_order_as_the_classes_are():
    classes = PascalContextDataset.METAINFO['classes'][1:]
    assert len(NUMBERS) == len(set(NUMBERS)) == len(classes) == 59
    assert list(NUMBERS) == sorted(NUMBERS) and list(classes) == sorted(classes)


def test_painted_as_the_objects_come(tmp_path, context):
    content, maps = context.file(6)
    (tmp_path / 'x.json').write_text(json.dumps(content))
    splits = read_json(str(tmp_path / 'x.json'))
    assert {split: len(some) for split, some in splits.items()} == dict(train=4, val=2)
    for photo in splits['train'] + splits['val']:
        assert size_only(photo).shape == (20, 30)
        assert np.array_equal(paint(photo), context.labels(maps[photo.name]))


def test_what_the_json_file_lacks_is_said(tmp_path, context):
    path = tmp_path / 'x.json'

    def refused(place=None, change=None, text=None):
        content = context.file()[0]
        if place:
            content[place[0]][place[1]].update(change)
        path.write_text(json.dumps(content) if text is None else text)
        with pytest.raises(DataError) as error:
            for some in read_json(str(path)).values():
                for photo in some:
                    paint(photo)
        assert str(path) in str(error.value) and len(str(error.value).splitlines()) <= 4
        return str(error.value)

    assert 'is no JSON file' in refused(text=json.dumps(context.file()[0])[:-20])
    for text in ('[]', '{}', '{"images": [], "annotations": []}'):
        assert 'has no images and annos_segmentation' in refused(text=text)
    for key, value in (('height', None), ('height', '20'), ('width', 1 << 30), ('image_id', [])):
        assert 'has an image ' in refused(('images', 1), {key: value})
    assert 'of no image that it lists' in refused(('annos_segmentation', 3), dict(image_id=7))
    whole = json.dumps(context.file()[0])
    assert 'of no image that it lists' in refused(text=whole.replace('"segmentation"', '"shape"', 1))
    assert 'has the label 3 in ' in refused(('annos_segmentation', 7), dict(category_id=3))
    for shape in (context.runs(np.ones((30, 20))), [[1, 2, 3, 4]], dict(size=[20, 30])):
        text = refused(('annos_segmentation', 3), dict(segmentation=shape))
        assert 'photo 2008_000000, has an object of class' in text and 'cannot be painted' in text
    path.unlink()
    with pytest.raises(DataError, match='x.json cannot be read: No such file'):
        read_json(str(path))


def test_label_maps_of_459_classes(tmp_path, context):
    numbers = np.arange(460).reshape(20, 23)
    for kind in ('uint16', 'float64'):
        savemat(tmp_path / 'x.mat', dict(LabelMap=numbers.astype(kind)), do_compression=True)
        assert np.array_equal(read_label_map(str(tmp_path / 'x.mat')), context.labels(numbers))
    savemat(tmp_path / 'x.mat', dict(LabelMap=numbers + 1))
    with pytest.raises(DataError, match='x.mat has the label 460 in 1 pixels'):
        read_label_map(str(tmp_path / 'x.mat'))
