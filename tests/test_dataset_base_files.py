"""Every base file of a dataset is run: a mini tree in its layout, one training step, one validation."""
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from segkit.config import load_config
from segkit.datasets.leaves import leaves
from segkit.datasets.mini_trees import write_mini_trees
from segkit.engine import SegRunner
from segkit.registry import DATASETS

BASE = Path(__file__).parents[1] / 'configs/_base_'
FILES = sorted((BASE / 'datasets').glob('*.py'))
CROP = (32, 48)
# The rest of a config, at a size that a test can afford.
REST = """
model = dict(
    num_classes=NUMBER, norm_cfg=dict(type='BN'), data_preprocessor=dict(size=CROP),
    backbone=dict(depth=18, base_channels=8, stem_channels=8, init_cfg=None),
    decode_head=dict(channels=8), auxiliary_head=dict(channels=8))
train_cfg = dict(max_iters=1, val_interval=1)
default_hooks = dict(checkpoint=dict(interval=1), report=None)
"""
# The two sets that MMSegmentation has to test on only, as its configs name them.
NIGHT = dict(
    DarkZurichDataset=('rgb_anon/val/night/GOPR0356', 'gt/val/night/GOPR0356'),
    NightDrivingDataset=('leftImg8bit/test/night', 'gtCoarse_daytime_trainvaltest/test/night'))


def shrink(node) -> None:
    """Make every size in a pipeline small; what else a transform does stays."""
    if isinstance(node, list):
        for one in node:
            shrink(one)
    elif isinstance(node, dict):
        if node.get('type') == 'RandomCrop':
            node['crop_size'] = CROP
        if node.get('type') in ('Resize', 'RandomResize') and 'scale' in node:
            pairs = [node['scale']] if isinstance(node['scale'][0], int) else node['scale']
            pairs = [tuple(min(side, 64) for side in pair) for pair in pairs]
            node['scale'] = pairs[0] if len(pairs) == 1 else pairs
        for one in node.values():
            shrink(one)


def small_config(path: Path, folder: Path, test_dataset=None) -> Config:
    """The base file with a tiny model on a mini tree."""
    dataset = Config.fromfile(str(path)).train_dataloader.dataset
    classes = DATASETS.get(dataset.type)(**{k: v for k, v in dataset.items() if k not in ('type', 'pipeline')},
                                         lazy_init=True).num_classes
    bases = [str(path), *(str(BASE / one) for one in ('models/deeplabv3_r50-d8.py', 'default_runtime.py',
                                                      'schedules/schedule_20k.py'))]
    file = folder / 'small.py'
    file.write_text(f'_base_ = {bases!r}\n' + REST.replace('NUMBER', str(classes)).replace('CROP', str(CROP)))
    quiet = dict(say=lambda line: None)
    cfg = load_config(file, **quiet)
    if test_dataset is not None:
        cfg.test_dataloader.dataset.merge(test_dataset)
    overrides = write_mini_trees(cfg, str(folder / 'trees'), images=2)
    if test_dataset is None:
        cfg = load_config(file, overrides, **quiet)
    else:
        cfg.merge_from_dict(overrides)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        shrink(loader.dataset.pipeline)
        loader.num_workers, loader.persistent_workers = 0, False
        if loader.dataset.type == 'COCOVOCDataset':
            loader.dataset.cache_dir = str(folder / 'cache')
    cfg.train_dataloader.batch_size = 2
    cfg.work_dir = str(folder / 'run')
    return cfg


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_one_step_and_one_validation(path, tmp_path, capsys):
    runner = SegRunner.from_cfg(small_config(path, tmp_path))
    model = runner.train()
    assert runner.iter == 1
    dataset, = leaves(runner.val_dataloader.dataset)
    assert len(dataset) == 2
    assert model.decode_head.num_classes == dataset.num_classes
    scores = runner.val_loop.run()
    assert 0 <= scores['mIoU'] <= 100 and np.isfinite(scores['aAcc'])
    wanted = 'mDice' if 'mDice' in runner.cfg.val_evaluator.iou_metrics else 'mIoU'
    assert wanted in scores and 'loss' in capsys.readouterr().out


@pytest.mark.parametrize('name', NIGHT)
def test_the_night_sets_are_tested_on_with_the_classes_of_cityscapes(name, tmp_path):
    img, seg = NIGHT[name]
    leaf = dict(type=name, data_root='data/night', data_prefix=dict(img_path=img, seg_map_path=seg))
    runner = SegRunner.from_cfg(small_config(BASE / 'datasets/cityscapes.py', tmp_path, leaf))
    scores = runner.test()
    dataset, = leaves(runner.test_dataloader.dataset)
    assert type(dataset).__name__ == name and len(dataset) == 2
    assert dataset.data_root == str(tmp_path / 'trees/data/night') and 'mIoU' in scores


def test_every_dataset_of_the_base_files_is_another_folder_suffix_or_recipe():
    """No base file was left a copy of its neighbour; the pipelines of two systems on one data set differ."""
    seen = {}
    for path in FILES:
        dataset = Config.fromfile(str(path)).train_dataloader.dataset
        key = str((dataset.type, dataset.data_root, dataset.data_prefix, dataset.get('ann_file'),
                   dataset.get('metainfo'), dataset.pipeline))
        assert key not in seen, f'{path.name} and {seen[key]} read the same files in the same way'
        seen[key] = path.name
