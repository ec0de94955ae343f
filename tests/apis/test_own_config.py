"""Tools and functions that are given a checkpoint alone take the config in it."""
import json
import sys

import cv2
import numpy as np
import pytest
import torch

from segkit.apis import MMSegInferencer, inference_model, init_model, predict, publish_model, train
from segkit.apis import test as testing
from segkit.apis.cli import run
from segkit.apis.own_config import folder_of, is_checkpoint, refuse_no_file, stored_config
from segkit.checkpoint import write_atomic
from segkit.config import StoredConfig, load_config
from segkit.errors import CheckpointError, ConfigError
from segkit.registry import BACKBONES


def results(folder):
    return [(folder / name).read_text() for name in ('metrics.json', 'confusion_matrix.csv', 'per_class.csv')]


@pytest.fixture
def reported(trained):
    """As ``trained``, with the tables of a test."""
    config, checkpoint = trained
    config.write_text(config.read_text() + "default_hooks['report'] = dict(type='RunReportHook')\n")
    content = torch.load(checkpoint, weights_only=True)
    values = json.loads(content['meta']['config_json'])
    values['default_hooks']['report'] = dict(type='RunReportHook')
    content['meta']['config_json'] = json.dumps(values)
    write_atomic(content, checkpoint)
    return config, checkpoint


@pytest.mark.parametrize('flags', [[], ['--tta'], ['--cfg-options', 'test_evaluator.nan_to_num=0']])
def test_same_confusion_matrix_as_with_the_config_file(reported, tmp_path, flags):
    config, checkpoint = reported
    testing.main([str(config), str(checkpoint), '--work-dir', str(tmp_path / 'with'), *flags])
    config.unlink()  # nothing but the checkpoint is needed
    testing.main([str(checkpoint), *flags])
    name = 'test_tta' if flags == ['--tta'] else 'test'
    assert results(tmp_path / 'with' / name) == results(checkpoint.parent / name)


def test_keys_that_are_no_strings_come_back(tiny_config, tmp_path, capsys):
    """Masks in colours, and labels joined: JSON has neither a tuple nor a number as a key."""
    for path in (tmp_path / 'data/SegmentationClass').glob('*.png'):
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(path), np.stack([mask, mask, mask // 2], -1))
    colors = {(0, 0, 0): 0, (0, 1, 1): 1, (1, 2, 2): 2, (127, 255, 255): 255}
    tiny_config.write_text(tiny_config.read_text().replace(
        "dict(type='LoadAnnotations')", f"dict(type='LoadAnnotations', color_map={colors})")
        + "mine = {1: {2: (3, )}}\n")
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'run'), '--cfg-options', 'train_cfg.max_iters=3'])
    checkpoint = tmp_path / 'run' / 'iter_3.pth'
    cfg = load_config(stored_config(checkpoint), say=lambda line: None)
    assert colors in [step.get('color_map') for step in cfg.val_dataloader.dataset.pipeline]
    assert cfg.mine == {1: {2: [3]}}
    testing.main([str(tiny_config), str(checkpoint), '--work-dir', str(tmp_path / 'with')])
    testing.main([str(checkpoint), '--work-dir', str(tmp_path / 'own')])
    one, two = ((tmp_path / name / 'test/metrics.json') for name in ('with', 'own'))
    assert one.read_text() == two.read_text()


@pytest.mark.parametrize('pairs', [3, [1], [[{}, 1]], [[1, 2, 3]]])
def test_a_broken_list_of_pairs_is_named(pairs):
    with pytest.raises(ConfigError, match='__pairs__'):
        StoredConfig(dict(model=dict(a={'__pairs__': pairs})), 'x.pth').named()


def test_options_work_as_with_a_file(reported, tmp_path, capsys):
    _, checkpoint = reported
    testing.main(['--work-dir', str(tmp_path / 'else'), str(checkpoint), '--out', str(tmp_path / 'out'), '--show-dir',
                  str(tmp_path / 'show'), '--cfg-options', 'model.test_cfg.mode=slide',
                  'model.test_cfg.crop_size=(32,32)', 'model.test_cfg.stride=(16,16)'])
    out = capsys.readouterr().out
    assert f'segkit 0.1.0: {checkpoint}' in out and 'override model.test_cfg.mode:' in out
    assert len(list((tmp_path / 'out').glob('*.png'))) == 5 and len(list((tmp_path / 'show').rglob('*.png'))) == 5
    assert (tmp_path / 'else/test/metrics.json').exists() and not (checkpoint.parent / 'test').exists()
    with pytest.raises(ConfigError, match='(?s)model.test_cfg.moed.*mode'):
        testing.main([str(checkpoint), '--cfg-options', 'model.test_cfg.moed=slide'])


def test_the_two_files_may_stand_apart(trained, tmp_path):
    config, checkpoint = trained
    args = testing.parse([str(config), '--work-dir', 'x', str(checkpoint)])
    assert (args.config, args.checkpoint) == (str(config), str(checkpoint))


