"""test.py: scores, predictions, pictures, test-time augmentation."""
import json

import numpy as np
import pytest
from PIL import Image

from segkit.apis import test as tool
from segkit.apis.arguments import load
from segkit.errors import ConfigError


def test_scores_predictions_and_pictures(trained, tmp_path, capsys):
    config, checkpoint = trained
    capsys.readouterr()
    tool.main([str(config), str(checkpoint), '--work-dir', str(tmp_path / 'run'), '--out', str(tmp_path / 'out'),
               '--show-dir', str(tmp_path / 'show')])
    out = capsys.readouterr().out
    assert '| ground |' in out and 'protocol: 5 images' in out
    scores = json.loads((tmp_path / 'run/test/metrics.json').read_text())

    # The scores again, from the predictions that were written.
    confusion = np.zeros((3, 3), int)
    for name in (tmp_path / 'data/ImageSets/Segmentation/val.txt').read_text().split():
        label = np.array(Image.open(tmp_path / f'data/SegmentationClass/{name}.png'))
        prediction = Image.open(tmp_path / f'out/{name}.png')
        assert prediction.mode == 'P' and prediction.getpalette()[3:6] == [0, 200, 0]
        np.add.at(confusion, (label[label != 255], np.array(prediction)[label != 255]), 1)
    hits = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hits
    assert scores['mIoU'] == pytest.approx(100 * (hits / union).mean())
    assert scores['aAcc'] == pytest.approx(100 * hits.sum() / confusion.sum())
    assert len(list((tmp_path / 'show').rglob('*.png'))) == 5


def test_run_folder_of_the_training_is_left_alone(trained, tmp_path):
    config, checkpoint = trained
    before = {p: p.stat().st_mtime_ns for p in checkpoint.parent.iterdir() if p.name != 'test'}
    tool.main([str(config), str(checkpoint), '--work-dir', str(checkpoint.parent)])
    after = {p: p.stat().st_mtime_ns for p in checkpoint.parent.iterdir() if p.name != 'test'}
    assert after == before
    assert {p.name for p in (checkpoint.parent / 'test').iterdir()} >= {
        'config.py', 'environment.txt', 'test.log', 'metrics.json'}


def test_test_time_augmentation(trained, tmp_path, capsys):
    config, checkpoint = trained
    tool.main([str(config), str(checkpoint), '--work-dir', str(tmp_path / 'run'), '--tta'])
    out = capsys.readouterr().out
    assert 'test-time augmentation: flip' in out
    assert out.splitlines()[-1] == f'tables and pictures of the test: {tmp_path / "run/test_tta"}'
    assert (tmp_path / 'run/test_tta/metrics.json').exists() and not (tmp_path / 'run/test').exists()


def prepared(config, *argv):
    args = tool.parser().parse_args([str(config), 'x.pth', *argv])
    cfg = load(args)
    tool.prepare(cfg, args)
    return cfg


def test_validation_s_data_stand_in_for_the_test_s(tiny_config):
    cfg = prepared(tiny_config)
    assert cfg.test_dataloader.dataset.ann_file.endswith('val.txt')
    assert cfg.train_dataloader is None and cfg.load_from == 'x.pth'


def test_wrapped_dataset_gets_the_tta_pipeline(tiny_config):
    text = tiny_config.read_text()
    tiny_config.write_text(
        text + "test_dataloader = dict(val_dataloader, dataset=dict(type='RepeatDataset', times=1, "
        "dataset=val_dataloader['dataset']))\ntest_evaluator = val_evaluator\n")
    cfg = prepared(tiny_config, '--tta')
    assert cfg.test_dataloader.dataset.dataset.pipeline == cfg.tta_pipeline
    assert cfg.model.type == 'SegTTAModel' and cfg.model.module.type == 'EncoderDecoder'


@pytest.mark.parametrize('line, argv, message', [
    ('tta_model = None', ['--tta'], 'has no tta_model'),
    ('default_hooks = dict()', ['--show-dir', 'x'], 'default_hooks.visualization'),
    ('val_evaluator = None\nval_dataloader = None\nval_cfg = None', [], 'no test_dataloader'),
])
def test_config_that_lacks_what_is_asked_for(tiny_config, line, argv, message):
    tiny_config.write_text(tiny_config.read_text() + line + '\n')
    with pytest.raises(ConfigError, match=message):
        prepared(tiny_config, *argv)
