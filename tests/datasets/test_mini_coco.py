import json

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from segkit.datasets.coco_annotations import read_instances
from segkit.datasets.coco_masks import render_labels
from segkit.datasets.mini_coco import CELL, write_mini_coco

pytestmark = pytest.mark.filterwarnings('ignore:.*__array__ implementation:DeprecationWarning')


def test_photos_and_annotations_that_pycocotools_reads(tmp_path):
    path = tmp_path / 'annotations/instances_mini.json'
    write_mini_coco(str(path), str(tmp_path / 'mini/'), ['a', 'b', 'c'], 4, (20, 64))
    coco = COCO(str(path))
    kinds = {type(a['segmentation']) if isinstance(a['segmentation'], list) else type(a['segmentation']['counts'])
             for a in coco.anns.values()}
    assert kinds == {list, str} and any(type(a['segmentation']) is dict for a in coco.anns.values())
    assert all(coco.annToMask(a).sum() == a['area'] == CELL * CELL for a in list(coco.anns.values())[:40])
    photos = read_instances(str(path))
    assert [photo.id for photo in photos] == [4, 5, 6] and [photo.height for photo in photos] == [64, 48, 64]
    for photo in photos:
        assert Image.open(tmp_path / 'mini' / photo.file_name).size == (photo.width, photo.height)
        assert (render_labels(photo, 'gluoncv') > 0).sum() > 1000
    assert 88 in {a['category_id'] for a in coco.anns.values()} and photos[0].instances
    assert max(i.label for p in photos for i in p.instances) == 20
    again = tmp_path / 'again/instances_mini.json'
    write_mini_coco(str(again), str(tmp_path / 'again/mini/'), ['a', 'b', 'c'], 4, (20, 64))
    assert json.loads(again.read_text()) == json.loads(path.read_text())
    assert np.array_equal(Image.open(tmp_path / 'again/mini/a.jpg'), Image.open(tmp_path / 'mini/a.jpg'))
