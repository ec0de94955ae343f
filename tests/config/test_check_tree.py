"""A slip in any dict of a config is refused before anything is built, with the nearest right key."""
import copy
from pathlib import Path

import pytest
import torch

from segkit.config import load_config
from segkit.config.check_tree import KeyFault, check_tree, edits
from segkit.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / 'configs'
OURS = CONFIGS / 'deeplabv3' / 'deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py'

LOADER = ('train_dataloader', 'dataset')
STEP = (*LOADER, 'pipeline', 2)
VOC = dict(type='PascalVOCDataset')
SGD = dict(type='SGD', lr=0.1)
BACKBONE, HEAD = ('model', 'backbone'), ('model', 'decode_head')

# What is put where, and what the message must hold: the key, and the nearest one that is read.
SLIPS = [
    (('env_cfg', 'cudnn_benchmrk'), True, 'env_cfg.cudnn_benchmark'),
    (('env_cfg', 'mp_cfg', 'opencv_num_thread'), 0, 'env_cfg.mp_cfg.opencv_num_threads'),
    (('env_cfg', 'dist_cfg', 'backnd'), 'gloo', 'env_cfg.dist_cfg.backend'),
    (('visualizer', 'nam'), 'v', 'visualizer.name'),
    (('visualizer', 'vis_backends', 0, 'save_dri'), '/x', 'visualizer.vis_backends.0.save_dir'),
    (('visualizer', 'vis_backends', 0, 'type'), 'LocalVisBacknd', 'LocalVisBackend'),
    (('log_processor', 'by_epcoh'), False, 'log_processor.by_epoch'),
    (('log_processor',), dict(window_siz=3), 'log_processor.window_size'),
    (('randomness',), dict(sed=1), 'randomness.seed'),
    (('auto_scale_lr',), dict(base_batch_siz=16), 'auto_scale_lr.base_batch_size'),
    (('default_hooks', 'checkpoint', 'intervl'), 1, 'default_hooks.checkpoint.interval'),
    (('default_hooks', 'checkpoint', 'priorty'), 1, 'default_hooks.checkpoint.priority'),
    (('default_hooks', 'timer', 'x'), 1, 'It takes: priority'),
    (('default_hooks', 'checkpiont'), dict(interval=5), 'Nearest: default_hooks.checkpoint'),
    (('default_hooks', 'logger'), dict(typ='ProgressHook'), "Is 'typ' meant?"),
    (('custom_hooks',), [dict(type='DistSamplerSeedHook'), dict(type='EMAHook', momntum=.1)],
     'custom_hooks.1.momentum'),
    (('custom_hooks',), [dict(type='EMAHok')], 'EMAHook'),
    (('val_evaluator',), [dict(type='IoUMetric', iou_metric=['mIoU'])], 'val_evaluator.0.iou_metrics'),
    (('test_evaluator', 'iou_metric'), ['mIoU'], 'test_evaluator.iou_metrics'),
    (('val_evaluator',), dict(metrics=[dict(type='IoUMetric', iou_metric='x')]), 'val_evaluator.metrics.0.iou_metrics'),
    (('param_scheduler', 0, 'powr'), .9, 'param_scheduler.0.power'),
    (('param_scheduler',), dict(a=[dict(type='PolyLR', powr=.9)]), 'param_scheduler.a.0.power'),
    (('optim_wrapper', 'paramwise_cfg'), dict(custm_keys={}), 'optim_wrapper.paramwise_cfg.custom_keys'),
    (('optim_wrapper', 'paramwise_cfg'), dict(custom_keys=dict(decode_head=dict(lr_mul=10.))),
     'optim_wrapper.paramwise_cfg.custom_keys.decode_head.lr_mult'),
    (('optim_wrapper', 'paramwise_cfg'), dict(bias_lr_mul=2), 'optim_wrapper.paramwise_cfg.bias_lr_mult'),
    (('optim_wrapper', 'clip_grad'), dict(max_nrm=1), 'optim_wrapper.clip_grad.max_norm'),
    (('optim_wrapper', 'clip_grad'), dict(type='value', max_norm=1), 'It takes: clip_value, foreach'),
    (('optim_wrapper', 'clip_grad'), dict(type='nrm', max_norm=1), 'it can be norm, value'),
    (('optim_wrapper',), dict(type='AmpOptimWrapper', loss_scale=dict(init_scal=512.), optimizer=SGD),
     'optim_wrapper.loss_scale.init_scale'),
    (('optim_wrapper', 'accumulative_count'), 2, 'optim_wrapper.accumulative_counts'),
    (('optim_wrapper',), dict(optimizr=SGD), 'optim_wrapper.optimizer'),
    (('optim_wrapper', 'constructor'), 'DefaultOptimWraperConstructor', 'DefaultOptimWrapperConstructor'),
    (('optim_wrapper', 'optimizer', 'momentm'), .1, 'optim_wrapper.optimizer.momentum'),
    (('optim_wrapper', 'optimizer'), dict(lr=.1), "needs the key 'type', which names the optimizer"),
    (('optim_wrapper', 'optimizer', 'type'), 'SDG', 'Nearest: SGD'),
    (('tta_model',), dict(type='SegTTAModel', fusin='prob'), 'tta_model.fusion'),
    (('tta_pipeline', 0, 'colr'), 1, 'It takes: backend_args, color_type'),
    (('tta_pipeline', 1, 'transform'), [], 'tta_pipeline.1.transforms'),
    (('tta_pipeline', 1, 'transforms', 0, 0, 'keep_rati'), 1, 'tta_pipeline.1.transforms.0.0.keep_ratio'),
    (('model_wrapper_cfg',), dict(type='MMDistributedDataParallel', find_unused_parameter=True),
     'model_wrapper_cfg.find_unused_parameters'),
    (('model_wrapper_cfg',), dict(type='MMDistributedDataParalel'), 'MMDistributedDataParallel'),
    (('train_dataloader', 'batch_sise'), 1, 'train_dataloader.batch_size'),
    (('train_dataloader', 'batch_size'), '4', 'train_dataloader.batch_size: expected a whole number'),
    (('train_dataloader', 'sampler', 'shufle'), True, 'train_dataloader.sampler.shuffle'),
    (('val_dataloader', 'sampler', 'type'), 'DefaultSamplr', 'DefaultSampler'),
    (('train_dataloader', 'collate_fn'), dict(type='seg_colate'), 'seg_collate'),
    (('train_dataloader', 'collate_fn'), dict(type='seg_collate', stack_label=1),
     'train_dataloader.collate_fn.stack_labels'),
    ((*LOADER, 'ann_fil'), '', 'train_dataloader.dataset.ann_file'),
    ((*LOADER, 'data_prefix'), dict(img_path='a', seg_map='b'), 'train_dataloader.dataset.data_prefix.seg_map_path'),
    ((*LOADER, 'metainfo'), dict(clases=('a',)), 'train_dataloader.dataset.metainfo.classes'),
    ((*LOADER, 'backend_args'), dict(backnd='local'), 'train_dataloader.dataset.backend_args.backend'),
    ((*LOADER, 'backend_args'), dict(backend='locl'), 'Nearest: local'),
    (LOADER, dict(type='RepeatDataset', time=2, dataset=VOC), 'train_dataloader.dataset.times'),
    (LOADER, dict(type='RepeatDataset', times=2, dataset=dict(VOC, ann_fil=1)),
     'train_dataloader.dataset.dataset.ann_file'),
    (LOADER, dict(type='ConcatDataset', datasets=[VOC, dict(VOC, ann_fil=1)]),
     'train_dataloader.dataset.datasets.1.ann_file'),
    ((*STEP, 'ratio_rang'), 1, 'train_dataloader.dataset.pipeline.2.ratio_range'),
    ((*STEP, 'keep_rati'), True, 'train_dataloader.dataset.pipeline.2.keep_ratio'),  # handed on to Resize
    ((*STEP, 'resize_type'), 'Rsize', 'Resize'),
    ((*STEP, 'type'), 'RandomResze', 'RandomResize'),
    (STEP, dict(typ='RandomResize'), "Is 'typ' meant?"),
    (STEP, dict(type='RandomApply', transforms=[dict(type='RandomFlip', prb=1)]),
     'train_dataloader.dataset.pipeline.2.transforms.0.prob'),
    (STEP, dict(type='RandomChoice', transforms=[[dict(type='RandomFlip', prob=1, directon='x')]]),
     'train_dataloader.dataset.pipeline.2.transforms.0.0.direction'),
    (STEP, dict(type='Pad', size=(5, 5), pad_val=dict(img=0, sg=255)),
     'train_dataloader.dataset.pipeline.2.pad_val.seg'),
    (('model', 'backbonee'), {}, 'model.backbone'),
    (('model', 'test_cfg', 'mod'), 'slide', 'model.test_cfg.mode'),
    (('model', 'train_cfg', 'sampler'), 1, 'It takes no keys'),
    (('model', 'norm_cfg', 'epss'), 1e-3, 'model.norm_cfg.eps'),
    (('model', 'norm_cfg', 'type'), 'SynBN', 'SyncBN, BN, GN'),
    (('model', 'data_preprocessor', 'bgr_to_rbg'), 1, 'model.data_preprocessor.bgr_to_rgb'),
    (('model', 'data_preprocessor', 'test_cfg'), dict(size_divsor=32), 'model.data_preprocessor.test_cfg.size_divisor'),
    (('data_preprocessor',), dict(type='SegDataPreProcessor', mea=1), 'data_preprocessor.mean'),
    ((*BACKBONE, 'dept'), 50, 'model.backbone.depth'),
    ((*BACKBONE, 'init_cfg'), dict(type='Pretrained', checkpoint='x', prefx='y'), 'model.backbone.init_cfg.prefix'),
    ((*BACKBONE, 'init_cfg'), [dict(type='Kaiming', layr='Conv2d')], 'model.backbone.init_cfg.0.layer'),
    ((*HEAD, 'type'), 'ASPHead', 'ASPPHead'),
    ((*HEAD, 'dropout'), .1, 'model.decode_head.dropout_ratio'),
    ((*HEAD, 'init_cfg'), dict(type='Normal', std=.01, override=dict(nam='conv_seg')),
     'model.decode_head.init_cfg.override.name'),
    ((*HEAD, 'norm_cfg'), dict(type='BN', momntum=.1), 'model.decode_head.norm_cfg.momentum'),
    ((*HEAD, 'norm_cfg'), dict(requires_grad=True), "model.decode_head.norm_cfg needs the key 'type'"),
    ((*HEAD, 'conv_cfg'), dict(type='Conv2d', grops=3), 'model.decode_head.conv_cfg.groups'),
    ((*HEAD, 'conv_cfg'), dict(type='Conv2D'), 'Nearest: Conv2d'),
    ((*HEAD, 'act_cfg'), dict(type='LeakyReLU', negative_slop=.1), 'model.decode_head.act_cfg.negative_slope'),
    ((*HEAD, 'act_cfg'), dict(type='Relu'), 'Nearest: ReLU'),
    ((*HEAD, 'loss_decode', 'loss_weigth'), 1, 'model.decode_head.loss_decode.loss_weight'),
    ((*HEAD, 'loss_decode'), [dict(type='CrossEntropyLoss', loss_weigth=1)],
     'model.decode_head.loss_decode.0.loss_weight'),
    (('model', 'auxiliary_head'), [dict(type='FCNHead', channels=8, num_conv=1)], 'model.auxiliary_head.0.num_convs'),
    (('auto_scale_lr',), dict(enable='False', base_batch_size=16), 'auto_scale_lr.enable: expected True or False'),
    (('env_cfg', 'cudnn_benchmark'), 'False', 'env_cfg.cudnn_benchmark: expected True or False'),
    (('env_cfg', 'mp_cfg', 'opencv_num_threads'), '4', 'env_cfg.mp_cfg.opencv_num_threads: expected a whole number'),
    (('log_processor', 'window_size'), '5', 'log_processor.window_size: expected a whole number'),
    (('param_scheduler', 0, 'begin'), '0', 'param_scheduler.0.begin: expected a number'),
    (('custom_hooks',), [dict(type='EMAHook', priority='HIHG')], 'Nearest: HIGH'),
    (('default_hooks', 'timer', 'priority'), 101, 'expected 0 (first) to 100 (last)'),
    (('default_hooks', 'timer', 'priority'), [1], 'default_hooks.timer.priority: expected a whole number or text'),
    (('default_hooks',), [dict(type='IterTimerHook')], 'default_hooks: expected a dict of its keys'),
    (('train_cfg', 'dynamic_intervals'), [(2, 0)], 'interval of at least 1); got (2, 0)'),
    (('train_cfg', 'dynamic_intervals'), [4], 'expected a list of lists'),
    (('train_cfg', 'max_iter'), 1, 'train_cfg.max_iters'),
    (('train_cfg',), dict(by_epoch=False, max_iter=3), 'train_cfg.max_iters'),
    (('train_cfg', 'type'), 'IterBasedTrainLop', 'IterBasedTrainLoop'),
    (('val_cfg', 'fp61'), 1, 'val_cfg.fp16'),
    (('test_cfg',), dict(fp61=True), 'test_cfg.fp16'),
    (('compile',), dict(bckend='inductor'), 'compile.backend'),
    (('launcher',), 'pytroch', 'Nearest: pytorch'),
    (('log_level',), 'INFOO', 'Nearest: INFO'),
    (('runner_type',), 'MyRunner', 'it can be SegRunner'),
    (('work_dir',), 3, 'work_dir: expected a string'),
    (('resume',), 'Flase', 'resume: expected True or False'),
    (('model',), 3, 'model: expected a dict'),
]


