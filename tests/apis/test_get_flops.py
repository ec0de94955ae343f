"""get_flops.py: parameters and multiply-adds against published counts and torchvision."""
import json
from pathlib import Path

import pytest
import torch

from segkit.apis import get_flops
from segkit.apis.cli import run
from segkit.apis.complexity import complexity, input_shape
from segkit.config import load_config
from segkit.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / 'configs'
VOC = CONFIGS / 'deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py'


def torchvision_form(depth: int) -> dict:
    return dict(type='EncoderDecoder', num_classes=21, norm_cfg=dict(type='BN'),
                backbone=dict(type='ResNet', depth=depth, output_stride=8),
                decode_head=dict(type='DeepLabV3Head', channels=256, dilations=(1, 12, 24, 36)),
                auxiliary_head=dict(type='FCNHead', in_index=2, channels=256, num_convs=1, concat_input=False))


# 178.722 and 258.743 are what torchvision publishes as "GFLOPS" of its two models: multiply-adds, with aux.
@pytest.mark.parametrize('depth, side, with_aux, without', [
    (50, 520, 178.722, 168.731), (50, 513, 178.644, 168.653), (50, 480, 152.284, 143.771),
    (101, 520, 258.743, 248.752)])
def test_multiply_adds_are_the_published_ones(depth, side, with_aux, without):
    found = complexity(torchvision_form(depth), (side, side), aux=True)
    assert found.inference_macs / 1e9 == pytest.approx(without, abs=5e-4)
    assert (found.inference_macs + found.aux_macs) / 1e9 == pytest.approx(with_aux, abs=5e-4)
    assert found.parameters == {50: 42_004_074, 101: 60_996_202}[depth]
    assert [part.parameters for part in found.parts][1:] == [16_130_837, 2_365_205]
    assert set(found.macs) == {'backbone', 'decode_head'} and not found.windows


def test_torchvision_s_metadata_say_the_same():
    segmentation = pytest.importorskip('torchvision').models.segmentation
    meta = segmentation.DeepLabV3_ResNet50_Weights.DEFAULT.meta
    found = complexity(torchvision_form(50), (520, 520), aux=True)
    assert (found.inference_macs + found.aux_macs) / 1e9 == pytest.approx(meta['_ops'], abs=5e-4)
    assert found.parameters == meta['num_params']


@pytest.mark.parametrize('name, parts, total', [
    ('deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py', [23_527_264, 42_222_101, 2_365_205], 68_114_570),
    ('deeplabv3_r101-d8_4xb4-20k_voc12aug-512x512.py', [42_519_392, 42_222_101, 2_365_205], 87_106_698)])
def test_parameters_are_those_of_mmsegmentation_s_models(name, parts, total):
    found = complexity(load_config(CONFIGS / 'deeplabv3' / name).model, (64, 64))
    assert [part.parameters for part in found.parts] == parts and found.parameters == total
    assert found.aux_macs is None


def test_a_tiny_network_by_hand():
    conv = dict(type='FCNHead', in_channels=8, in_index=0, channels=4, num_convs=1, kernel_size=3, concat_input=False,
                norm_cfg=None, num_classes=5)
    cfg = dict(type='EncoderDecoder', num_classes=5, norm_cfg=dict(type='BN'), backbone=dict(
        type='ResNet', depth=18, base_channels=8, stem_channels=8, num_stages=1, strides=(1, ), dilations=(1, ),
        out_indices=(0, )), decode_head=conv)
    found = complexity(cfg, (32, 48), batch_size=3)
    stem, stage = 16 * 24 * 7 * 7 * 3 * 8, 8 * 12 * 4 * 9 * 8 * 8
    assert found.macs['backbone'] == 3 * (stem + stage)
    assert found.macs['decode_head'] == 3 * 8 * 12 * (9 * 8 * 4 + 4 * 5)


