"""A file in the place of a checkpoint: the same predictions, and what it does not take is refused."""
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from segkit.apis import MMSegInferencer, export, inference_model, init_model, predict
from segkit.apis.exported_model import init_exported
from segkit.errors import CheckpointError, ConfigError, DataError


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


def test_a_config_or_override_beside_the_file_is_refused(trained_once, exported, tmp_path):
    photo, rest = str(trained_once[0].parent / 'data/JPEGImages/im00.jpg'), ['--out-dir', str(tmp_path / 'o')]
    for words in ([str(trained_once[0]), str(exported[0])], [str(exported[0]), '--cfg-options', 'a=1']):
        with pytest.raises(ConfigError, match='holds its network and how images are prepared'):
            predict.main([photo, *words, *rest])


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
    out, slide = tmp_path / 'w.pt2', dict(mode='slide', crop_size=(40, 40), stride=(30, 31))
    overrides = [f'model.test_cfg.{key}={value}' for key, value in slide.items()]
    export.main([str(checkpoint), '--out', str(out), '--images', str(photos), '--num-images', '2',
                 '--cfg-options', *overrides])
    said = capsys.readouterr().out
    assert 'images: 40x40 pixels (h, w), one at a time' in said and 'is done by predict.py, not by the file' in said
    with pytest.raises(CheckpointError, match='--unsafe-load'):
        init_exported(out)
    cfg = init_model(None, str(checkpoint), 'cpu').cfg
    cfg.model.test_cfg.update(slide)
    model = init_model(cfg, str(checkpoint), 'cpu')
    photo = np.random.default_rng(0).integers(0, 256, (75, 101, 3), dtype=np.uint8)
    wanted, given = inference_model(model, photo), inference_model(init_exported(out, unsafe=True), photo)
    torch.testing.assert_close(given.seg_logits.data, wanted.seg_logits.data, rtol=1e-3, atol=1e-3)
    Image.fromarray(photo[:30]).save(tmp_path / 'low.png')
    with pytest.raises(ConfigError, match='No image has a size that the file takes'):
        export.main([str(checkpoint), '--out', str(out), '--cfg-options', *overrides, '--images',
                     str(tmp_path / 'low.png')])
    with pytest.raises(ConfigError, match='takes images of 40x40 pixels .* here they are 30x40'):
        inference_model(init_exported(out, unsafe=True), photo[:30, :48])


def test_bytes_are_not_made_of_other_numbers(exported):
    model = init_exported(exported[0], 'cpu')
    photo = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 60, 60)))
    wanted = model.test_step(dict(inputs=[photo.to(torch.uint8)]))[0].seg_logits.data
    assert torch.equal(model.test_step(dict(inputs=[photo.float()]))[0].seg_logits.data, wanted)
    for other, said in ((photo.float() + 0.25, ', fractions'), (photo.float() * 257, 'to 65'),
                        (photo - 1., 'from -1 to'), (photo * float('nan'), 'from nan')):
        with pytest.raises(DataError, match='takes bytes, whole numbers from 0 to 255; here .*' + said):
            model.test_step(dict(inputs=[other]))
