"""The parts of a run are compared before anything is built; what works is let through."""
import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import DataLoader

from segkit.config import load_config
from segkit.engine.checks.cross_checks import check, check_num_classes, check_smallest_batch, same_files
from segkit.errors import ConfigError

OURS = Path(__file__).parents[3] / 'configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py'
HEAD, TRAIN, VAL = 'model.decode_head', 'train_dataloader.dataset', 'val_dataloader.dataset'
CAMVID = dict(type='CamVidDataset')
VOC21 = tuple('abcdefghijklmnopqrstu')
BLANK = dict(type='BaseSegDataset')


@pytest.fixture(scope='module')
def plain() -> dict:
    return load_config(OURS, say=lambda line: None)._cfg_dict.to_dict()


def changed(cfg: dict, changes: dict) -> dict:
    """A copy with ``changes``, dotted keys and values; a dict stands for the whole dict at its key."""
    cfg = copy.deepcopy(cfg)
    for key, value in changes.items():
        node, (*above, last) = cfg, key.split('.')
        for part in above:
            node = node[int(part) if isinstance(node, list) else part]
        node[int(last) if isinstance(node, list) else last] = value
    return cfg


def steps(*transforms: dict) -> list:
    return [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), *transforms, dict(type='PackSegInputs')]


def dataset(**keys) -> dict:
    return dict(type='BaseSegDataset', metainfo=dict(classes=VOC21), pipeline=steps(), **keys)


CROP = dict(type='RandomCrop', crop_size=(256, 256))
SCHEDULE = dict(type='PolyLR', power=1.0, by_epoch=False)
WARMUP = dict(type='LinearLR', begin=0, end=100, by_epoch=False)
SAVES = dict(type='CheckpointHook', by_epoch=False)

REFUSED = [
    # Numbers of classes.
    ({'model.num_classes': 19}, 'model.num_classes is 19, but the dataset of train_dataloader has 21 classes'),
    ({f'{HEAD}.num_classes': 19}, 'model.decode_head.num_classes is 19, but the dataset of train_dataloader has 21'),
    ({'model.auxiliary_head.num_classes': 3}, 'model.auxiliary_head.num_classes is 3, but the dataset of train'),
    ({VAL: CAMVID}, 'model.num_classes is 21, but the dataset of val_dataloader has 11 classes'),
    ({TRAIN: dict(type='RepeatDataset', times=2, dataset=CAMVID)}, 'train_dataloader has 11 classes'),
    ({TRAIN: dict(type='ConcatDataset', datasets=[dict(type='PascalVOCDataset'), CAMVID])}, 'has 11 classes'),
    ({TRAIN: dataset(), VAL: dict(dataset(), metainfo=dict(classes=VOC21[::-1]))},
     "the same classes in another order; class 0 is 'a' in train_dataloader and 'u' in val_dataloader"),
    # What the masks' labels become.
    ({f'{TRAIN}.label_map': {5: 21}}, 'label_map: 5 becomes 21, which is neither one of 21 classes (0 to 20) nor'),
    ({TRAIN: dataset(reduce_zero_label=True, ignore_index=0)}, 'reduce_zero_label makes 255 of label 0, but'),
    # Void.
    ({f'{TRAIN}.ignore_index': 254},
     'train_dataloader.dataset.ignore_index is 254, but model.decode_head.ignore_index'),
    ({'model.ignore_index': 0}, 'train_dataloader.dataset.ignore_index is 255, but model.ignore_index is 0'),
    ({f'{TRAIN}.pipeline': steps(dict(type='Pad', size=(9, 9), pad_val=dict(seg=254)))},
     'pipeline.2.pad_val.seg: Pad fills labels with 254, but model.decode_head.ignore_index is 255'),
    ({'model.ignore_index': 0, f'{TRAIN}.ignore_index': 0, f'{TRAIN}.pipeline': steps(
        dict(type='RandomRotate', prob=1., degree=9))}, 'pipeline.2.seg_pad_val: RandomRotate fills labels with 255'),
    ({f'{TRAIN}.pipeline': steps(dict(type='RandomApply', transforms=[
        dict(type='RandomRotate', prob=1., degree=9, seg_pad_val=77)]))},
     'train_dataloader.dataset.pipeline.2.transforms.0.seg_pad_val: RandomRotate fills labels with 77'),
    ({'val_evaluator': dict(type='IoUMetric', ignore_index=254)},
     'val_evaluator.ignore_index is 254, but val_dataloader.dataset.ignore_index is 255'),
    ({'val_evaluator': [dict(type='IoUMetric'), dict(type='IoUMetric', ignore_index=99)]},
     'val_evaluator.1.ignore_index'),
    # Sizes.
    ({f'{TRAIN}.pipeline': steps(dict(CROP, crop_size=(513, 512)))},
     'gives crops of 513x512 (h, w), and model.data_preprocessor.size is 512x512: a batch is padded to it, never cut'),
    # Schedules, validations, checkpoints.
    ({'param_scheduler': [WARMUP, dict(SCHEDULE, begin=30000)]},
     'param_scheduler.1: PolyLR begins at iteration 30000 and ends at 20000; train_cfg.max_iters is 20000'),
    ({'param_scheduler': [dict(WARMUP, begin=100)]},
     'param_scheduler.0: LinearLR begins at iteration 100 and ends at 100'),
    ({'param_scheduler': dict(type='MultiStepLR', milestones='2,3', by_epoch=False)},
     "param_scheduler.milestones: expected a list of iterations, such as [2, 3], got '2,3'"),
    ({'param_scheduler': dict(type='PolyLR', power=.9)}, 'counts epochs, but train_cfg counts iterations'),
    ({'default_hooks.checkpoint': dict(type='CheckpointHook', interval=5)},
     'Set default_hooks.checkpoint.by_epoch=False'),
    ({'default_hooks.checkpoint': dict(SAVES, interval=30000, save_last=False, save_best=None)},
     'default_hooks.checkpoint: interval=30000 and save_last=False save nothing in 20000 (train_cfg.max_iters)'),
]