@pytest.fixture(scope='module')
def plain() -> dict:
    return load_config(OURS, say=lambda line: None)._cfg_dict.to_dict()


def put(cfg: dict, path: tuple, value: object) -> dict:
    cfg = copy.deepcopy(cfg)
    node, (*above, last) = cfg, path
    for key in above:
        if isinstance(node, dict) and node.get(key) is None:
            node[key] = {}
        node = node[key]
    node[last] = value
    return cfg


@pytest.mark.parametrize('path, value, words', SLIPS,
                         ids=lambda v: '.'.join(map(str, v)) if isinstance(v, tuple) else '')
def test_slip(plain, path, value, words):
    with pytest.raises(KeyFault) as error:
        check_tree(put(plain, path, value))
    text = str(error.value)
    assert words in text and len(text.splitlines()) <= 4, text
    assert '.'.join(map(str, path)) in text and path[0] == error.value.path[0]


@pytest.mark.parametrize('path, value', [
    (('default_hooks', 'checkpoint', 'priority'), 'LOW'),
    (('custom_hooks',), [dict(type='EMAHook', momentum=0.01, priority='NORMAL')]),
    ((*HEAD, 'init_cfg'), dict(type='Normal', std=.01, override=dict(name='conv_seg'))),
    ((*HEAD, 'init_cfg'), [dict(type='Normal', std=.01, override=[dict(type='Constant', name='conv_seg', val=1)])]),
    (('val_evaluator',), dict(metrics=[dict(type='IoUMetric')])),
    (('val_evaluator',), dict(type='Evaluator', metrics=[dict(type='IoUMetric')])),
    (('param_scheduler',), dict(a=[dict(type='PolyLR', by_epoch=False)], b=dict(type='PolyLR', by_epoch=False))),
    (('log_processor',), dict(window_size=3)),
    (('custom_hooks',), [dict(type='EMAHook', priority='very_high'), dict(type='EMAHook', priority=30)]),
    (('train_cfg', 'dynamic_intervals'), [(2, 1), [4, 2]]),
    (('param_scheduler', 0, 'end'), 2e4),
    (('optim_wrapper',), dict(type='AmpOptimWrapper', dtype=torch.bfloat16, optimizer=SGD)),
    (('model_wrapper_cfg',), dict(find_unused_parameters=True)),
    (('find_unused_parameters',), True),
    (('optim_wrapper',), dict(optimizer=SGD)),
    (('optim_wrapper', 'clip_grad'), dict(type='value', clip_value=1.)),
    (('optim_wrapper', 'paramwise_cfg'), dict(custom_keys={'.bn': dict(decay_mult=0.), 'model': dict(lr_mult=2)})),
    (('env_cfg', 'dist_cfg'), dict(backend='gloo', timeout=60)),
    (('train_cfg',), dict(by_epoch=True, max_epochs=3)),
    (('compile',), True),
    ((*LOADER, 'metainfo'), dict(classes=('a', 'b'), dataset_type='mine', task_name='t')),
    ((*LOADER, 'backend_args'), dict(backend='petrel', path_mapping={})),
    ((*STEP, 'interpolation'), 'nearest'),
])
def test_what_works_is_let_through(plain, path, value):
    check_tree(put(plain, path, value))


