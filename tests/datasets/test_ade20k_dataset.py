from segkit.registry import DATASETS

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


def test_labels_are_moved_down_and_zero_is_void(tmp_path, write_pair):
    for name, stored in (('x', 0), ('y', 1), ('z', 150)):
        write_pair(tmp_path / f'images/training/{name}.jpg', tmp_path / f'annotations/training/{name}.png', stored)
    dataset = DATASETS.build(dict(type='ADE20KDataset', data_root=str(tmp_path), pipeline=LOAD,
                                  data_prefix=dict(img_path='images/training', seg_map_path='annotations/training')))
    assert [int(dataset[i]['gt_seg_map'].max()) for i in range(3)] == [255, 0, 149]


def test_metainfo():
    dataset = DATASETS.build(dict(type='ADE20KDataset', lazy_init=True))
    classes, palette = dataset.metainfo['classes'], dataset.metainfo['palette']
    assert len(classes) == len(set(classes)) == len(palette) == 150
    known = {0: ('wall', [120, 120, 120]), 2: ('sky', [6, 230, 230]), 12: ('person', [150, 5, 61]),
             44: ('chest of drawers', [6, 51, 255]), 149: ('flag', [92, 0, 255])}
    assert {k: (classes[k], palette[k]) for k in known} == known
