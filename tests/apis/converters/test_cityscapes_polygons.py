"""Polygons, painted as cityscapesScripts paints them: as it does where it is installed, and as it did once."""
import json
from pathlib import Path

import numpy as np
import PIL
import pytest

from segkit.apis.converters.cityscapes_polygons import NAMES, TRAIN_IDS, paint_polygons
from segkit.errors import DataError

# Its labels (id, name, train id) as they are in version 2.3.0, and what that painted with Pillow 13.0: three files of
# polygons, and the two masks of each as label, length, label, length, ... in the order of the pixels.
RECORDED = json.loads((Path(__file__).parents[2] / 'data' / 'cityscapesscripts.json').read_text())


def write(path, objects, size=(160, 96)):
    path.write_text(json.dumps(dict(imgWidth=size[0], imgHeight=size[1], objects=objects)))


def test_the_table_is_that_of_cityscapesscripts():
    assert [[i, NAMES[i], TRAIN_IDS[i]] for i in range(34)] == RECORDED['labels']


@pytest.mark.parametrize('case', range(3))
def test_is_what_cityscapesscripts_painted(tmp_path, case):
    recorded, path = RECORDED['cases'][case], tmp_path / 'a_polygons.json'
    path.write_text(json.dumps(recorded['polygons']))
    painted = paint_polygons(str(path))
    ids, train_ids = (np.repeat(recorded[what][::2], recorded[what][1::2]).reshape(40, 64)
                      for what in ('ids', 'trainIds'))
    assert painted.dtype == np.uint8 and len(np.unique(painted)) > 6
    assert np.array_equal(TRAIN_IDS[ids], train_ids)  # so both sources of a mask give the same
    # Pillow paints for both, and up to 11.1 it filled a few pixels otherwise: 7 of 2,560 at most here.
    old = tuple(map(int, PIL.__version__.split('.')[:2])) < (11, 2)
    assert (painted != train_ids).mean() <= (0.005 if old else 0)


def test_is_what_cityscapesscripts_paints(tmp_path):
    """Where somebody installed it; no file of requirements does, since it brings a ``typing`` of its own along."""
    modules = ('helpers.annotation', 'preparation.json2labelImg')
    annotations, painting = (pytest.importorskip(f'cityscapesscripts.{module}', reason='pip install cityscapesscripts')
                             for module in modules)
    path, names = tmp_path / 'a_polygons.json', [*NAMES, 'license plate', 'cargroup', 'persongroup', 'ridergroup']
    for seed in range(6):
        rng = np.random.RandomState(seed)
        objects = [dict(label=names[rng.randint(len(names))],
                        polygon=(rng.randint(-20, 180, (rng.randint(3, 9), 2)) * [1, 0.6]).astype(int).tolist(),
                        **(dict(deleted=int(rng.randint(2))) if n % 5 == 0 else {})) for n in range(60)]
        write(path, objects)
        annotation = annotations.Annotation()
        annotation.fromJsonFile(str(path))
        theirs = {what: np.array(painting.createLabelImage(annotation, what)) for what in ('trainIds', 'ids')}
        painted = paint_polygons(str(path))
        assert painted.shape == (96, 160) and len(np.unique(painted)) > 6
        assert np.array_equal(painted, theirs['trainIds']) and np.array_equal(painted, TRAIN_IDS[theirs['ids']])


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
