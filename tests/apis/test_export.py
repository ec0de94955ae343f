"""export.py: a file that is proven, holds what belongs to it, and predicts as the checkpoint does."""
import importlib
import json
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from segkit.apis import MMSegInferencer, export, inference_model, init_model, predict
from segkit.apis.cli import run
from segkit.apis.export_pipeline import pipeline_in_file
from segkit.apis.export_plan import Plan, outside_of, plan_for
from segkit.apis.exported_model import init_exported
from segkit.checkpoint import load_file, write_atomic
from segkit.errors import CheckpointError, ConfigError
from segkit.models.segmentors import EncoderDecoder

SLIDE = ['model.test_cfg.mode=slide', 'model.test_cfg.crop_size=(40,40)', 'model.test_cfg.stride=(30,31)']


@pytest.fixture(scope='session')
def network(trained_once, tmp_path_factory):
    """(checkpoint, folder of photos) of the tiny network with scores that differ from pixel to pixel."""
    config, checkpoint = trained_once
    content = load_file(checkpoint)
    for key, value in content['state_dict'].items():
        if key == 'decode_head.conv_seg.weight':
            value.normal_(generator=torch.Generator().manual_seed(0))
        elif key.endswith('bn.weight'):
            value.mul_(2)
    path = tmp_path_factory.mktemp('network') / 'spread.pth'
    write_atomic(content, path)
    return path, config.parent / 'data/JPEGImages'


@pytest.fixture(scope='session')
def exported(network, tmp_path_factory):
    """The same as a file of ONNX with everything in it, and what was printed."""
    from contextlib import redirect_stdout
    from io import StringIO
    checkpoint, photos = network
    path, said = tmp_path_factory.mktemp('exported') / 'tiny.onnx', StringIO()
    with redirect_stdout(said):
        export.main([str(checkpoint), '--out', str(path), '--with-preprocess', '--with-postprocess', '--images',
                     str(photos), '--num-images', '3'])
    return path, said.getvalue()


def masks(folder):
    return {path.name: np.array(Image.open(path)) for path in sorted(folder.glob('*_mask.png'))}


def options(out, *more):
    return ['--out', str(out), *more]


def error_of(argv, capsys, main=export.main):
    with pytest.raises(SystemExit) as left:
        run(main, [str(word) for word in argv])
    said = capsys.readouterr().err
    assert left.value.code == 2 and said.startswith('error: ') and len(said.splitlines()) <= 4
    return said


def test_what_is_said(exported):
    path, said = exported
    lines = said.splitlines()
    assert 'images: any size from 17 pixels a side, any number, bytes (N, H, W, 3) in RGB order' in lines
    rows = [line for line in lines if 'agreement' in line]
    assert len(rows) == 3 + 2 + 1 and sum(', a part: ' in row for row in rows) == 2
    shares = [float(row.split('of the classes in the file ')[1].split('%')[0]) for row in rows[:-1]]
    assert min(shares) >= 99.9  # two scores that almost tie may change places on another processor
    assert rows[-1].startswith('all: scores ') and ' classes occur' in rows[-1]
    assert lines[-1] == f'python tools/predict.py IMAGE|FOLDER {path} --out-dir predictions'


def test_one_file_that_other_programs_can_read(exported):
    import onnx
    path, _ = exported
    assert [p.name for p in path.parent.iterdir()] == ['tiny.onnx']
    model = onnx.load(path)
    texts = {prop.key: json.loads(prop.value) for prop in model.metadata_props}
    assert texts['classes'] == ['ground', 'green', 'red'] and texts['palette'][1] == [0, 200, 0]
    assert texts['preprocessing']['mean'] == [120.0] * 3 and texts['preprocessing']['channel_order'] == 'rgb'
    shape = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == ['batch', 'height', 'width', 3]
    assert [output.name for output in model.graph.output] == ['logits', 'classes']
    assert 'data_root' not in path.read_bytes().decode('latin-1')  # nothing of the machine it was made on


