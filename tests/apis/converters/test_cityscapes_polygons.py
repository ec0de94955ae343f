"""Polygons, painted as cityscapesScripts paints them."""
import json

import numpy as np
import pytest

from segkit.apis.converters.cityscapes_polygons import NAMES, TRAIN_IDS, paint_polygons
from segkit.errors import DataError


def scripts(module):
    """A module of cityscapesScripts, where somebody installed it: it brings a ``typing`` of its own along."""
    return pytest.importorskip(f'cityscapesscripts.{module}', reason='pip install cityscapesscripts')


def write(path, objects, size=(160, 96)):
    path.write_text(json.dumps(dict(imgWidth=size[0], imgHeight=size[1], objects=objects)))


def test_the_table_is_that_of_cityscapesscripts():
    known = {label.id: label for label in scripts('helpers.labels').labels if label.id >= 0}
    assert NAMES == tuple(known[i].name for i in range(34))
    assert TRAIN_IDS.tolist() == [known[i].trainId for i in range(34)]


@pytest.mark.parametrize('seed', range(6))
def test_equal_to_cityscapesscripts(tmp_path, seed):
    rng, path = np.random.RandomState(seed), tmp_path / 'a_polygons.json'
    names = [*NAMES, 'license plate', 'cargroup', 'persongroup', 'ridergroup']
    objects = [dict(label=names[rng.randint(len(names))],
                    polygon=(rng.randint(-20, 180, (rng.randint(3, 9), 2)) * [1, 0.6]).astype(int).tolist(),
                    **(dict(deleted=int(rng.randint(2))) if n % 5 == 0 else {})) for n in range(60)]
    write(path, objects)
    annotation = scripts('helpers.annotation').Annotation()
    paint = scripts('preparation.json2labelImg').createLabelImage
    annotation.fromJsonFile(str(path))
    painted = paint_polygons(str(path))
    assert painted.shape == (96, 160) and painted.dtype == np.uint8
    assert np.array_equal(painted, np.array(paint(annotation, 'trainIds')))
    assert len(np.unique(painted)) > 6
    ids = np.array(paint(annotation, 'ids'))
    assert np.array_equal(painted, TRAIN_IDS[ids])  # the other way to the masks gives the same


def test_what_is_wrong_is_said(tmp_path):
    path = tmp_path / 'a_polygons.json'
    write(path, [dict(label='spaceship', polygon=[[0, 0], [1, 1], [2, 0]])])
    with pytest.raises(DataError, match="a_polygons.json has an object 'spaceship'"):
        paint_polygons(str(path))
    whole = path.read_text()
    for text in ('[1]', '{}', whole[:-9], whole.replace('160', '-160'), whole.replace('160', '100000000'),
                 whole.replace('160', '"a"'), whole.replace('"label"', '"name"'),
                 whole.replace('spaceship', 'car').replace('[1, 1]', '[1]')):
        path.write_text(text)
        with pytest.raises(DataError, match='a_polygons.json is no file of polygons'):
            paint_polygons(str(path))
