import os

import numpy as np
import pytest
from mmengine import fileio

from segkit.datasets.coco_annotations import read_instances
from segkit.datasets.coco_index import require_index
from segkit.datasets.coco_mask_storage import address, place_of
from segkit.datasets.coco_masks import render_labels
from segkit.datasets.mini_coco import write_mini_coco
from segkit.datasets.transforms.image_file import decode_mask, read_bytes
from segkit.errors import DataError


@pytest.fixture
def index(tmp_path):
    ann_file = str(tmp_path / 'annotations/instances_mini.json')
    write_mini_coco(ann_file, str(tmp_path / 'mini/'), ['a', 'b', 'c'], 1, (48, 64))
    return require_index(ann_file, 'gluoncv', str(tmp_path / 'cache'), 1), read_instances(ann_file)


def test_masks_are_read_by_their_address_as_files_are(index):
    index, photos = index
    for photo in photos:
        path = address(index.path, photo.file_name)
        assert place_of(path) == (index.path, photo.file_name)
        assert np.array_equal(decode_mask(read_bytes(path), path), render_labels(photo, 'gluoncv'))
    os.unlink(index.path)  # what was opened stays readable
    assert fileio.get(path)


def test_what_is_not_there_is_named(index):
    index, _ = index
    with pytest.raises(DataError, match=r"Cannot read 'coco-masks://.*\.masks#x.jpg': no such photo"):
        read_bytes(address(index.path, 'x.jpg'))
    with pytest.raises(DataError, match='No such file'):
        read_bytes(address(index.path.replace('mini', 'maxi'), 'a.jpg'))
    with pytest.raises(DataError, match='is a mask, no text'):
        fileio.get_text(address(index.path, 'a.jpg'))
