"""test_modes.py: each row is what test.py gives for that mode, and each view is predicted once."""
import json

import pytest
import torch

from segkit.apis import test as test_tool
from segkit.apis import test_modes as tool
from segkit.apis.cli import run
from segkit.models.backbones.resnet import ResNet

TTA = """
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='Resize', scale_factor=r, keep_ratio=True) for r in SCALES],
        [dict(type='RandomFlip', prob=p, direction='horizontal') for p in FLIPS],
        [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]])]
model['test_cfg'] = dict(mode='whole', output_stride=8)
val_dataloader['batch_size'] = BATCH
tta_model = dict(type='SegTTAModel', fusion='FUSION')
"""


def file_of(config, name, scales=(0.5, 1.0, 1.5), flips=(0.0, 1.0), batch=1, fusion='prob', more=''):
    path = config.with_name(f'{name}.py')
    text = TTA.replace('SCALES', repr(scales)).replace('FLIPS', repr(flips)).replace('BATCH', str(batch))
    path.write_text(config.read_text() + text.replace('FUSION', fusion) + more)
    return path


@pytest.fixture(scope='module')
def telling(trained_once):
    """(config file, checkpoint) of a network that predicts all classes, so that modes differ."""
    config, checkpoint = trained_once
    content = torch.load(checkpoint, weights_only=False)
    weights, generator = content['state_dict'], torch.Generator().manual_seed(0)
    for key in ('decode_head.conv_seg.weight', 'decode_head.conv_seg.bias'):
        weights[key] = torch.randn(weights[key].shape, generator=generator) * ('weight' in key)
    path = checkpoint.with_name('telling.pth')
    torch.save(content, path)
    return config, path


def scores_of_test(config, checkpoint, folder, *flags):
    test_tool.main([str(config), str(checkpoint), '--work-dir', str(folder), *flags])
    name = 'test_tta' if '--tta' in flags else 'test'
    return json.loads((folder / name / 'metrics.json').read_text())


def rows_of(config, checkpoint, folder, *flags):
    tool.main([str(config), str(checkpoint), '--out-dir', str(folder), '--device', 'cpu', *flags])
    return json.loads((folder / 'test_modes.json').read_text())