def test_predict_gives_the_same_files(network, exported, tmp_path, capsys):
    checkpoint, photos = network
    for file, name in ((checkpoint, 'a'), (exported[0], 'b')):
        predict.main([str(photos), str(file), '--out-dir', str(tmp_path / name)])
    capsys.readouterr()
    names = sorted(path.name for path in (tmp_path / 'a').iterdir())
    assert len(names) == 36 and names == sorted(path.name for path in (tmp_path / 'b').iterdir())
    ours, theirs = masks(tmp_path / 'a'), masks(tmp_path / 'b')
    assert len({int(value) for mask in ours.values() for value in np.unique(mask)}) > 1
    for name, mask in ours.items():
        assert mask.shape == theirs[name].shape and (mask == theirs[name]).mean() > 0.999
    shares = json.loads((tmp_path / 'b/im05.json').read_text())
    assert shares['checkpoint'] == str(exported[0]) and set(shares['share']) <= {'ground', 'green', 'red'}


def test_python_takes_the_file_too(network, exported):
    checkpoint, photos = network
    photo = str(photos / 'im03.jpg')
    wanted = inference_model(init_model(None, str(checkpoint), 'cpu'), photo)
    model = init_model(str(exported[0]), device='cpu')
    given = inference_model(model, photo)
    torch.testing.assert_close(given.seg_logits.data, wanted.seg_logits.data, rtol=1e-3, atol=1e-3)
    assert model.dataset_meta['classes'] == ('ground', 'green', 'red')
    mask = MMSegInferencer(str(exported[0]))(photo)['predictions']
    assert np.array_equal(mask, given.pred_sem_seg.data[0].numpy())


def test_a_config_or_override_beside_the_file_is_refused(trained_once, exported, capsys, tmp_path):
    photo, rest = trained_once[0].parent / 'data/JPEGImages/im00.jpg', ['--out-dir', tmp_path / 'o']
    for line in ([photo, trained_once[0], exported[0]], [photo, exported[0], '--cfg-options', 'a=1']):
        assert 'holds its network and how images are prepared' in error_of([*line, *rest], capsys, predict.main)


def test_a_file_of_other_programs_is_refused(tmp_path, exported, capsys):
    import onnx
    model = onnx.load(exported[0])
    del model.metadata_props[:]
    onnx.save_model(model, tmp_path / 'other.onnx')
    with pytest.raises(CheckpointError, match='was not written by tools/export.py'):
        init_exported(tmp_path / 'other.onnx')
    (tmp_path / 'cut.onnx').write_bytes(exported[0].read_bytes()[:5000])
    with pytest.raises(CheckpointError, match='cut.onnx cannot be read by ONNX Runtime'):
        init_exported(tmp_path / 'cut.onnx')
    with pytest.raises(CheckpointError, match='No such file'):
        init_exported(tmp_path / 'none.onnx')
    assert 'is an exported file; the checkpoint' in error_of([exported[0], *options(tmp_path / 'a.onnx')], capsys)


def test_names_in_a_file_import_nothing(tmp_path, exported):
    import onnx
    model = onnx.load(exported[0])
    for prop in model.metadata_props:
        if prop.key == 'segkit':
            values = json.loads(prop.value)
            values['config']['test_pipeline'][0]['type'] = 'antigravity.Load'
            prop.value = json.dumps(values)
    onnx.save_model(model, tmp_path / 'a.onnx')
    with pytest.raises(ConfigError, match='antigravity.Load'):
        init_exported(tmp_path / 'a.onnx')
    assert 'antigravity' not in sys.modules


def test_windows_are_made_outside_of_the_file(network, tmp_path, capsys):
    checkpoint, photos = network
    out = tmp_path / 'w.pt2'
    export.main([str(checkpoint), *options(out, '--images', str(photos), '--num-images', '2', '--cfg-options', *SLIDE)])
    said = capsys.readouterr().out
    assert 'images: 40x40 pixels (h, w), one at a time' in said and 'is done by predict.py, not by the file' in said
    with pytest.raises(CheckpointError, match='--unsafe-load'):
        init_exported(out)
    cfg = init_model(None, str(checkpoint), 'cpu').cfg
    cfg.model.test_cfg.update(mode='slide', crop_size=(40, 40), stride=(30, 31))
    model = init_model(cfg, str(checkpoint), 'cpu')
    photo = np.random.default_rng(0).integers(0, 256, (75, 101, 3), dtype=np.uint8)
    wanted, given = inference_model(model, photo), inference_model(init_exported(out, unsafe=True), photo)
    torch.testing.assert_close(given.seg_logits.data, wanted.seg_logits.data, rtol=1e-3, atol=1e-3)
    Image.fromarray(photo[:30]).save(tmp_path / 'low.png')
    line = [str(checkpoint), *options(out, '--cfg-options', *SLIDE, '--images'), str(tmp_path / 'low.png')]
    assert 'No image has a size that the file takes' in error_of(line, capsys)
    with pytest.raises(ConfigError, match='takes images of 40x40 pixels .* here they are 30x40'):
        inference_model(init_exported(out, unsafe=True), photo[:30, :48])