def test_windows_are_counted_as_they_overlap():
    cfg = torchvision_form(18)
    one = complexity(cfg, (128, 128)).inference_macs
    found = complexity({**cfg, 'test_cfg': dict(mode='slide', crop_size=(128, 128), stride=(64, 96))}, (256, 200))
    assert found.windows == 3 * 2 and found.inference_macs == 6 * one


def test_the_stride_of_the_test_is_the_one_that_counts():
    cfg = dict(torchvision_form(18), test_cfg=dict(output_stride=16))
    del cfg['decode_head']['dilations']
    assert complexity(cfg, (128, 128)).inference_macs < complexity(
        {**cfg, 'test_cfg': None}, (128, 128)).inference_macs / 2


def test_a_part_that_asks_for_values_is_run_on_the_cpu(monkeypatch):
    from segkit.models.decode_heads.fcn_head import FCNHead
    plain, devices = FCNHead.forward, []

    def curious(self, feats):
        devices.append(feats[0].device.type)
        assert float(feats[0].sum()) < float('inf')
        return plain(self, feats)

    cfg = dict(torchvision_form(18), decode_head=dict(type='FCNHead', in_channels=512, in_index=3, channels=8))
    expected = complexity(cfg, (32, 32)).macs
    monkeypatch.setattr(FCNHead, 'forward', curious)
    assert complexity(cfg, (32, 32)).macs == expected and devices == ['meta', 'cpu']


def test_table_and_json_say_the_same(capsys):
    get_flops.main([str(VOC), '--shape', '64', '96', '--aux', '--json'])
    facts = json.loads(capsys.readouterr().out)
    assert facts['shape'] == [1, 3, 64, 96] and facts['parameters']['total'] == 68_114_570
    assert facts['flops'] == 2 * facts['macs']['inference']
    assert facts['macs']['with_auxiliary_heads'] == sum(
        facts['macs'][name] for name in ('backbone', 'decode_head', 'auxiliary_head'))
    get_flops.main([str(VOC), '--shape', '64', '96', '--aux'])
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for line in capsys.readouterr().out.splitlines()
            if len(cells := line.split('|')) > 2}
    assert rows['with auxiliary heads'][1:] == [
        '68,114,570', f'{facts["macs"]["with_auxiliary_heads"] / 1e9:.3f}',
        f'{2 * facts["macs"]["with_auxiliary_heads"] / 1e9:.3f}']
    assert rows['a prediction'][1] == f'{facts["parameters"]["backbone"] + facts["parameters"]["decode_head"]:,}'


def test_override_and_default_shape(capsys):
    get_flops.main([str(VOC), '--cfg-options', 'num_classes=30', 'crop_size=(64, 64)'])
    out, err = capsys.readouterr()
    assert 'input 1x3x64x64' in out and f'{23_527_264 + 42_222_101 + 9 * 513:,}' in out and 'num_classes' in err


def test_nothing_is_computed():
    devices = set()
    handle = torch.nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: devices.update(one.device.type for one in inputs if hasattr(one, 'device')))
    try:
        assert complexity(torchvision_form(101), (4096, 4096)).inference_macs > 1e13
    finally:
        handle.remove()
    assert devices == {'meta'}


@pytest.mark.parametrize('options, word', [
    (['--shape', '1', '2', '3'], '--shape'), (['--shape', '0'], '--shape'), (['--batch-size', '0'], '--batch-size')])
def test_mistakes(options, word, capsys):
    with pytest.raises(SystemExit) as left:
        run(get_flops.main, [str(VOC), *options])
    assert left.value.code == 2 and word in capsys.readouterr().err


def test_no_size_in_the_config():
    cfg = load_config(VOC)
    del cfg.model.data_preprocessor['size']
    assert input_shape(cfg, None) == (512, 512) and input_shape(cfg, [7]) == (7, 7)
    with pytest.raises(ConfigError):
        input_shape(cfg, [1, 2, 3])