NOTED = [
    ({TRAIN: dataset(), VAL: dict(dataset(), metainfo=dict(classes=('A', *VOC21[1:])))},
     "class 0 is 'a' in train_dataloader and 'A' in val_dataloader: they are scored as one"),
    ({f'{TRAIN}.pipeline': steps(dict(CROP))}, 'crops of 256x256 (h, w), and model.data_preprocessor.size pads them to '
     '512x512: 75% of what is computed is padding'),
    ({f'{TRAIN}.pipeline': steps(dict(type='RandomRotate', prob=1., degree=9, seg_pad_val=0))},
     'pipeline.2.seg_pad_val=0: RandomRotate fills labels with class 0, not with void (255)'),
    ({f'{TRAIN}.pipeline': steps(dict(type='RandomCrop', crop_size=512, cat_max_ratio=.75, ignore_index=254))},
     'pipeline.2.ignore_index=254: RandomCrop counts void (255) as a class'),
    ({'val_evaluator': dict(type='IoUMetric', ignore_index=0)}, 'class 0 (background) is not scored'),
    ({f'{VAL}.ignore_index': 0}, 'val_dataloader.dataset.ignore_index=0: class 0 (background) is scored all the same'),
    ({'param_scheduler': [dict(SCHEDULE, end=15000)]},
     'param_scheduler.0.end=15000, train_cfg.max_iters=20000: the rate stays at its last value for 5000 iterations'),
    ({'param_scheduler': [dict(SCHEDULE, end=80000)]}, 'the training ends at 75% of the rate that PolyLR begins with'),
    ({'param_scheduler': [dict(WARMUP, begin=20000, end=21000)]}, 'LinearLR begins at iteration 20000 and never acts'),
    ({'param_scheduler': [dict(type='CosineAnnealingLR', T_max=40000, by_epoch=False)]},
     'param_scheduler.0.T_max=40000, train_cfg.max_iters=20000: the training ends at 50% of the way'),
    ({'param_scheduler': [dict(type='CosineAnnealingLR', T_max=5000, by_epoch=False)]}, 'the rate rises again after'),
    ({'param_scheduler': [dict(type='OneCycleLR', eta_max=.1, total_steps=5000, by_epoch=False)]}, 'is over long'),
    ({'param_scheduler': [dict(type='MultiStepLR', milestones=[100, 20000, 30000], by_epoch=False)]},
     'param_scheduler.0.milestones: 20000, 30000 never come; train_cfg.max_iters=20000'),
    ({'param_scheduler': [dict(type='StepLR', step_size=20000, by_epoch=False)]}, 'the rate of StepLR never changes'),
    ({TRAIN: dataset(reduce_zero_label=True), VAL: dataset()},
     'train_dataloader.dataset.reduce_zero_label is True, val_dataloader.dataset.reduce_zero_label is False'),
    ({'train_cfg': dict(type='IterBasedTrainLoop', max_iters=10, val_begin=11)}, 'train_cfg.val_begin=11 is beyond'),
    ({'default_hooks.checkpoint': dict(SAVES, interval=30000, save_last=False)}, 'saves the best weights only'),
]