def test_a_file_that_disagrees_is_not_kept(network, tmp_path, capsys, monkeypatch):
    from segkit.apis import exportable
    checkpoint, photos = network
    (tmp_path / 'a.pt2').write_text('what was there')
    true_graph = exportable.graph_of

    def other(net):
        with torch.no_grad():
            net.model.decode_head.conv_seg.weight.neg_()
        return true_graph(net)

    monkeypatch.setattr(exportable, 'graph_of', other)
    said = error_of([checkpoint, *options(tmp_path / 'a.pt2', '--images', photos / 'im01.jpg')], capsys)
    assert 'The file disagrees with the network, and is not kept: im01.jpg' in said
    assert [path.name for path in tmp_path.iterdir()] == ['a.pt2']
    assert (tmp_path / 'a.pt2').read_text() == 'what was there'


def test_a_fixed_size_resizes_photos(network, tmp_path, capsys):
    checkpoint, photos = network
    out = tmp_path / 'f.pt2'
    export.main([str(checkpoint), *options(out, '--size', '48', '65', '--num-images', '2', '--latency')])
    said = capsys.readouterr().out
    assert 'photos are resized to 48x65 whatever their shape' in said and 'network sees 48x65' in said
    assert 'on 2 photos of the test data' in said and '  torch, eager: median ' in said
    model = init_exported(out, unsafe=True)
    steps = model.cfg.test_pipeline
    assert [step['type'] for step in steps] == ['LoadImageFromFile', 'Resize', 'PackSegInputs']
    photo = np.random.default_rng(0).integers(0, 256, (75, 101, 3), dtype=np.uint8)
    assert inference_model(model, photo).pred_sem_seg.data.shape == (1, 75, 101)


def test_the_crf_is_done_behind_the_file(network, tmp_path, capsys):
    checkpoint, photos = network
    out, photo = tmp_path / 'crf.pt2', photos / 'im03.jpg'
    crf = dict(type='DenseCRF', iter_max=2)
    export.main([str(checkpoint), *options(out, '--images', str(photo), '--latency', '--cfg-options',
                                           f'model.test_cfg.crf={crf}')])
    said = capsys.readouterr().out
    assert 'NOT in the file: model.test_cfg.crf=' in said and '  torch, eager: median ' in said
    predict.main([str(photo), str(out), '--unsafe-load', '--out-dir', str(tmp_path / 'o')])
    given = masks(tmp_path / 'o')['im03_mask.png']
    cfg = init_model(None, str(checkpoint), 'cpu').cfg
    without = inference_model(init_model(cfg, str(checkpoint), 'cpu'), str(photo)).pred_sem_seg.data[0].numpy()
    cfg.model.test_cfg = dict(cfg.model.get('test_cfg') or {}, crf=crf)
    wanted = inference_model(init_model(cfg, str(checkpoint), 'cpu'), str(photo)).pred_sem_seg.data[0].numpy()
    assert (given == wanted).mean() > 0.999 > (given == without).mean()


def test_a_package_that_is_missing_is_said_before_any_work(tmp_path, capsys, monkeypatch):
    true_import = importlib.import_module

    def missing(name, *rest, **more):
        if name == 'onnxscript':
            raise ModuleNotFoundError(f"No module named '{name}'")
        return true_import(name, *rest, **more)

    monkeypatch.setattr(importlib, 'import_module', missing)
    said = error_of([tmp_path / 'none.pth', *options(tmp_path / 'a.onnx')], capsys)
    assert 'Install it: pip install onnx onnxscript onnxruntime' in said


