import json

import pytest

from segkit.datasets.coco_annotations import read_instances, require_instances_file
from segkit.errors import DataError

IMAGE = dict(id=1, file_name='a.jpg', height=10, width=20)
POLYGON = [[0, 0, 5, 0, 5, 5]]
ANNOTATION = dict(id=4, image_id=1, category_id=17, area=12.5, iscrowd=0, segmentation=POLYGON)
CATEGORIES = [dict(id=17, name='cat'), dict(id=88, name='teddy bear')]


@pytest.fixture
def read(tmp_path):
    """Read a file with these contents."""

    def write_and_read(**content):
        path = tmp_path / 'instances_x.json'
        whole = dict(images=[IMAGE], annotations=[ANNOTATION], categories=CATEGORIES)
        path.write_text(json.dumps({**whole, **content}))
        return read_instances(str(path))

    return write_and_read


def test_photos_and_their_instances_keep_the_order_of_the_file(read):
    second = dict(IMAGE, id=0, file_name='b.jpg')
    others = [dict(ANNOTATION, id=3), dict(ANNOTATION, id=9, category_id=88), dict(ANNOTATION, id=1, image_id=0)]
    photos = read(images=[IMAGE, second], annotations=[ANNOTATION, *others])
    assert [(one.id, one.file_name, one.height, one.width) for one in photos] == [(1, 'a.jpg', 10, 20),
                                                                                 (0, 'b.jpg', 10, 20)]
    assert [[(i.id, i.label, i.area) for i in one.instances] for one in photos] == [
        [(4, 8, 12.5), (3, 8, 12.5)], [(1, 8, 12.5)]]
    assert photos[0].instances[0].shape[0].tolist() == POLYGON[0]


@pytest.mark.parametrize('content, reason', [
    (dict(annotations=None), 'Expected an instances_<split>.json'),
    (dict(annotations=[dict(id=4, image_id=1, caption='a cat')]), 'annotation 4 has no segmentation'),
    (dict(annotations=['x']), "annotation one is 'x'"),
    (dict(annotations=[dict(ANNOTATION, category_id=99)]), 'annotation 4 is of category 99'),
    (dict(annotations=[dict(ANNOTATION, category_id=[1])]), r'annotation 4 is of category \[1\]'),
    (dict(annotations=[dict(ANNOTATION, image_id=2)]), 'annotation 4 is of image 2'),
    (dict(annotations=[ANNOTATION, ANNOTATION]), 'two annotations have the id 4'),
    (dict(annotations=[dict(ANNOTATION, area='large')]), "annotation 4 has the area 'large'"),
    (dict(categories=[dict(id=17, name='dog')]), "calls category 17 'dog'; COCO's category 17 is 'cat'"),
    (dict(categories=[dict(id=88, name='teddy bear')]), 'none of the 20 categories'),
    (dict(categories=[dict(name='cat')]), 'a category without a number'),
    (dict(images=[]), 'lists no image'),
    (dict(images=[dict(IMAGE, height='10')]), 'has an image'),
    (dict(images=[dict(IMAGE, height=-10, width=-20)]), 'has an image'),
    (dict(images=[dict(IMAGE, height=10**6, width=10**6)]), 'has an image'),
    (dict(images=[7]), 'has an image 7'),
    (dict(images=[IMAGE, dict(IMAGE, file_name='b.jpg')]), 'two images have the id 1'),
    (dict(images=[IMAGE, dict(IMAGE, id=2)]), "2 images have the file name 'a.jpg'"),
], ids=lambda value: value if isinstance(value, str) else '')
def test_what_cannot_be_read_is_named(read, content, reason):
    with pytest.raises(DataError, match=reason) as caught:
        read(**content)
    assert 'instances_x.json' in str(caught.value) and 2 <= len(str(caught.value).splitlines()) <= 4


def test_no_json_and_a_part_of_one(tmp_path):
    path = tmp_path / 'instances_x.json'
    for content in (b'', b'\xff\xd8\xff', json.dumps(dict(images=[IMAGE])).encode()[:-9], b'[1, 2]', b'3'):
        path.write_bytes(content)
        with pytest.raises(DataError, match='instances_x.json'):
            read_instances(str(path))


def test_a_missing_file_is_answered_with_those_that_are_there(tmp_path):
    (tmp_path / 'captions_val2017.json').write_text('{}')
    with pytest.raises(DataError, match='Files in that folder: captions_val2017.json'):
        require_instances_file(str(tmp_path / 'instances_val2017.json'))
    with pytest.raises(DataError, match='folder does not exist'):
        require_instances_file(str(tmp_path / 'annotations/instances_val2017.json'))
