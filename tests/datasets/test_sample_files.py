import json
from types import SimpleNamespace

from mmengine.registry import FUNCTIONS

from segkit.datasets import SeededDataset, sample_files
from segkit.datasets.sample_files import _absolute
from segkit.registry import DATASETS

LOAD = dict(type='LoadImageFromFile', color_type='color_ignore_orientation')
LABELS = dict(type='LoadAnnotations', color_map={(1, 2, 3): 4})


def test_where_files_lie_and_how_they_are_read(voc_config, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    views = dict(type='TestTimeAug', transforms=[[dict(type='RandomFlip', prob=p) for p in (0., 1.)], [LABELS]])
    one = DATASETS.build(dict(voc_config, data_root='VOC2012', pipeline=[LOAD, views], reduce_zero_label=True))
    two = DATASETS.build(dict(voc_config, indices=1, pipeline=[dict(type='LoadImageFromFile')]))
    ways, samples = FUNCTIONS.get('sample_files')(SeededDataset(SimpleNamespace(datasets=[one, two])))
    assert json.loads(json.dumps([ways, samples])) == [ways, samples]
    assert ways[0] == dict(
        image=dict(color_type='color_ignore_orientation', imdecode_backend='cv2'),
        labels=dict(imdecode_backend='pillow', color_map=[[[1, 2, 3], 4]], reduce_zero_label=True, label_map=[],
                    ignore_index=255))
    assert ways[1]['image']['color_type'] == 'color' and ways[1]['labels']['color_map'] == []
    assert samples == [
        *(dict(img_path=f'{tmp_path}/VOC2012/JPEGImages/{name}.jpg',
               seg_map_path=f'{tmp_path}/VOC2012/SegmentationClass/{name}.png', way=0) for name in 'abc'),
        dict(img_path=f'{tmp_path}/VOC2012/JPEGImages/a.jpg', seg_map_path=None, way=1)]  # no transform reads it


def test_other_datasets_have_no_part_in_it():
    assert sample_files(range(4)) == ([], [])


def test_paths_of_this_machine_become_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert _absolute('a/b.jpg') == f'{tmp_path}/a/b.jpg' and _absolute('/a/b.jpg') == '/a/b.jpg'
    assert _absolute('packed://p.lmdb#0/image/x//y.jpg') == f'packed://{tmp_path}/p.lmdb#0/image/x//y.jpg'
    assert _absolute('coco-masks:///c/i.masks#x.jpg') == 'coco-masks:///c/i.masks#x.jpg'
    assert _absolute('s3://bucket/x.jpg') == 's3://bucket/x.jpg'