@pytest.mark.parametrize('more, said', [
    (['--out', 'a.onnx', '--images', 'none.jpg'], 'No such image or folder: none.jpg'),
    (['--out', 'a.bin'], 'expected a name that ends with .onnx or .pt2.'),
    (['--out', 'a.onnx', '--format', 'torch-export'], 'ends with .pt2 (--format torch-export)'),
    (['--out', 'a.onnx', '--channel-order', 'bgr'], '--channel-order is read only with --with-preprocess'),
    (['--out', 'a.onnx', '--probabilities'], '--probabilities is read only with --with-postprocess'),
    (['--out', 'a.onnx', '--num-images', '0'], '--num-images: expected at least 1'),
    (['--out', 'a.onnx', '--size', '0', '5'], '--size: expected height and width in pixels'),
    (['--out', 'a.onnx', '--with-postprocess', '--cfg-options', *SLIDE], 'averaged outside of the file'),
    (['--out', 'a.onnx', '--size', '64', '64', '--cfg-options', *SLIDE], 'windows of crop_size=(40, 40)'),
    (['--out', 'a.onnx', '--size', '60', '64', '--cfg-options', 'model.data_preprocessor.test_cfg.size_divisor=32'],
     'Give --size 64 64.'),
    (['--out', 'a.onnx', '--with-preprocess', '--cfg-options', *SLIDE,
      'model.data_preprocessor.test_cfg.size_divisor=32'], 'the file holds one window'),
])
def test_what_is_refused(network, capsys, more, said):
    assert said in error_of([network[0], *more], capsys)


def test_what_acts_on_the_scores_is_told():
    model = EncoderDecoder(backbone=dict(type='ResNet', depth=18, base_channels=4, stem_channels=4, output_stride=16),
                           decode_head=dict(type='FCNHead', channels=4, num_classes=3, norm_cfg=dict(type='BN')),
                           data_preprocessor=dict(type='SegDataPreProcessor'))
    assert outside_of(model) == {}
    model.test_cfg['smoothing'] = dict(rounds=3)
    assert outside_of(model) == dict(smoothing=dict(rounds=3))

    for name in ('write_prediction', 'classes_of', 'refined_classes', 'probabilities'):
        model.__class__ = type('Smoothed', (EncoderDecoder,), {name: lambda self, *args: None})
        with pytest.raises(ConfigError, match=rf'Smoothed.{name}\(\) changes what comes out of the network'):
            plan_for(model)


def test_scales_that_only_a_fixed_size_can_have():
    from segkit.registry import MODELS
    model = MODELS.build(dict(
        type='MultiScaleEncoderDecoder', num_classes=3, scales=(0.7,), norm_cfg=dict(type='BN'),
        backbone=dict(type='ResNet', depth=18, base_channels=4, stem_channels=4, output_stride=16),
        decode_head=dict(type='DeepLabV2Head', dilations=(1, 3)), data_preprocessor=dict(type='SegDataPreProcessor')))
    with pytest.raises(ConfigError, match='--size H W'):
        plan_for(model)
    assert plan_for(model, size=(65, 65)).size == (65, 65)


def test_one_step_gives_the_photos_their_size():
    steps = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(2048, 512), keep_ratio=True),
             dict(type='LoadAnnotations'), dict(type='ResizeToMultiple', size_divisor=32), dict(type='PackSegInputs')]
    cfg = Config(dict(test_pipeline=steps))
    assert [step['type'] for step in pipeline_in_file(cfg, Plan(None, 33))] == [
        'LoadImageFromFile', 'Resize', 'ResizeToMultiple', 'PackSegInputs']
    fixed = pipeline_in_file(cfg, Plan((65, 97), 33, resizes=True))
    assert fixed == [steps[0], dict(type='Resize', scale=(97, 65), keep_ratio=False), steps[4]]


@pytest.mark.slow
def test_google_s_network_on_photos(data_pack, tmp_path, capsys):
    """DeepLabV3 MobileNetV2 with its published weights, whose test pads every photo to 513x513."""
    import subprocess
    from pathlib import Path
    tool = Path(__file__).parents[2] / 'tools/model_converters/import_weights.py'
    subprocess.run([sys.executable, str(tool), 'mobilenet-v2-pool',
                    str(data_pack / 'weights/deeplabv3_mnv2_pascal_trainval.pth'), str(tmp_path / 'google.pth')],
                   check=True, capture_output=True)
    export.main([str(tmp_path / 'google.pth'), *options(tmp_path / 'google.onnx', '--num-images', '2', '--images'),
                 str(data_pack / 'VOC2012/JPEGImages')])
    rows = [line for line in capsys.readouterr().out.splitlines() if 'network sees 513x513' in line]
    assert len(rows) == 4 and all('agreement 100' in row or 'agreement 99.9' in row for row in rows)
