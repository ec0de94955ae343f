"""Weights that fit a network which computes something else are told of, and nothing else is."""
import copy
import json
from pathlib import Path

import pytest
import torch

from segkit import checkpoint as ckpt
from segkit.config import load_config
from segkit.engine.checks.same_function import difference
from segkit.registry import MODELS

CONFIGS = Path(__file__).parents[3] / 'configs'
MODEL = dict(
    type='EncoderDecoder', num_classes=3,
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[1., 2., 3.], std=[1., 1., 1.], bgr_to_rgb=True),
    backbone=dict(type='ResNet', depth=50, base_channels=8, stem_channels=8),
    decode_head=dict(type='DeepLabV3Head', channels=8, block=False, dilations=(1, 3, 9, 27)),
    auxiliary_head=dict(type='FCNHead', channels=8, in_index=2))


def changed(model, **changes):
    model = copy.deepcopy(model)
    for key, value in changes.items():
        *path, last = key.split('__')
        node = model
        for name in path:
            node = node[name]
        node[last] = value
    return model


def found(theirs, ours):
    return difference(dict(meta=dict(config_json=json.dumps(dict(model=theirs)))), ours, 'x.pth')


@pytest.mark.parametrize('theirs, ours, words', [
    (dict(decode_head__type='VortexHead', decode_head__first_kernel=1), {},
     "decode_head.type 'VortexHead' -> 'DeepLabV3Head'."),
    (dict(backbone__style='caffe'), {}, "backbone.style 'caffe' -> 'pytorch'."),
    ({}, dict(backbone__style='slim'), "backbone.style 'pytorch' -> 'slim'."),
    (dict(backbone__ceil_mode=True), {}, 'backbone.ceil_mode True -> False.'),
    (dict(backbone__type='MobileNetV3'), dict(backbone__type='MobileNetV3', backbone__adaptive_padding=False),
     'backbone.adaptive_padding True -> False.'),
    (dict(type='MultiScaleEncoderDecoder'), {}, "type 'MultiScaleEncoderDecoder' -> 'EncoderDecoder'."),
    (dict(auxiliary_head__type='Mine'), {}, "auxiliary_head.type 'Mine' -> 'FCNHead'."),
    (dict(data_preprocessor__bgr_to_rgb=False, data_preprocessor__std=[2., 2., 2.]), {},
     'data_preprocessor.std [2.0, 2.0, 2.0] -> [1.0, 1.0, 1.0], data_preprocessor.bgr_to_rgb False -> True.'),
    (dict(data_preprocessor=None), {}, 'data_preprocessor.mean None -> [1.0, 2.0, 3.0], '),
    (dict(align_corners=True), {}, 'decode_head.align_corners True -> False.'),
    (dict(decode_head__pool_first=True), {}, 'decode_head.pool_first True -> False.'),
    (dict(decode_head__act_cfg=None), {}, "decode_head.act_cfg None -> {'type': 'ReLU'}."),
    (dict(decode_head__act_cfg=dict(type='LeakyReLU', negative_slope=0.1)),
     dict(decode_head__act_cfg=dict(type='LeakyReLU')), 'decode_head.act_cfg {'),
])
def test_another_function_is_told_of(theirs, ours, words):
    text = found(changed(MODEL, **theirs), changed(MODEL, **ours))
    assert words in text and text.startswith('x.pth was trained in another network')
    assert 'The weights fit, but compute something else' in text and text.count('\n') < 3


@pytest.mark.parametrize('theirs', [
    {}, dict(backbone__style='pytorch', decode_head__first_kernel=1, decode_head__align_corners=False),
    dict(type='mmseg.EncoderDecoder', backbone__type='segkit.models.backbones.resnet.ResNet'),
    dict(backbone__type='mmseg.ResNetV1c'),  # ResNet(deep_stem=True) has other tensors than ResNet: the weights tell
    dict(backbone__output_stride=16, backbone__multi_grid=(1, 2, 4), decode_head__dilations=(1, 6, 12, 18)),
    dict(decode_head__project_dropout=0.5, decode_head__loss_decode=dict(type='Mine'), norm_cfg=dict(type='SyncBN')),
    dict(decode_head__act_cfg=dict(type='ReLU', inplace=False)),
    dict(data_preprocessor=dict(type='SegDataPreProcessor', mean=(1, 2, 3), std=(1, 1, 1), rgb_to_bgr=True)),
    dict(auxiliary_head=None),
])
def test_the_same_function_is_not(theirs):
    assert found(changed(MODEL, **theirs), MODEL) is None
    assert found(MODEL, changed(MODEL, **theirs)) is None


@pytest.mark.parametrize('checkpoint', [
    {}, dict(meta=None), dict(meta=dict(cfg="model = dict(type='Other')")), dict(meta=dict(config_json='no JSON')),
    dict(meta=dict(config_json='[]')), dict(meta=dict(config_json='{"model": {"type": {"a": 1}, "backbone": []}}')),
])
def test_no_word_where_nothing_is_known(checkpoint):
    assert difference(checkpoint, MODEL, 'x.pth') is None


def test_test_time_augmentation_round_the_model_is_seen_through():
    wrapped = dict(type='SegTTAModel', module=MODEL)
    assert found(MODEL, wrapped) is None
    assert 'backbone.style' in found(changed(MODEL, backbone__style='slim'), wrapped)


def test_a_class_of_another_module_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / 'stolen.py').write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "'Head' -> " in found(changed(MODEL, decode_head__type='stolen.Head'), MODEL)


def test_vortex_weights_do_fit_the_other_head():
    vortex = changed(MODEL, decode_head__type='VortexHead', decode_head__first_kernel=1)
    one, two = MODELS.build(vortex), MODELS.build(copy.deepcopy(MODEL))
    assert ckpt.load_weights(two, one.state_dict()).ok
    assert not torch.equal(one.eval().decode_head([torch.ones(1, 256, 8, 8)] * 4)[0, 0],
                           two.eval().decode_head([torch.ones(1, 256, 8, 8)] * 4)[0, 0])


def test_phases_of_the_systems_are_the_same_function():
    starts = {}
    for path in CONFIGS.glob('*/*.py'):
        lines = [line for line in path.read_text().splitlines() if line.startswith('load_from = \'work_dirs/')]
        if lines:
            starts[path] = next(CONFIGS.rglob(lines[0].split('/')[-1].strip("'") + '.py'))
    assert len(starts) >= 5
    for after, before in starts.items():
        models = [json.loads(json.dumps(load_config(path, say=lambda line: None).model)) for path in (before, after)]
        assert found(*models) is None, after