@pytest.mark.parametrize('batch, fusion', [(1, 'prob'), (2, 'logit')])
def test_each_row_is_what_test_py_gives(telling, tmp_path, capsys, monkeypatch, batch, fusion):
    tiny, checkpoint = telling
    both = file_of(tiny, f'both{batch}', batch=batch, fusion=fusion)
    upright = file_of(tiny, f'upright{batch}', flips=(0.0,), batch=batch, fusion=fusion)
    stride = ['--cfg-options', 'model.test_cfg.output_stride=16']
    wanted = [scores_of_test(both, checkpoint, tmp_path / 'a', *stride),
              scores_of_test(both, checkpoint, tmp_path / 'b'),
              scores_of_test(upright, checkpoint, tmp_path / 'c', '--tta'),
              scores_of_test(both, checkpoint, tmp_path / 'd', '--tta')]
    runs = []
    forward = ResNet.forward
    monkeypatch.setattr(ResNet, 'forward', lambda self, img: runs.append(self.output_stride) or forward(self, img))
    capsys.readouterr()
    facts = rows_of(both, checkpoint, tmp_path / 'out')
    assert [row['mode'] for row in facts['modes']] == ['OS16', 'OS8', 'OS8 + MS', 'OS8 + MS + flip']
    for row, scores in zip(facts['modes'], wanted, strict=True):
        assert {key: row[key] for key in tool.SCORES} == {key: scores[key] for key in tool.SCORES}
        assert row['seconds_per_image'] > 0
    assert len({row['aAcc'] for row in facts['modes']}) == 4  # else one could stand for another
    assert [row['views'] for row in facts['modes']] == [1, 1, 3, 6]
    assert facts['fusion'] == fusion and facts['scales'] == [0.5, 1.0, 1.5] and facts['images'] == 5
    # One view at stride 16; at 8 six, of which that of scale 1 is the test pipeline's own.
    batches = -(-5 // batch)
    assert runs.count(16) == batches and runs.count(8) == 6 * batches
    out = capsys.readouterr().out
    assert 'left 0:00' in out and out.count('| OS8 ') == 3 and 'MS: 0.5, 1.0, 1.5' in out and '| ground |' not in out
    page = (tmp_path / 'out/test_modes.md').read_text()
    last = facts['modes'][-1]
    assert f"| OS8 + MS + flip | 6 | {last['mIoU']:.2f} | {last['mAcc']:.2f} | {last['aAcc']:.2f} |" in page


def test_a_resized_test_pipeline_shares_nothing_and_scales_can_be_given(telling, tmp_path, monkeypatch):
    tiny, checkpoint = telling
    resized = file_of(tiny, 'resized', more="val_dataloader['dataset']['pipeline'].insert(1, "
                      "dict(type='Resize', scale_factor=1.5))\n"
                      "val_dataloader['dataset']['pipeline'].insert(3, dict(type='LoadAnnotations'))\n"
                      "del val_dataloader['dataset']['pipeline'][2]\n")
    given = file_of(tiny, 'given', scales=(0.75, 1.25), flips=(0.0,))
    runs = []
    forward = ResNet.forward
    monkeypatch.setattr(ResNet, 'forward', lambda self, img: runs.append(self.output_stride) or forward(self, img))
    facts = rows_of(resized, checkpoint, tmp_path / 'out', '--output-strides', '8', '16', '--scales', '0.75', '1.25')
    assert [row['mode'] for row in facts['modes']] == ['OS8', 'OS16', 'OS16 + MS', 'OS16 + MS + flip']
    assert runs.count(8) == 5 and runs.count(16) == 5 * (1 + 4)
    single = scores_of_test(resized, checkpoint, tmp_path / 'a', '--cfg-options', 'model.test_cfg.output_stride=16')
    several = scores_of_test(given, checkpoint, tmp_path / 'b', '--tta', '--cfg-options',
                             'model.test_cfg.output_stride=16')
    for row, scores in ((facts['modes'][1], single), (facts['modes'][2], several)):
        assert {key: row[key] for key in tool.SCORES} == {key: scores[key] for key in tool.SCORES}


def test_flips_alone_and_neither(trained_once, tmp_path, capsys):
    tiny, checkpoint = trained_once  # its tta_pipeline has no scales
    assert [row['mode'] for row in rows_of(tiny, checkpoint, tmp_path / 'a')['modes']] == ['OS16', 'OS16 + flip']
    none = tiny.with_name('none.py')
    none.write_text(tiny.read_text() + 'tta_pipeline = None\n')
    facts = rows_of(none, checkpoint, tmp_path / 'b', '--cfg-options', 'model.test_cfg.output_stride=8')
    assert [row['mode'] for row in facts['modes']] == ['OS16', 'OS8'] and facts['fusion'] is None
    assert 'no tta_pipeline' in capsys.readouterr().out
    modes = rows_of(none, checkpoint, tmp_path / 'c', '--scales', '1', '2')['modes']
    assert [row['mode'] for row in modes] == ['OS16', 'OS16 + MS', 'OS16 + MS + flip']


@pytest.mark.parametrize('flags, more, words', [
    (['--output-strides', '12'], '', ['output_stride is 12', '8, 16 or 32']),
    (['--output-strides', '16', '8'],
     "model['decode_head']['dilations'] = (1, 6, 12, 18)\nmodel['test_cfg'] = dict()\n",
     ['model.test_cfg.output_stride=8', 'model.test_cfg.dilations']),
    (['--scales', '0'], '', ['--scales', 'above 0']),
    (['--cfg-options', 'train_dataloader.batch_size=3'], '', ['part of training']),
    ([], "val_evaluator = dict(type='IoUMetric', format_only=True, output_dir='x')\n", ['test_evaluator', 'IoUMetric']),
    ([], "tta_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]\n",
     ['tta_pipeline', 'TestTimeAug']),
    ([], "tta_model = dict(type='mmengine.BaseTTAModel')\n", ['tta_model.type', 'SegTTAModel']),
    ([], 'val_evaluator = None\nval_dataloader = None\nval_cfg = None\n', ['no test_dataloader']),
    (['--device', 'cuda:7'], '', ['cuda:7']),
])
def test_mistakes_are_told_in_four_lines(trained_once, tmp_path, capsys, flags, more, words):
    tiny, checkpoint = trained_once
    config = file_of(tiny, 'wrong', more=more)
    with pytest.raises(SystemExit) as left:
        run(tool.main, [str(config), str(checkpoint), '--out-dir', str(tmp_path / 'out'), *flags])
    err = capsys.readouterr().err
    assert left.value.code == 2 and 'Traceback' not in err and len(err.strip().splitlines()) <= 4
    assert all(word in err for word in words), err
    assert not (tmp_path / 'out').exists()


def test_checkpoints_that_cannot_be(trained_once, tmp_path, capsys):
    tiny, checkpoint = trained_once
    for wrong, words in ((checkpoint.parent, 'is a folder'), (tmp_path / 'no.pth', 'no.pth')):
        with pytest.raises(SystemExit):
            run(tool.main, [str(tiny), str(wrong), '--out-dir', str(tmp_path / 'out')])
        assert words in capsys.readouterr().err
