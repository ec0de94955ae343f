import numpy as np

from segkit.registry import DATASETS

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


def test_cities_are_folders(tmp_path, write_pair):
    for k, city in enumerate(('aachen', 'bochum')):
        write_pair(tmp_path / f'leftImg8bit/train/{city}/{city}_0_leftImg8bit.png',
                   tmp_path / f'gtFine/train/{city}/{city}_0_gtFine_labelTrainIds.png', k)
    dataset = DATASETS.build(dict(type='CityscapesDataset', data_root=str(tmp_path), pipeline=LOAD,
                                  data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')))
    assert len(dataset) == 2 and dataset.num_classes == 19
    for k, city in enumerate(('aachen', 'bochum')):
        assert f'/{city}/' in dataset[k]['img_path'] and dataset[k]['gt_seg_map'].max() == k


def test_real_frame_as_label_ids_and_as_train_ids(data_pack):
    config = dict(type='CityscapesDataset', data_root=str(data_pack / 'Cityscapes_sample'), pipeline=LOAD,
                  data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'))
    train_ids = DATASETS.build(config)[0]
    label_ids = DATASETS.build(dict(config, seg_map_suffix='_gtFine_labelIds.png'))[0]
    assert train_ids['img'].shape == (128, 256, 3) and train_ids['gt_seg_map'].shape == (128, 256)
    # The frame's two masks were scaled down apart from each other, so that pixels on some outlines differ.
    mapped, expected = label_ids['gt_seg_map'], train_ids['gt_seg_map']
    assert (mapped != expected).mean() < 0.005
    for label in np.unique(expected):
        assert (mapped[expected == label] == label).mean() > 0.8, label
    assert len(np.unique(train_ids['gt_seg_map'])) > 5
