import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import torch.distributed as dist
from mmengine.config import Config

from segkit.apis import init_model
from segkit.checkpoint import load_file
from segkit.engine import class_weights
from segkit.errors import ConfigError, DataError

LOSS = '+model__decode_head__loss_decode'
MEDIAN = {LOSS: dict(type='CrossEntropyLoss', class_weight='median_freq')}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The user's cache, in this test's folder."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache/segkit/class_counts'


def training_masks(tmp_path):
    return [cv2.imread(str(tmp_path / f'data/SegmentationClass/im{i:02d}.png'), cv2.IMREAD_UNCHANGED) for i in range(7)]


def expected(tmp_path):
    """Median-frequency weights by brute force, from the definition."""
    masks, frequency = training_masks(tmp_path), []
    for c in range(3):
        having = [mask for mask in masks if (mask == c).any()]
        frequency.append(sum((m == c).sum() for m in having) / sum((m != 255).sum() for m in having))
    return [np.median(frequency) / one for one in frequency]


def test_weights_by_hand():
    # Eigen & Fergus: frequencies 0.5, 0.1, 0.2 -> median 0.2; the third class never occurs.
    counts = dict(classes='abcd', pixels=[50, 10, 0, 4], around=[100, 100, 0, 20], masks=2)
    assert class_weights.weights_of(counts, 'median_freq') == [0.4, 2, 1, 1]
    inverse = class_weights.weights_of(counts, 'inverse')
    assert inverse[2] == 1 and inverse[0] * 50 == pytest.approx(inverse[1] * 10, rel=1e-5)
    assert inverse[0] + inverse[1] + inverse[3] == pytest.approx(3, rel=1e-5)
    with pytest.raises(DataError, match='no pixel that is not void'):
        class_weights.weights_of(dict(counts, pixels=[0] * 4), 'inverse')


@pytest.mark.slow
def test_a_run_counts_says_caches_and_saves_the_numbers(run, tmp_path, cache, capsys):
    before = sorted((tmp_path / 'data').rglob('*'))
    runner = run(**MEDIAN, train_cfg__max_iters=2, train_cfg__val_interval=2)
    weights = runner.model.decode_head.loss_decode[0].class_weight
    torch.testing.assert_close(weights, torch.tensor(expected(tmp_path), dtype=torch.float32), rtol=1e-5, atol=0)
    said = capsys.readouterr().out
    assert "class_weight='median_freq' of model.decode_head.loss_decode: ground 0.115, green 1, red 2.101" in said
    assert 'counted 7 masks' in said and len(list(cache.iterdir())) == 1
    assert sorted((tmp_path / 'data').rglob('*')) == before
    runner.train()

    numbers = pytest.approx(weights.tolist(), rel=1e-5)
    assert runner.cfg.model.decode_head.loss_decode.class_weight == numbers
    configs = list((tmp_path / 'run').rglob('config.py'))  # the run folder's, and the visualizer's
    assert len(configs) == 2 and not any('median_freq' in config.read_text() for config in configs)
    checkpoint = tmp_path / 'run/iter_2.pth'
    stored = json.loads(load_file(checkpoint)['meta']['config_json'])
    assert stored['model']['decode_head']['loss_decode']['class_weight'] == numbers
    assert init_model(checkpoint, device='cpu').decode_head.loss_decode[0].class_weight.tolist() == numbers

    run('again', **MEDIAN)
    assert 'counted before' in capsys.readouterr().out
    next(cache.iterdir()).write_text('{"classes": [')  # cut short
    again = run('third', **MEDIAN)
    assert 'counted 7 masks' in capsys.readouterr().out
    assert torch.equal(again.model.decode_head.loss_decode[0].class_weight, weights)


def test_both_words_and_several_losses(run, capsys):
    losses = [dict(type='OhemCrossEntropy', class_weight='inverse'),
              dict(type='TverskyLoss', class_weight='median_freq'),
              dict(type='LovaszLoss', class_weight=[1., 2., 3.]), dict(type='FocalLoss', class_weight='inverse')]
    model = run(**{LOSS: losses}).model
    inverse, median, given, same = (loss.class_weight for loss in model.decode_head.loss_decode)
    assert inverse.mean().item() == pytest.approx(1, rel=1e-5) and median.median().item() == 1
    assert given.tolist() == [1, 2, 3] and torch.equal(inverse, same)
    assert 'loss_decode.0, model.decode_head.loss_decode.3: ground' in capsys.readouterr().out


