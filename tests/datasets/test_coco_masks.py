"""Masks of VOC's classes against pycocotools' annToMask, written out plainly."""
import json

import numpy as np
import pytest
from pycocotools import mask as rle_tools
from pycocotools.coco import COCO

from segkit.datasets.coco_annotations import read_instances
from segkit.datasets.coco_masks import LABEL_OF_CATEGORY, RULES, Instance, Photo, _decompressed, render_labels
from segkit.errors import DataError

# The list as GluonCV and torchvision have it.
IDS = [0, 5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72]
# pycocotools 2.0.11 meets a deprecated side of numpy 2.
pytestmark = pytest.mark.filterwarnings('ignore:.*__array__ implementation:DeprecationWarning')


def box(x, y, w, h):
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def photo(*instances, size=(40, 60)):
    return Photo(7, '7.jpg', *size, [Instance(i, label, 0., shape) for i, (label, shape) in enumerate(instances)])


def plainly(coco, image, rule):
    """Both rules, instance by instance over whole masks."""
    first = np.zeros((image['height'], image['width']), np.int64)
    count, largest = first.copy(), first.copy()
    for annotation in coco.imgToAnns[image['id']]:
        if annotation['category_id'] in IDS:
            label, mask = IDS.index(annotation['category_id']), coco.annToMask(annotation)
            first[(first == 0) & (mask > 0)] = label
            count += mask
            largest = np.maximum(largest, label * mask.astype(np.int64))
    return first if rule == 'gluoncv' else np.where(count > 1, 255, largest)


def test_the_numbers_are_those_of_the_sources():
    assert LABEL_OF_CATEGORY == {number: label for label, number in enumerate(IDS) if label}
    assert len(set(IDS)) == 21


@pytest.mark.parametrize('split', ['train2017', 'val2017'])
@pytest.mark.parametrize('rule', RULES)
def test_real_annotations_mask_by_mask(data_pack, split, rule):
    path = str(data_pack / f'COCO_sample/annotations/instances_{split}.json')
    coco, photos = COCO(path), read_instances(path)
    assert [one.id for one in photos] == list(coco.imgs)
    crowds = painted = void = 0
    for one in photos:
        labels = render_labels(one, rule)
        assert labels.dtype == np.uint8 and labels.flags.c_contiguous
        assert np.array_equal(labels, plainly(coco, coco.imgs[one.id], rule)), one.file_name
        crowds += sum(isinstance(instance.shape, dict) for instance in one.instances)
        painted, void = painted + bool(labels.any()), void + bool((labels == 255).any())
    assert crowds and painted > 20 and (void > 5 if rule == 'torchvision' else void == 0)


def test_real_runs_compressed_and_not_are_the_same(data_pack):
    path = data_pack / 'COCO_sample/annotations/instances_train2017.json'
    crowds = [a for a in json.loads(path.read_text())['annotations'] if a['iscrowd']]
    assert len(crowds) == 8
    for annotation in crowds:
        runs = annotation['segmentation']
        packed = rle_tools.frPyObjects(runs, *runs['size'])['counts']
        assert _decompressed(packed).tolist() == runs['counts']
        masks = [render_labels(photo((1, dict(size=runs['size'], counts=counts)), size=runs['size']), 'gluoncv')
                 for counts in (runs['counts'], packed, packed.decode())]
        assert masks[0].any() and all(np.array_equal(masks[0], one) for one in masks[1:])


def test_random_masks_through_compressed_runs():
    rng = np.random.RandomState(0)
    for density in (0, 0.001, 0.02, 0.5, 1):
        mask = (rng.random_sample((200, 310)) < density).astype(np.uint8)
        runs = rle_tools.encode(np.asfortranarray(mask))
        assert np.array_equal(render_labels(photo((1, runs), size=mask.shape), 'gluoncv'), mask)


def test_order_decides_for_one_rule_and_void_for_the_other():
    two = (3, box(5, 5, 20, 20)), (9, box(15, 15, 20, 20))
    a, b = np.zeros((2, 40, 60), np.uint8)
    a[5:25, 5:25], b[15:35, 15:35] = 3, 9
    assert np.array_equal(render_labels(photo(*two), 'gluoncv'), np.where(a, a, b))
    assert np.array_equal(render_labels(photo(*two[::-1]), 'gluoncv'), np.where(b, b, a))
    both = np.where((a > 0) & (b > 0), 255, a + b)
    for order in (two, two[::-1]):
        assert np.array_equal(render_labels(photo(*order), 'torchvision'), both)
    same = photo((4, box(0, 0, 9, 9)), (4, box(0, 0, 9, 9)), (4, box(0, 0, 9, 9)))
    assert set(np.unique(render_labels(same, 'torchvision'))) == {0, 255}
    assert not render_labels(photo(), 'torchvision').any()


def test_polygons_of_one_instance_do_not_overlap_themselves():
    shape = box(5, 5, 20, 20) + box(15, 5, 20, 20)
    labels = render_labels(photo((8, shape)), 'torchvision')
    assert (labels == 8).sum() == 30 * 20 and labels.max() == 8


@pytest.mark.parametrize('shape, reason', [
    (dict(size=[40, 60], counts=[100, 50]), 'add up to 150 pixels instead of 2400'),
    (dict(size=[40, 60], counts=[2500, -100]), 'add up to 2400'),
    (dict(size=[40, 60], counts=[1.5, 2398.5]), 'not counts of pixels'),
    (dict(size=[60, 40], counts=[2400]), r'\(height, width\) = \[60, 40\]'),
    (dict(counts=[2400]), r'\(height, width\) = None'),
    (dict(size=[40, 60], counts='5'), 'add up'),
    (dict(size=[40, 60], counts='Q'), 'cut short'),
    (dict(size=[40, 60], counts=''), 'cut short'),
    (dict(size=[40, 60], counts='\x7f0'), 'letters'),
    (dict(size=[40, 60], counts='ooooooooo0'), 'too large a number'),
    ([], 'neither a list of polygons'), (None, 'neither a list of polygons'), ([[1, 2, 3, 4]], 'at least three'),
    ([[1, 2, 3, 4, float('nan'), 6]], 'in pixels'), ([[1, 2, 3, 4, 1e9, 6]], 'in pixels'), ([['a'] * 6], 'could not'),
], ids=str)
def test_damaged_shapes_are_named(shape, reason):
    with pytest.raises(DataError, match=r'annotation 0 of image 7 \(7.jpg, 60x40\) has a damaged .*: .*' + reason):
        render_labels(photo((1, shape)), 'gluoncv')
