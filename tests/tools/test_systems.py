"""tools/benchmarks/systems.py: its table, the cards, what it looks at, and that it sees what is wrong."""
import json
import math
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Optional

import pytest
import torch
from torch import nn

from segkit.config import load_config
from segkit.errors import ConfigError
from segkit.registry import DATASETS, MODELS

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/benchmarks/systems.py'
sys.path.insert(0, str(ROOT / 'tools/benchmarks'))
from systems import card, data, overfit, reduce, report  # noqa: E402
from systems.facts import BY_NAME, FOLDERS, SYSTEMS  # noqa: E402
from systems.watch import entropy  # noqa: E402

CONFIGS = ROOT / 'configs'
TRAINED = [system for system in SYSTEMS if system.recipe is not None]


def named(system):
    return system.name


def test_every_config_of_a_system_is_in_the_table_and_the_other_way_round():
    there = {str(path.relative_to(CONFIGS)) for folder in FOLDERS for path in (CONFIGS / folder).glob('*.py')}
    table = {system.config for system in SYSTEMS}
    assert there <= table and all((CONFIGS / name).is_file() for name in table)
    assert {name.split('/')[0] for name in table} == {*FOLDERS, 'mobilenet_v2'}
    assert len(BY_NAME) == len(SYSTEMS) == len(table)


@pytest.mark.parametrize('system', SYSTEMS, ids=named)
def test_parameters(system):
    with torch.device('meta'):
        model = MODELS.build(load_config(system.path).model)
    assert sum(value.numel() for value in model.parameters()) == system.parameters
    if system.recipe is not None:
        frozen = sum(value.numel() for value in model.parameters() if not value.requires_grad)
        assert frozen == system.frozen


def test_a_phase_stands_behind_the_one_it_starts_from():
    names = [system.name for system in SYSTEMS]
    chained = [system for system in SYSTEMS if system.after]
    assert len(chained) == 4
    for system in chained:
        assert names.index(system.after) < names.index(system.name)
        assert load_config(system.path).load_from == f'work_dirs/{BY_NAME[system.after].stem}'


@pytest.mark.parametrize('name, parameter, step, steps, rate, decay', [
    ('paper-1', 'backbone.conv1.weight', 15000, 30000, 3.751207e-3, 1e-4),
    ('paper-1', 'backbone.conv1.weight', 29999, 30000, 6.541674e-7, 1e-4),
    ('deeplabv2', 'backbone.conv1.weight', 10000, 20000, 1.339717e-4, 5e-4),
    ('deeplabv2', 'decode_head.conv_seg.3.weight', 10000, 20000, 1.339717e-3, 5e-4),
    ('deeplabv2', 'decode_head.conv_seg.3.bias', 10000, 20000, 2.679434e-3, 0),
    ('gluoncv-1', 'auxiliary_head.conv_seg.bias', 0, 20, 0.1, 1e-4),
    ('gluoncv-3', 'backbone.stem.0.weight', 19, 20, 0, 1e-4),
    ('pspnet-toolbox', 'decode_head.conv_seg.weight', 20000, 40000, 5.358867e-3, 5e-4),
])
def test_rates_are_the_published_ones(name, parameter, step, steps, rate, decay):
    recipe = BY_NAME[name].recipe
    assert recipe.rate(parameter, step, steps) == pytest.approx(rate, rel=1e-6)
    assert recipe.decay_of(parameter) == decay