def test_a_dataset_that_lists_its_samples_itself_may_read_more_folders(plain, monkeypatch):
    from segkit.datasets import BaseSegDataset
    from segkit.registry import DATASETS

    class Depth(BaseSegDataset):
        def load_data_list(self):
            return []

    monkeypatch.setitem(DATASETS.module_dict, 'DepthForTest', Depth)
    check_tree(put(plain, LOADER, dict(type='DepthForTest', data_prefix=dict(depth_path='d'))))


def test_a_class_of_the_user_s_may_take_other_dicts(plain, monkeypatch):
    from segkit.registry import DATASETS

    class Joined:
        def __init__(self, datasets, dataset=None):
            pass

    monkeypatch.setitem(DATASETS.module_dict, 'JoinedForTest', Joined)
    check_tree(put(plain, LOADER, dict(type='JoinedForTest', datasets=dict(a=VOC), dataset=dict(how='both'))))


def test_a_key_added_on_purpose_is_let_through_where_nothing_would_fail_at_it(plain):
    check_tree(put(plain, ('env_cfg', 'note'), 1), added=['env_cfg.note'])
    with pytest.raises(KeyFault, match='model.backbone.note'):
        check_tree(put(plain, ('model', 'backbone', 'note'), 1), added=['model.backbone.note'])


