"""COCO's numbers and COCO-Stuff's classes."""
import json

import numpy as np

from segkit.apis.converters.coco_stuff import UNUSED, USED, table
from segkit.datasets.coco_stuff_dataset import COCOStuffDataset

CLASSES = COCOStuffDataset.METAINFO['classes']


def test_things_are_those_of_a_real_instances_file(data_pack):
    content = json.loads((data_pack / 'COCO_sample/annotations/instances_val2017.json').read_text())
    numbers = {category['id']: category['name'] for category in content['categories']}
    assert len(numbers) == 80 and not set(numbers) & set(UNUSED)
    for shift, first in ((-1, 0), (0, 1)):
        classes = table(shift, first)
        assert {number: CLASSES[classes[number + shift] - first] for number in numbers} == numbers


def test_stuff_is_counted_from_92_to_182():
    """COCO-Stuff's labels.txt begins its stuff with 92 (banner), 93 (blanket), and ends with 182 (wood)."""
    classes = table(-1, 0)
    for number, name in ((92, 'banner'), (93, 'blanket'), (124, 'grass'), (157, 'sky-other'), (182, 'wood')):
        assert CLASSES[classes[number - 1]] == name
    assert len(USED) == 171 and classes.max() == 170
    assert np.flatnonzero(classes < 0).tolist() == [*(number - 1 for number in UNUSED), *range(182, 256)]