def test_weights_of_convolutions_alone_decay_in_slim():
    system = BY_NAME['deeplabv3-tf']
    with torch.device('meta'):
        model = MODELS.build(load_config(system.path).model)
    convolutions = {f'{name}.weight' for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    assert convolutions == {name for name, _ in model.named_parameters() if system.recipe.decay_of(name) > 0}


def write(path: Path, fields: dict[str, str]) -> Path:
    lines = ['"""A system.', '', 'Protocol:', *(f'    {key}: {value}' for key, value in fields.items()), '',
             'Command: tools/train.py configs/a.py', 'Score here: 83.6 %,', '    on 8 photos.', '"""', 'model = dict()']
    path.write_text('\n'.join(lines) + '\n')
    return path


def test_card(tmp_path):
    fields = {field: f'about {field}' for field in card.FIELDS}
    fields['Resize'] = 'one\n        two: three'
    path = write(tmp_path / 'a.py', fields)
    assert card.card_of(path) == {**fields, 'Resize': 'one two: three'}
    assert card.title_of(path) == 'A system' and card.command_of(path) == 'tools/train.py configs/a.py'
    assert card.score_of(path) == '83.6 %, on 8 photos.'


@pytest.mark.parametrize('change, words', [
    (lambda fields: fields.pop('Batch'), 'says nothing of: Batch'),
    (lambda fields: fields.update(Batch=''), 'says nothing of: Batch'),
    (lambda fields: fields.update(Bath='16'), "has a field 'Bath'"),
    (lambda fields: fields.update(Batch='16\n    Batch: 8'), "has twice 'Batch'"),
    (lambda fields: fields.update(Batch='16\n  or 8'), "cannot be read at 'or 8'"),
])
def test_a_card_that_is_not_whole_is_refused(tmp_path, change, words):
    fields = {field: 'x' for field in card.FIELDS}
    change(fields)
    with pytest.raises(ConfigError, match=re.escape(words)):
        card.card_of(write(tmp_path / 'a.py', fields))


def test_a_config_without_card_is_refused():
    with pytest.raises(ConfigError, match='has no protocol card'):
        card.card_of(CONFIGS / 'deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py')


def test_the_page_has_the_cards_of_today():
    page = (ROOT / 'docs/systems.md').read_text()
    assert report.section(page, report.CARDS) == report.cards()
    for system in SYSTEMS:
        row = re.search(rf'^\| \[`{re.escape(system.stem)}`\].*$', page, re.M)
        assert row and f'| {system.parameters:,} |' in row[0] and 'fault' not in row[0] and 'failed' not in row[0]


def test_section():
    page = '# A\n\n## B\nb\n### C\nc\n## D\nd\n'
    assert report.section(page, '## B') == '## B\nb\n### C\nc' and report.section(page, '## D') == '## D\nd'
    with pytest.raises(ConfigError, match="no section '## E'"):
        report.section(page, '## E')


def test_what_is_reduced():
    cfg = reduce.reduced(load_config(BY_NAME['deeplabv3-toolbox'].path), 20, True)
    assert cfg.model.test_cfg.crop_size == (97, 97) and cfg.model.test_cfg.stride == (65, 65)
    assert cfg.model.decode_head.loss_decode.min_kept == round(200000 * 97**2 / 769**2)
    assert cfg.param_scheduler[0].end == 21 and cfg.train_cfg.max_iters == 20
    assert cfg.train_dataloader.dataset.pipeline[2].ratio_range == (0.7, 2.1)

    cfg = reduce.reduced(load_config(BY_NAME['gluoncv-3'].path), 20, False)
    steps = {step.type: step for step in cfg.train_dataloader.dataset.pipeline}
    assert steps['Pad'].size == steps['RandomCrop'].crop_size == (96, 96) == cfg.model.data_preprocessor.size
    assert steps['RandomResize'].scale == (104, 104)
    assert 'end' not in cfg.param_scheduler[0] and 'test_cfg' not in cfg.model.data_preprocessor
    views = reduce.with_views(cfg).tta_pipeline[1].transforms[0]
    assert [step.scale for step in views] == [(s, s) for s in (65, 98, 130, 162, 195, 228)]

    cfg = reduce.reduced(load_config(BY_NAME['paper-2'].path), 20, False)
    scale = next(step for step in cfg.train_dataloader.dataset.pipeline if step.type == 'RandomScale')
    assert scale.ratio_range == pytest.approx((0.5 * 97 / 513, 2 * 97 / 513))
    assert scale.step == pytest.approx(0.25 * 97 / 513)
    assert cfg.model.data_preprocessor.test_cfg.size == (513, 513)
    assert reduce.with_views(cfg).model.data_preprocessor.test_cfg.size == (129, 129)


def look_at_data(pack: Optional[Path]) -> None:
    """Build each trained system's data sets in this folder, and count the labelled pixels of those of each kind."""
    data.prepare(Path('.'), pack)
    seen = set()
    for system in TRAINED:
        cfg = reduce.reduced(load_config(system.path), 20, system.data == 'cityscapes' or pack is None)
        train, val = (DATASETS.build(cfg[f'{name}_dataloader'].dataset) for name in ('train', 'val'))
        assert len(train) >= 8 and len(val) == reduce.PHOTOS
        sides = train[0]['data_samples'].gt_sem_seg.shape  # a small draw is padded later, by the preprocessor
        assert max(sides) <= cfg.model.data_preprocessor.size[0]
        if system.data in seen:
            continue
        seen.add(system.data)
        labels = [val[i]['data_samples'].gt_sem_seg.data for i in range(len(val))]
        expected = data.labelled_pixels(cfg.val_dataloader.dataset, system.data, reduce.PHOTOS)
        assert sum(int((one != 255).sum()) for one in labels) == expected > 0
    assert seen == {'voc', 'coco', 'cityscapes'}


def test_scenes_lie_where_the_configs_look(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    look_at_data(None)


def test_real_data_lie_where_the_configs_look(tmp_path, monkeypatch, data_pack):
    monkeypatch.chdir(tmp_path)
    look_at_data(data_pack)


def test_entropy():
    labels = torch.tensor([[[0, 0, 255], [3, 3, 255]]])
    assert entropy(labels) == pytest.approx(math.log(2))
    assert entropy(torch.full((1, 2, 2), 7)) == 0


def two_halves(seed: int) -> tuple[nn.Module, dict]:
    """A small network, and two images whose right half is bright and of class 1."""
    torch.manual_seed(seed)
    model = MODELS.build(dict(
        type='EncoderDecoder', num_classes=2, norm_cfg=dict(type='BN'),
        data_preprocessor=dict(type='SegDataPreProcessor'),
        backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, output_stride=8),
        decode_head=dict(type='FCNHead', num_convs=1, channels=16)))
    model.init_weights()
    labels = torch.zeros(2, 33, 33, dtype=torch.uint8)
    labels[:, :, 16:] = 1
    return model, dict(inputs=(labels[:, None] * 100).repeat(1, 3, 1, 1), labels=labels)


def test_one_batch_is_learnt_or_not(monkeypatch):
    found = overfit.overfit(*two_halves(0), steps=60)
    assert not found['faults'] and found['reached'] < found['bar'] == pytest.approx(math.log(2) / 2, rel=1e-3)
    assert len(found['losses']) == 2 and found['losses'][1] < found['losses'][0] and found['steps'] == 60
    found = overfit.overfit(*two_halves(0), steps=2, rounds=30)
    assert not found['faults'] and 2 < found['steps'] < 60 and found['steps'] % 2 == 0
    monkeypatch.setattr(overfit, 'RATE', 0)
    found = overfit.overfit(*two_halves(0), steps=3, rounds=2)
    assert len(found['faults']) == 2 and found['steps'] == 6


def systems(*args, **environment):
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', **environment)
    return subprocess.run([sys.executable, str(TOOL), *map(str, args)], capture_output=True, text=True,
                          env=environment, timeout=900)


@pytest.mark.slow
def test_one_system_on_scenes(tmp_path):
    done = systems('--only', 'mobilenet-v2', '--iterations', 5, '--work-dir', tmp_path / 'runs', SEGKIT_DATA='')
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'SEGKIT_DATA is not set: no real photo and no real weights are used' in done.stdout
    assert '1 of 1 are as they should be' in done.stdout
    record = json.loads((tmp_path / 'runs/mobilenet-v2.json').read_text())
    assert record['steps'] == 5 and record['start'] == 'random' and record['evaluation']['images'] == 8
    assert not list((tmp_path / 'runs').rglob('*.pth'))


WRONG = """
import dataclasses, sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from systems import data, side
from systems.facts import BY_NAME, Recipe
data.prepare(Path('.'), None)
system = dataclasses.replace(BY_NAME['mobilenet-v2'], parameters=1, frozen=0, recipe=Recipe(1e-4, True, 1e-4))
print(*side.run(system, 3)['faults'], sep='\\n')
"""


@pytest.mark.slow
def test_what_is_wrong_is_seen(tmp_path):
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', SEGKIT_DATA='')
    done = subprocess.run([sys.executable, '-c', WRONG.format(folder=str(TOOL.parent))], capture_output=True,
                          text=True, env=environment, cwd=tmp_path, timeout=900)
    for words in ('2,113,557 parameters, expected 1', 'tensors learn at another rate than the recipe in step 1: ',
                  'tensors have another weight decay than the recipe: ', '(4e-05, expected 0.0001)',
                  'batch norms should take new statistics', 'are statistics of batch norms that learn and did not move',
                  '2,080,469 parameters learn, expected 1'):
        assert words in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize('args, words', [
    (['--only', 'paper-1', '--write'], '--write makes the page of all systems'),
    (['--iterations', '1'], '--iterations is at least 2'),
    (['--work-dir', str(ROOT / 'tools')], 'holds something else; name a new folder'),
])
def test_command_line_is_checked(args, words):
    with pytest.raises(ConfigError, match=words):
        runpy.run_path(str(TOOL))['main'](args)


def test_a_phase_brings_those_before_it():
    chosen = runpy.run_path(str(TOOL))['chosen']
    assert [system.name for system in chosen(['gluoncv-3', 'deeplabv2'])] == [
        'gluoncv-1', 'gluoncv-2', 'gluoncv-3', 'deeplabv2']