def test_a_class_that_never_occurs_is_said(run, tmp_path, capsys):
    for i, mask in enumerate(training_masks(tmp_path)):
        mask[mask == 2] = 1
        cv2.imwrite(str(tmp_path / f'data/SegmentationClass/im{i:02d}.png'), mask)
    model = run(**MEDIAN).model
    assert model.decode_head.loss_decode[0].class_weight[2] == 1
    assert 'warning: class_weight: no training mask has a pixel of red; its weight is 1' in capsys.readouterr().out


def test_a_cache_that_cannot_be_written_is_only_said(run, tmp_path, capsys):
    (tmp_path / 'cache').write_text('a file')
    assert run(**MEDIAN).model.decode_head.loss_decode[0].class_weight is not None
    assert 'not kept' in capsys.readouterr().out


def test_a_user_without_a_home_folder_trains_too(run, monkeypatch, capsys):
    for name in ('HOME', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr('os.path.expanduser', lambda path: path)  # as it does for an unknown user id
    assert run(**MEDIAN).model.decode_head.loss_decode[0].class_weight is not None
    assert 'not kept: this user has no home folder; XDG_CACHE_HOME' in capsys.readouterr().out


def test_what_does_not_train_builds_without_counting(run, tiny_config, cache):
    tiny_config.write_text(tiny_config.read_text() + """
model['decode_head']['loss_decode'] = dict(type='CrossEntropyLoss', class_weight='inverse')
""")
    assert init_model(tiny_config, device='cpu').decode_head.loss_decode[0].class_weight is None
    runner = run(**MEDIAN, train_dataloader=None, train_cfg=None, optim_wrapper=None, param_scheduler=None)
    assert runner.model.decode_head.loss_decode[0].class_weight is None and not cache.exists()


def test_one_channel_wants_one_number(run):
    loss = dict(type='CrossEntropyLoss', use_sigmoid=True, class_weight='inverse')
    with pytest.raises(ConfigError, match='has out_channels=1(.|\n)*class_weight=\\[n\\]'):
        class_weights.without(dict(decode_head=dict(out_channels=1, loss_decode=[loss])))


def test_progress_tells_the_time_left(monkeypatch):
    class Runner:
        terminal, lines = False, []
        console = logger = property(lambda self: self)
        info = lines.append
    clock = iter([0., 0., 12., 13., 40.])
    monkeypatch.setattr(class_weights.time, 'time', lambda: next(clock))
    beats = []
    progress = class_weights._Progress(Runner(), lambda: beats.append(1))
    for done in (0, 100, 110, 400):
        progress(done, 400)
    assert Runner.lines == ['class weights: 100/400 masks counted, 0:36 (min:s) left'] and len(beats) == 4


def test_weights_that_are_not_those_of_the_run_so_far_are_said():
    def model(weights):
        loss = dict(type='OhemCrossEntropy', class_weight=weights)
        return dict(type='EncoderDecoder', decode_head=dict(loss_decode=[loss]))

    said = []
    runner = SimpleNamespace(cfg=Config(dict(model=model([1.0, 2.0]))), logger=SimpleNamespace(warning=said.append))
    for before in ([1.0, 2.0], [1.0, 2.00001]):
        class_weights.compare(runner, dict(config_json=json.dumps(dict(model=model(before)))))
    class_weights.compare(runner, dict(cfg='of another program'))
    assert said == []
    class_weights.compare(runner, dict(config_json=json.dumps(dict(model=model([1.0, 3.0])))))
    assert said == ['model.decode_head.loss_decode.0.class_weight was [1, 3] when the checkpoint was saved, and is '
                    '[1, 2] now: the loss changes from here on.']


def _in_one_process(rank, folder):
    dist.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2)
    class_weights.BEAT_SECONDS = 0

    def count(beat):
        assert rank == 0
        beat(), beat()
        return dict(pixels=[4, 2])

    def fail(beat):
        raise DataError('mask.png is damaged')

    said = [repr(class_weights._by_one_process(count))]
    try:
        class_weights._by_one_process(fail)
    except DataError as error:
        said.append(str(error))
    (folder / f'said{rank}').write_text('\n'.join(said))
    dist.destroy_process_group()


@pytest.mark.slow
def test_one_process_counts_and_the_others_get_its_counts_or_its_error(in_processes, tmp_path):
    in_processes(_in_one_process, tmp_path)
    said = [(tmp_path / f'said{rank}').read_text().splitlines() for rank in range(2)]
    assert said == [["{'pixels': [4, 2]}", 'mask.png is damaged']] * 2
