"""Every config file loads, keeps the house rules and builds its model without allocating it."""
import ast
import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from segkit.config import load_config
from segkit.config.schema import TOP_LEVEL
from segkit.registry import MODELS

ROOT = Path(__file__).parents[1] / 'configs'
CONCRETE = sorted(p for p in ROOT.rglob('*.py') if '_base_' not in p.parts)
EVERY = sorted(ROOT.rglob('*.py'))
KINDS = {'models', 'datasets', 'schedules', 'default_runtime.py'}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def bases(path: Path) -> list[Path]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
            return [(path.parent / base).resolve() for base in ast.literal_eval(node.value)]
    return []


def kind(path: Path) -> str:
    return path.name if path.parent.name == '_base_' else path.parent.name


@pytest.mark.parametrize('path', EVERY, ids=name)
def test_values_stand_where_they_are_used(path: Path):
    for node in ast.parse(path.read_text()).body:
        assert isinstance(node, (ast.Assign, ast.Expr)), f'line {node.lineno}: only assignments and a docstring'
        if isinstance(node, ast.Assign):
            assert node.targets[0].id in TOP_LEVEL | {'_base_'}, f'line {node.lineno}: a variable nothing reads'


@pytest.mark.parametrize('path', CONCRETE, ids=name)
def test_inherits_one_of_each_kind_or_a_concrete_file(path: Path):
    depth, here = 0, path
    while (direct := bases(here)) and '_base_' not in direct[0].parts:
        assert len(direct) == 1, 'a variant inherits exactly one concrete file'
        depth, here = depth + 1, direct[0]
    assert depth <= 2, 'more than two concrete ancestors'
    assert {kind(b) for b in bases(here)} == KINDS and len(bases(here)) == 4


@pytest.mark.parametrize('path', CONCRETE, ids=name)
def test_says_what_run_it_records(path: Path):
    doc = ast.get_docstring(ast.parse(path.read_text()))
    assert doc and re.search(r'^Command: (tools/|make )', doc, re.M)
    assert re.search(r'^Score here: ', doc, re.M)
    command = re.search(r'configs/\S+\.py', doc)
    assert command is None or command[0] == f'configs/{name(path)}'


def normalised(norm: _BatchNorm, x: torch.Tensor) -> torch.Tensor:
    assert x.shape[1] == norm.num_features
    return x


@pytest.mark.parametrize('path', CONCRETE, ids=name)
def test_loads_and_builds(path: Path):
    cfg = load_config(path)
    each = cfg.optim_wrapper.get('accumulative_counts', 1)  # iterations of an update
    for scheduler in cfg.param_scheduler:
        assert 'end' not in scheduler or (
            scheduler.begin, scheduler.end) == (each - 1, cfg.train_cfg.max_iters + each)
    crops = [t.crop_size for t in cfg.train_dataloader.dataset.pipeline if t.type == 'RandomCrop']
    assert crops == [cfg.model.data_preprocessor.size]
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    # Sizes that a stem's pooling shrinks to the same, whether it rounds up (ceil_mode) or down.
    samples, height, width = 2, 65, 97
    for module in model.modules():
        if isinstance(module, _BatchNorm):  # on meta tensors torch takes half of the test's time for norms
            module.forward = partial(normalised, module)
    logits = model.eval()(torch.empty(samples, 3, height, width, device='meta'), mode='tensor')
    # The decoder of DeepLabV3+ brings the scores to the first feature map.
    stride = 4 if 'c1_channels' in cfg.model.decode_head else cfg.model.backbone.output_stride
    assert logits.shape == (samples, cfg.model.num_classes, -(-height // stride), -(-width // stride))


@pytest.mark.parametrize('path', CONCRETE, ids=name)
def test_states_the_total_batch_of_its_name(path: Path):
    cfg = load_config(path)
    processes, size = map(int, re.search(r'_(\d+)xb(\d+)-', path.name).groups())
    assert cfg.train_dataloader.batch_size == size
    accumulated = cfg.optim_wrapper.get('accumulative_counts', 1)
    assert cfg.auto_scale_lr == dict(base_batch_size=processes * size * accumulated, enable=False)
    doc = ast.get_docstring(ast.parse(path.read_text()))
    command = re.search(r'^Command: tools/dist_train.sh \S+ (\d+)', doc, re.M)
    assert (int(command[1]) if command else 1) == processes