@pytest.mark.parametrize('a, b, count', [('optim_wraper', 'optim_wrapper', 1), ('SDG', 'SGD', 2), ('', 'ab', 2)])
def test_edits(a, b, count):
    assert edits(a, b) == count


@pytest.mark.parametrize('cfg, words', [
    (dict(tta_pipeline=[dict(type='RandomCrop', crop_size='64')]),
     ['tta_pipeline.0.crop_size: expected a whole number or two whole numbers (h, w)', "'64'"]),
    (dict(model=dict(type='EncoderDecoder', backbone=dict(type='ResNetV1c', depth=50, dilations=1))),
     ['model.backbone.dilations', 'a list of whole numbers', 'got 1']),
    (dict(tta_pipeline=[dict(type='RandomCrop')]), ['tta_pipeline.0: RandomCrop needs crop_size.']),
    (dict(model=dict(type='EncoderDecoder', init_cfg=dict(type='Pretrained'))), ['model.init_cfg', 'needs checkpoint']),
    (dict(model=dict(type='EncoderDecoder', norm_cfg='BN')), ['model.norm_cfg', "got 'BN'"]),
    (dict(model=dict(type='EncoderDecoder', norm_cfg=dict(type='BM'))),
     ['not the name of a normalisation layer', 'GN']),
])
def test_the_key_is_named(cfg, words):
    with pytest.raises(ConfigError) as error:
        check_tree(cfg)
    assert all(word in str(error.value) for word in words), error.value