@pytest.mark.parametrize('changes, words', REFUSED)
def test_refused_with_its_key(plain, changes, words):
    with pytest.raises(ConfigError) as error:
        check(changed(plain, changes))
    assert words in str(error.value) and len(str(error.value).splitlines()) <= 4, error.value


@pytest.mark.parametrize('changes, words', NOTED)
def test_said(plain, changes, words):
    lines = check(changed(plain, changes))
    assert any(words in line for line in lines), lines


@pytest.mark.parametrize('changes', [
    {},
    {'model.num_classes': 1, f'{HEAD}.out_channels': 1, 'model.auxiliary_head': None,
     TRAIN: dict(BLANK, metainfo=dict(classes=('a', 'b'))), VAL: dict(BLANK, metainfo=dict(classes=('a', 'b')))},
    {TRAIN: dict(BLANK, metainfo=dict(classes='classes.txt'))},  # a file, read when the dataset is built
    {TRAIN: dict(type='NotOurs', ignore_index=255)},
    {split: dataset(label_map={0: 255, 7: 20, 30: 0}) for split in (TRAIN, VAL)},
    {TRAIN: dataset(reduce_zero_label=True), VAL: dataset(reduce_zero_label=True)},
    {'model.ignore_index': 0, f'{TRAIN}.ignore_index': 0, f'{TRAIN}.pipeline': steps(dict(CROP, crop_size=512))},
    {'test_dataloader.dataset': CAMVID},  # what a training does not run on
    {f'{TRAIN}.pipeline': steps(dict(CROP, crop_size=512))},
    {f'{TRAIN}.pipeline': steps(CROP, dict(type='Pad', size=(512, 512)))},  # something behind the crop sets the size
    {'model.data_preprocessor.size': None},
    {'train_cfg': dict(type='IterBasedTrainLoop', max_iters=10, val_interval=500)},  # the last iteration is validated
    {'param_scheduler': [WARMUP, dict(SCHEDULE, begin=100)]},
    {'param_scheduler': [dict(SCHEDULE, end=20001)]},
    {'param_scheduler': [WARMUP, dict(type='CosineAnnealingLR', T_max=19900, begin=100, by_epoch=False)]},
    {'param_scheduler': [dict(type='MultiStepLR', milestones=[100, 19999], by_epoch=False)]},
    {'param_scheduler': [dict(SCHEDULE, end=15000), dict(type='ConstantLR', begin=15000, by_epoch=False)]},
    {'default_hooks.checkpoint': dict(SAVES, interval=30000)},  # the last iteration is saved
    {'default_hooks.checkpoint': dict(type='CheckpointHook')},
    {'train_cfg': dict(type='EpochBasedTrainLoop', max_epochs=3), 'param_scheduler': dict(type='PolyLR'),
     'default_hooks.checkpoint': dict(type='CheckpointHook', interval=1)},
    {'model': object()},  # built already
    {'train_dataloader': None, 'train_cfg': None, 'val_dataloader': None},
])
def test_what_works_is_let_through(plain, changes):
    assert check(changed(plain, changes)) == []


def test_the_key_of_a_head_in_a_list_is_its_own(plain):
    with pytest.raises(ConfigError, match=r'^model.auxiliary_head.1.num_classes is 3'):
        check(changed(plain, {'model.auxiliary_head': [dict(type='FCNHead'), dict(type='FCNHead', num_classes=3)]}))