def test_config_alone_is_said(trained, capsys):
    with pytest.raises(SystemExit) as left:
        run(testing.main, [str(trained[0])])
    error = capsys.readouterr().err
    assert left.value.code == 2
    assert 'tiny.py stands alone and is no checkpoint' in error and 'CONFIG CHECKPOINT' in error


@pytest.mark.parametrize('config', [[], ['c.py']])
def test_an_exported_file_is_not_tested(config):
    with pytest.raises(CheckpointError, match='x.onnx is an exported network.*\n.*checkpoint that it was made of'):
        testing.parse([*config, 'x.onnx'])


def test_predictions_are_those_with_the_config_file(trained, tmp_path, capsys):
    config, checkpoint = trained
    photos = str(tmp_path / 'data/JPEGImages')
    predict.main([photos, str(config), str(checkpoint), '--out-dir', str(tmp_path / 'with')])
    config.unlink()
    predict.main([photos, str(checkpoint), '--out-dir', str(tmp_path / 'without')])
    for path in (tmp_path / 'with').glob('*_mask.png'):
        assert path.read_bytes() == (tmp_path / 'without' / path.name).read_bytes()
    with pytest.raises(SystemExit) as left:
        run(predict.main, [str(checkpoint), photos, '--out-dir', str(tmp_path / 'o')])
    assert left.value.code == 2
    assert 'The order is: predict.py IMAGE|FOLDER CONFIG CHECKPOINT.\nGot ' in capsys.readouterr().err


def test_functions_of_the_api(trained, tmp_path):
    config, checkpoint = trained
    photo = str(tmp_path / 'data/JPEGImages/im00.jpg')
    expected = inference_model(init_model(str(config), str(checkpoint), 'cpu'), photo).pred_sem_seg.data
    config.unlink()
    for model in (init_model(checkpoint, device='cpu'), init_model(None, str(checkpoint), 'cpu'),
                  init_model(checkpoint=checkpoint, device='cpu', cfg_options={'model.test_cfg.mode': 'whole'})):
        assert torch.equal(inference_model(model, photo).pred_sem_seg.data, expected)
        assert model.dataset_meta['classes'] == ('ground', 'green', 'red')
    mask = MMSegInferencer(weights=str(checkpoint), device='cpu')(cv2.imread(photo))['predictions']
    assert np.array_equal(mask, expected[0].numpy())
    with pytest.raises(ConfigError, match='needs a config, or a checkpoint'):
        init_model()


@pytest.mark.parametrize('meta, words', [
    (dict(cfg="import os\nos.system('touch it_ran')\nmodel = dict()"), 'holds its config as Python text .meta.cfg.'),
    (dict(), 'holds no config'),
    (None, 'holds no config'),
    (dict(config_json='{"model": '), 'meta.config_json is not the JSON text of a config'),
    (dict(config_json='[' * 100_000), 'meta.config_json is not the JSON text of a config'),
    (dict(config_json=[1]), 'meta.config_json is not the JSON text of a config')])
def test_checkpoint_without_a_config_to_read_says_what_to_do(tmp_path, monkeypatch, meta, words):
    """MMSegmentation's hold Python text, which is never run."""
    monkeypatch.chdir(tmp_path)
    write_atomic(dict(state_dict=dict(w=torch.zeros(1)), meta=meta), tmp_path / 'x.pth')
    for call in (lambda: testing.main(['x.pth']), lambda: init_model('x.pth', device='cpu'),
                 lambda: testing.main(['x.pth', '--unsafe-load'])):
        with pytest.raises(CheckpointError, match=words) as error:
            call()
        assert 'CONFIG x.pth' in str(error.value) and str(error.value).count('\n') < 4
    assert not (tmp_path / 'it_ran').exists()


@pytest.mark.parametrize('keys, source', [
    (('backbone.features.0.0.weight', 'head.image_pooling.0.weight', 'head.logits.weight'), 'mobilenet-v2-pool'),
    (('backbone.conv1.weight', 'decode_head.conv_seg.weight'), None),  # MMSegmentation's, or ours
])
def test_another_project_s_weights_are_named_at_once(tmp_path, keys, source):
    torch.save(dict.fromkeys(keys, torch.zeros(1)), tmp_path / 'raw.pth')
    with pytest.raises(CheckpointError, match='raw.pth holds no config') as error:
        init_model(str(tmp_path / 'raw.pth'), device='cpu')
    assert (f'import_weights.py {source} {tmp_path / "raw.pth"} raw_segkit.pth' in str(error.value)) == bool(source)


