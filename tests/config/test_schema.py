"""Signatures decide which keys a config may have."""
import pytest

from segkit.config.check_tree import check_tree
from segkit.config.schema import kind_at
from segkit.errors import ConfigError
from segkit.registry import DATA_SAMPLERS, LOOPS, TASK_UTILS, TRANSFORMS


def test_the_place_decides_the_kind():
    assert kind_at(('train_dataloader', 'sampler')) is DATA_SAMPLERS
    assert kind_at(('model', 'decode_head', 'sampler')) is TASK_UTILS
    assert kind_at(('model', 'auxiliary_head', '1', 'sampler')) is TASK_UTILS
    assert kind_at(('train_cfg',)) is LOOPS
    assert kind_at(('model', 'train_cfg')) is None
    assert kind_at(('train_dataloader', 'dataset', 'pipeline', '3')) is TRANSFORMS


@pytest.mark.parametrize('cfg, words', [
    (dict(model=dict(type='EncoderDecoder', backbonee=1)), ['model.backbonee', 'Nearest: model.backbone']),
    (dict(model=dict(type='EncoderDecoder', backbone=dict(type='ASPPHead'))),
     ['model.backbone.type', 'a backbone is expected here']),
    (dict(model=dict(type='EncoderDecoder', decode_head=dict(type='ASPPHead', dilatons=(1,)))),
     ['model.decode_head.dilatons', 'model.decode_head.dilations']),
    (dict(model=dict(decode_head=dict(type='ASPPHead', sampler=dict(type='OHEMPixelSampler', tresh=0.7)))),
     ['model.decode_head.sampler.tresh', 'model.decode_head.sampler.thresh']),
    (dict(model=dict(auxiliary_head=[dict(type='FCNHead', sampler=dict(type='OHEMSampler'))])),
     ['model.auxiliary_head.0.sampler.type', 'OHEMPixelSampler']),
    (dict(model=dict(decode_head=dict(type='ASPPHead', sampler=dict(type='OHEMPixelSampler', min_kept='all')))),
     ['model.decode_head.sampler.min_kept', 'expected a whole number']),
    (dict(model=dict(decode_head=dict(type='ASPPHead', loss_decode=dict(type='BoundaryLoss')))),
     ['model.decode_head.loss_decode.type', 'left out here', 'edge map']),
    (dict(optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SDG', lr=1))),
     ['optim_wrapper.optimizer.type', 'SGD']),
    (dict(optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1, momentum=0.9))),
     ['optim_wrapper.optimizer.momentum', 'Adam takes no']),
    (dict(train_dataloader=dict(batch_sise=2)), ['train_dataloader.batch_sise', 'batch_size']),
    (dict(train_dataloader=dict(dataset=dict(type='PascalVOCDataset', pipeline=[dict(type='RandomCropp')]))),
     ['train_dataloader.dataset.pipeline.0.type', 'RandomCrop']),
    (dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', intervall=3))),
     ['default_hooks.checkpoint.intervall', 'interval']),
    (dict(param_scheduler=[dict(type='PolyLR', powr=0.9)]), ['param_scheduler.0.powr', 'power']),
    (dict(val_evaluator=dict(type='IoUMetric', iou_metric=['mIoU'])), ['val_evaluator.iou_metric', 'iou_metrics']),
])
def test_faults_are_named_with_the_nearest_key(cfg, words):
    with pytest.raises(ConfigError) as error:
        check_tree(cfg)
    text = str(error.value)
    assert all(word in text for word in words), text
    assert len(text.splitlines()) <= 4