def test_a_model_inside_test_time_augmentation_is_looked_at(plain):
    with pytest.raises(ConfigError, match='val_dataloader has 21 classes'):
        check(changed(plain, {'model': dict(type='SegTTAModel', module=dict(plain['model'], num_classes=5)),
                              'train_dataloader': None}))


@pytest.mark.parametrize('train_cfg, words', [
    (dict(type='IterBasedTrainLoop', max_iters=-5), 'train_cfg.max_iters: expected a number of iterations above 0'),
    (dict(type='EpochBasedTrainLoop', max_epochs=0), 'train_cfg.max_epochs: expected a number of epochs above 0'),
])
def test_a_length_below_one_is_named_before_the_schedules_that_follow_it(plain, train_cfg, words):
    with pytest.raises(ConfigError, match=words):
        check(changed(plain, {'train_cfg': train_cfg}))


class Files:
    def __init__(self, *paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def get_data_info(self, i):
        return dict(img_path=self.paths[i])


def test_the_same_files_in_training_and_validation_are_noticed():
    assert same_files(Files('a', 'b'), Files('b', 'a')).startswith('train and val read the same 2 files')
    assert same_files(Files('a', 'b'), Files('a', 'c')) is None
    assert same_files(Files('a'), Files('a', 'b')) is None
    assert same_files(object(), Files('a')) is None


def test_a_runner_says_that_its_validation_is_its_training_data(run, tmp_path):
    runner = run(val_dataloader__dataset__ann_file='ImageSets/Segmentation/train.txt')
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.build_val_loop(runner._val_loop)
    assert 'train and val read the same ' in (tmp_path / 'run/train.log').read_text()


def data(*classes):
    return SimpleNamespace(metainfo=dict(classes=classes) if classes else {})


@pytest.mark.parametrize('ours, channels, dataset', [
    (3, 3, data('a', 'b', 'c')),
    (1, 1, data('a', 'b')),  # one sigmoid, two classes
    (2, 1, data('a', 'b')),
    (9, 9, data()),  # a dataset that names no classes
    (9, 9, object()),
])
def test_number_of_classes_that_fits(ours, channels, dataset):
    head = SimpleNamespace(num_classes=ours, out_channels=channels)
    check_num_classes(SimpleNamespace(decode_head=head), dataset, 'train')
    check_num_classes(SimpleNamespace(), dataset, 'train')  # a model that does not say


@pytest.mark.parametrize('ours, channels, named', [(2, 2, 3), (4, 4, 3), (21, 21, 3), (1, 1, 3), (2, 2, 1)])
def test_number_of_classes_that_does_not_fit(ours, channels, named):
    head = SimpleNamespace(num_classes=ours, out_channels=channels)
    words = f'num_classes is {ours}, but the dataset of val_dataloader has {named} class'
    with pytest.raises(ConfigError, match=words):
        check_num_classes(SimpleNamespace(decode_head=head), data(*'abc'[:named]), 'val')


class Model(torch.nn.Module):
    def check_batch_size(self, size):
        assert self.training
        self.smallest = size


@pytest.mark.parametrize('samples, loader, smallest', [
    (7, dict(batch_size=3), 1), (7, dict(batch_size=3, drop_last=True), 3), (6, dict(batch_size=3), 3),
    (6, dict(batch_size=1), 1), (2, dict(batch_size=3), 2)])
def test_the_smallest_batch(samples, loader, smallest):
    model = Model().eval()
    check_smallest_batch(model, DataLoader(list(range(samples)), **loader))
    assert model.smallest == smallest and not model.training
    check_smallest_batch(object(), DataLoader([1]))  # a model that does not ask


def test_a_batch_of_one_is_refused_before_training(run):
    with pytest.raises(ConfigError, match='model.decode_head: the batch norm behind its image pool needs two values'):
        runner = run(train_dataloader__batch_size=1)
        runner.build_train_loop(runner._train_loop)
    runner = run(train_dataloader__batch_size=1, model__decode_head__norm_eval=True)
    runner.build_train_loop(runner._train_loop)


def test_a_runner_says_what_was_found(run, tmp_path):
    run(train_dataloader__dataset__pipeline__2__crop_size=(16, 16))
    assert '75% of what is computed is padding' in (tmp_path / 'run/train.log').read_text()
