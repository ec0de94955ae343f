"""publish_model.py: what is kept, what goes, the name, and that it predicts the same."""
import hashlib
import json
import re

import pytest
import torch

from segkit.apis import publish_model, train
from segkit.apis import test as test_tool
from segkit.apis.cli import run
from segkit.apis.inference import init_model
from segkit.checkpoint import load_file, verify, write_atomic
from segkit.errors import CheckpointError, ConfigError


def publish(source, target, *options):
    publish_model.main([str(source), str(target), *options])
    found = sorted(target.parent.glob(f'{target.stem}-*.pth'))
    assert len(found) == 1
    return found[0]


def test_a_run_s_checkpoint(trained_once, tmp_path, capsys):
    _, checkpoint = trained_once
    capsys.readouterr()
    file = publish(checkpoint, tmp_path / 'out' / 'net.pth')
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert file.name == f'net-{digest[:8]}.pth'
    verify(file)
    assert sorted(p.name for p in file.parent.iterdir()) == [file.name, f'{file.name}.sha256']
    old, new = load_file(checkpoint), load_file(file)
    assert set(new) == {'meta', 'state_dict'} and {'optimizer', 'message_hub'} <= set(old)
    assert all(torch.equal(old['state_dict'][k], v) for k, v in new['state_dict'].items())
    assert set(old['state_dict']) == set(new['state_dict'])
    assert not {'seed', 'time', 'experiment_name', 'cfg'} & set(new['meta'])
    assert not set(publish_model.OF_ONE_MACHINE) & set(json.loads(new['meta']['config_json']))
    model = init_model(str(file), device='cpu')
    assert model.dataset_meta['classes'] == ('ground', 'green', 'red')
    out = capsys.readouterr().out
    sizes = re.search(r'([\d.]+) MB -> ([\d.]+) MB; left out: (.*)', out)
    assert float(sizes[2]) == pytest.approx(file.stat().st_size / 1e6, abs=0.06)
    assert float(sizes[1]) == pytest.approx(checkpoint.stat().st_size / 1e6, abs=0.06)
    assert 'optimizer' in sizes[3] and 'largest difference of its scores on a random image of 97x129 pixels: 0' in out


def test_the_published_file_is_tested_as_the_run_s(trained_once, tmp_path, capsys):
    _, checkpoint = trained_once
    file, tables = publish(checkpoint, tmp_path / 'net'), []
    for source in (checkpoint, file):
        capsys.readouterr()
        test_tool.main([str(source), '--work-dir', str(tmp_path / 'tested')])
        tables.append([line for line in capsys.readouterr().out.splitlines() if line.startswith('|')])
    assert tables[0] == tables[1] and len(tables[0]) > 4


def test_publishing_again_gives_the_same_file(trained_once, tmp_path):
    first = publish(trained_once[1], tmp_path / 'a.pth')
    assert publish(first, tmp_path / 'b.pth').read_bytes() == first.read_bytes()


@pytest.mark.slow
def test_weights_of_a_run_that_averages_are_the_average(tiny_config, tmp_path):
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'run'), '--cfg-options', 'train_cfg.max_iters=3',
                "custom_hooks=[dict(type='EMAHook', momentum=0.3)]"])
    old = load_file(tmp_path / 'run/iter_3.pth')
    new = load_file(publish(tmp_path / 'run/iter_3.pth', tmp_path / 'net.pth'))
    key = 'decode_head.conv_seg.weight'
    assert torch.equal(new['state_dict'][key], old['state_dict'][key])
    assert not torch.equal(new['state_dict'][key], old['ema_state_dict'][f'module.{key}'])
    assert 'ema_state_dict' not in new


def test_a_file_of_mmsegmentation_s_form(trained_once, tmp_path, capsys):
    config, checkpoint = trained_once
    content = load_file(checkpoint)
    meta = dict(CLASSES=('ground', 'green', 'red'), PALETTE=[[0, 0, 0]] * 3, cfg='model = 1', env_info='a machine')
    write_atomic(dict(meta=meta, state_dict=content['state_dict'], optimizer={}), tmp_path / 'old.pth')
    plain = load_file(publish(tmp_path / 'old.pth', tmp_path / 'plain.pth'))['meta']
    assert plain['cfg'] == 'model = 1' and plain['CLASSES'] == meta['CLASSES'] and 'env_info' not in plain
    assert 'its prediction was not tried' in capsys.readouterr().out
    file = publish(tmp_path / 'old.pth', tmp_path / 'whole.pth', '--config', str(config))
    assert 'largest difference' in capsys.readouterr().out
    assert init_model(str(file), device='cpu').dataset_meta['classes'] == meta['CLASSES']


def test_only_what_a_view_shows_is_written(trained_once, tmp_path):
    content = load_file(trained_once[1])
    whole = torch.zeros(10_000_000)
    key = 'decode_head.conv_seg.bias'
    whole[:3] = content['state_dict'][key]
    content['state_dict'][key] = whole[:3]
    write_atomic(content, tmp_path / 'view.pth')
    file = publish(tmp_path / 'view.pth', tmp_path / 'net.pth')
    assert (tmp_path / 'view.pth').stat().st_size > 40e6 > 10 * file.stat().st_size


def test_a_difference_publishes_nothing(trained_once, tmp_path, monkeypatch):
    original = publish_model.published

    def wrong(*args):
        result = original(*args)
        result['state_dict']['decode_head.conv_seg.bias'] += 1e-7
        return result
    monkeypatch.setattr(publish_model, 'published', wrong)
    with pytest.raises(CheckpointError, match='conv_seg.bias'):
        publish_model.main([str(trained_once[1]), str(tmp_path / 'out/net.pth')])
    assert not list((tmp_path / 'out').iterdir())


def test_another_config_is_found_out(trained_once, tmp_path, monkeypatch):
    original = publish_model.published

    def wrong(*args):
        result = original(*args)
        values = json.loads(result['meta']['config_json'])
        values['model']['data_preprocessor']['mean'] = [121.0] * 3
        result['meta']['config_json'] = json.dumps(values)
        return result
    monkeypatch.setattr(publish_model, 'published', wrong)
    with pytest.raises(CheckpointError, match='does not predict as'):
        publish_model.main([str(trained_once[1]), str(tmp_path / 'net.pth')])
    assert not list(tmp_path.glob('net*'))


def test_mistakes(trained_once, tmp_path, capsys):
    config, checkpoint = trained_once
    with pytest.raises(ConfigError, match='expected the name of a new checkpoint'):
        publish_model.main([str(checkpoint), str(tmp_path / 'x.onnx')])
    content = load_file(checkpoint)
    content['state_dict']['decode_head.conv_seg.bias'][1] = float('nan')
    write_atomic(content, tmp_path / 'nan.pth')
    with pytest.raises(CheckpointError, match='1 weights are not finite .* decode_head.conv_seg.bias'):
        publish_model.main([str(tmp_path / 'nan.pth'), str(tmp_path / 'x.pth')])
    with pytest.raises(SystemExit) as left:
        run(publish_model.main, [str(checkpoint.parent), str(tmp_path / 'x.pth')])
    assert left.value.code == 2 and 'is a folder' in capsys.readouterr().err
