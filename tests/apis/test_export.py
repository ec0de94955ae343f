"""export.py: a file that is proven, holds what belongs to it, and predicts as the checkpoint does."""
import json

import numpy as np
import pytest
from PIL import Image

from segkit.apis import export, import_weights, inference_model, init_model, predict
from segkit.apis.cli import run
from segkit.apis.exported_model import init_exported

SLIDE = ['model.test_cfg.mode=slide', 'model.test_cfg.crop_size=(40,40)', 'model.test_cfg.stride=(30,31)']


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
    assert max(float(row.split(' differ by ')[1].split()[0]) for row in rows) < 1e-2  # the scores
    assert all('of the classes in the file ' in row for row in rows[:-1])
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
    assert 'DenseCRF(iter_max=2' in capsys.readouterr().out
    assert 'DenseCRF(iter_max=2' in json.loads((tmp_path / 'o/im03.json').read_text())['crf']
    given = masks(tmp_path / 'o')['im03_mask.png']
    cfg = init_model(None, str(checkpoint), 'cpu').cfg
    without = inference_model(init_model(cfg, str(checkpoint), 'cpu'), str(photo)).pred_sem_seg.data[0].numpy()
    cfg.model.test_cfg = dict(cfg.model.get('test_cfg') or {}, crf=crf)
    wanted = inference_model(init_model(cfg, str(checkpoint), 'cpu'), str(photo)).pred_sem_seg.data[0].numpy()
    assert (given == wanted).mean() > 0.999 > (given == without).mean()


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


def test_what_is_replaced_is_said(network, tmp_path, capsys):
    checkpoint, photos = network
    line = [str(checkpoint), *options(tmp_path / 'a.pt2', '--size', '48', '64', '--images', str(photos / 'im01.jpg'))]
    for there in (False, True):
        export.main(line)
        assert (f'replaces the {tmp_path / "a.pt2"} that was there' in capsys.readouterr().out) == there


@pytest.mark.slow
def test_google_s_network_on_a_photo(data_pack, tmp_path, capsys):
    """DeepLabV3 MobileNetV2 with its published weights, whose test pads every photo to 513x513."""
    import_weights.main(['mobilenet-v2-pool', str(data_pack / 'weights/deeplabv3_mnv2_pascal_trainval.pth'),
                         str(tmp_path / 'google.pth')])
    export.main([str(tmp_path / 'google.pth'), *options(tmp_path / 'google.onnx', '--num-images', '1', '--images'),
                 str(data_pack / 'VOC2012/JPEGImages')])
    rows = [line for line in capsys.readouterr().out.splitlines() if 'network sees 513x513' in line]
    assert len(rows) == 1 + 2  # and two parts of it
    # Its scores reach from -6 to 40; 1e-3 of that is allowed.
    assert max(float(row.split(' differ by ')[1].split()[0]) for row in rows) < 1e-2