def test_custom_imports_run_where_the_flag_is_typed(trained, tmp_path, monkeypatch, capsys):
    _, checkpoint = trained
    (tmp_path / 'own_head.py').write_text(
        'from segkit.models.decode_heads import ASPPHead\nfrom segkit.registry import DECODE_HEADS\n\n\n'
        '@DECODE_HEADS.register_module()\nclass OwnHead(ASPPHead):\n    pass\n')
    monkeypatch.syspath_prepend(tmp_path)
    content = torch.load(checkpoint, weights_only=True)
    values = json.loads(content['meta']['config_json'])
    values['custom_imports'] = dict(imports=['own_head'])
    values['model']['decode_head']['type'] = 'OwnHead'
    content['meta']['config_json'] = json.dumps(values)
    write_atomic(content, checkpoint)
    capsys.readouterr()
    with pytest.raises(ConfigError, match="'OwnHead' is not a registered decode head"):
        testing.main([str(checkpoint)])
    assert 'are not run: {\'imports\': [\'own_head\']} (--unsafe-load' in capsys.readouterr().out
    assert 'own_head' not in sys.modules
    testing.main([str(checkpoint), '--unsafe-load'])
    assert 'own_head' in sys.modules
    from segkit.registry import DECODE_HEADS
    DECODE_HEADS.module_dict.pop('OwnHead')
    sys.modules.pop('own_head')


def test_what_counts_as_a_checkpoint(tmp_path):
    torch.save(dict(), tmp_path / 'weights')
    (tmp_path / 'photo').write_bytes(b'\xff\xd8\xff\xe0')
    yes = ['x.pth', 'a/x.PT', 'https://host/x.pth', 'open-mmlab://resnet50_v1c', tmp_path / 'weights']
    no = ['x.py', 'x.json', 'https://host/x.py', str(tmp_path), tmp_path / 'photo', 'pspnet_r50', None, dict()]
    assert [is_checkpoint(name) for name in (*yes, *no)] == [True] * len(yes) + [False] * len(no)
    assert folder_of('runs/a/x.pth') == 'runs/a' and folder_of('https://host/net.pth') == 'work_dirs/net'


def test_source_of_the_config_is_said_in_its_errors(trained):
    _, checkpoint = trained
    assert stored_config(checkpoint).source == str(checkpoint)
    assert not stored_config(checkpoint).trusted


def test_the_file_that_names_the_newest_checkpoint_is_none_itself(tmp_path):
    folder = tmp_path / 'run'
    folder.mkdir()
    (folder / 'last_checkpoint').write_text('/elsewhere/iter_4.pth\n')
    for there in ('', f'\nThe checkpoint is {folder}/iter_4.pth'):
        with pytest.raises(CheckpointError) as error:
            refuse_no_file(str(folder / 'last_checkpoint'))
        assert str(error.value).endswith(f'it is none itself.{there}')
        (folder / 'iter_4.pth').touch()


def test_every_checkpoint_of_ours_predicts_alone(tiny_config, tmp_path, monkeypatch, capsys):
    """A training's, its best, the published ones of both formats: an image and the file are enough."""
    pytest.importorskip('safetensors')
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'run'), '--cfg-options', 'train_cfg.max_iters=3',
                'default_hooks.checkpoint.save_best=mIoU'])
    last = tmp_path / 'run/iter_3.pth'
    for name in ('a.pth', 'b.safetensors'):
        publish_model.main([str(last), str(tmp_path / 'out' / name)])
    photo = str(tmp_path / 'data/JPEGImages/im00.jpg')
    tiny_config.unlink()
    monkeypatch.chdir(tmp_path)
    published = sorted(file for file in (tmp_path / 'out').iterdir() if file.suffix != '.sha256')
    files = [last, tmp_path / 'run/best_mIoU.pth', *published]
    assert [file.suffix for file in files] == ['.pth', '.pth', '.pth', '.safetensors']
    masks = []
    for file in files:
        predict.main([photo, str(file)])
        masks.append((tmp_path / 'predictions/im00_mask.png').read_bytes())
        assert set(json.loads((tmp_path / 'predictions/im00.json').read_text())['share']) <= {'ground', 'green', 'red'}
    assert len(set(masks)) == 1
    testing.main([str(files[-1]), '--work-dir', str(tmp_path / 'w')])
    testing.main([str(last), '--work-dir', str(tmp_path / 'v')])
    one, other = ((tmp_path / name / 'test/metrics.json').read_text() for name in 'wv')
    assert one == other


def test_safetensors_are_a_start(trained, tmp_path):
    """As load_from of a run, and as init_cfg of a backbone."""
    pytest.importorskip('safetensors')
    config, checkpoint = trained
    content = torch.load(checkpoint, weights_only=True)
    start = tmp_path / 'start.safetensors'
    write_atomic(dict(state_dict=content['state_dict']), start)
    train.main([str(config), '--work-dir', str(tmp_path / 'next'), '--cfg-options', 'train_cfg.max_iters=1',
                f'load_from={start}', 'optim_wrapper.optimizer.lr=0', 'param_scheduler.0.eta_min=0'])
    after = torch.load(tmp_path / 'next/iter_1.pth', weights_only=True)['state_dict']
    weight = 'backbone.layer4.0.conv1.weight'
    assert torch.equal(after[weight], content['state_dict'][weight])
    backbone = BACKBONES.build(dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, init_cfg=dict(
        type='Pretrained', checkpoint=str(start), prefix='backbone.')))
    backbone.init_weights()
    assert torch.equal(backbone.layer4[0].conv1.weight, content['state_dict'][weight])
