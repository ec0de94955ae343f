"""A config from a checkpoint: the same as from its file, and no module is imported for a name in it."""
import copy
import json
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

from segkit.apis.inference import prediction_pipeline
from segkit.config import StoredConfig, load_config
from segkit.engine.run_config import RunConfig, plain
from segkit.errors import ConfigError
from segkit.registry import BACKBONES, DATASETS, MODELS, TRANSFORMS

CONFIGS = Path(__file__).parents[2] / 'configs'
FILES = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)


def through_json(cfg, source='run/iter_1.pth', **kwargs):
    """As a checkpoint keeps it."""
    return StoredConfig(json.loads(json.dumps(plain(RunConfig.of(cfg).to_dict(), pairs=True))), source, **kwargs)


def built(cfg):
    """Everything of a config that can be built without files, in words; modules with their parameters' shapes."""
    model, tta = copy.deepcopy(cfg.model), None
    with torch.device('meta'):
        if cfg.get('tta_model'):
            tta = MODELS.build(dict(cfg.tta_model, module=model))
        model = tta.module if tta else MODELS.build(model)
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    pipelines = {}
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg[name] is None:
            continue
        dataset = cfg[name].dataset
        while 'dataset' in dataset:
            dataset = dataset.dataset
        pipelines[name] = [TRANSFORMS.build(copy.deepcopy(step)) for step in dataset.pipeline]
        pipelines[name + ' classes'] = DATASETS.get(dataset.type).METAINFO
    if cfg.get('tta_pipeline'):
        pipelines['tta'] = [TRANSFORMS.build(copy.deepcopy(step)) for step in cfg.tta_pipeline]
    return str(model), str(tta), shapes, facts(pipelines), facts(model), facts(prediction_pipeline(cfg))


def facts(node, seen=()):
    """The settings of objects, as far as they are plain; a list and a tuple of the same values differ in nothing."""
    if isinstance(node, (list, tuple)):
        return [facts(one, seen) for one in node]
    if isinstance(node, dict):
        return {str(key): facts(one, seen) for key, one in node.items()}
    if isinstance(node, torch.Tensor):
        return tuple(node.shape)
    if hasattr(node, '__dict__') and not isinstance(node, type) and not callable(getattr(node, '__wrapped__', None)):
        if id(node) in seen:
            return type(node).__name__
        return type(node).__name__, facts(vars(node), (*seen, id(node)))
    return node.__name__ if callable(node) and hasattr(node, '__name__') else repr(node).split(' at 0x')[0]


@pytest.fixture
def shallow(monkeypatch):
    """Residual stages of one block, and three in the last for multi_grid: what a value's type does it does in each."""
    for name in ('ResNet', 'ResNetV2'):
        of = BACKBONES.get(name)
        monkeypatch.setattr(of, 'arch_settings', {depth: (block, (1, 1, 1, 3)) for depth, (block, _)
                                                  in of.arch_settings.items()})


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_every_config_builds_the_same_from_json(path, shallow):
    """Tuples are lists there; what is built must not know."""
    with DefaultScope.overwrite_default_scope('segkit'):
        cfg = load_config(path, say=lambda line: None)
        stored = load_config(through_json(cfg), say=lambda line: None)
        assert plain(stored.to_dict()) == plain(cfg.to_dict())
        for one, other in zip(built(stored), built(cfg), strict=True):
            assert one == other


def test_overrides_and_strictness_are_those_of_a_file(tiny_config):
    lines = []
    source = through_json(load_config(tiny_config, say=lambda line: None))
    cfg = load_config(source, ['model.backbone.depth=34', 'crop_size=(16, 16)', 'max_iters=9'], say=lines.append)
    assert cfg.model.backbone.depth == 34 and cfg.train_cfg.max_iters == 9
    assert cfg.train_dataloader.dataset.pipeline[2].crop_size == cfg.model.data_preprocessor.size == (16, 16)
    assert 'override model.backbone.depth: 18 -> 34' in lines
    with pytest.raises(ConfigError, match='(?s)model.backbone.depht.*depth'):
        load_config(source, ['model.backbone.depht=34'], say=lines.append)
    source.values['model']['backbone']['colour'] = 'red'
    with pytest.raises(ConfigError, match=r'run/iter_1.pth: model.backbone.colour: ResNetV1c takes no'):
        load_config(source, say=lines.append)
    assert 'colour' in source.values['model']['backbone']  # what was given is left as it was


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module whose import leaves a file."""
    (tmp_path / 'evil_module.py').write_text(
        f"open({str(tmp_path / 'it_ran')!r}, 'w')\n\n\ndef load(*args, **kwargs):\n    return None\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / 'it_ran'
    sys.modules.pop('evil_module', None)


@pytest.mark.parametrize('place', [
    'model.type', 'model.backbone.type', 'model.norm_cfg.type', 'val_dataloader.dataset.type', 'visualizer.type',
    'val_dataloader.dataset.pipeline.0.type', 'val_evaluator.type', 'default_hooks.timer.type', 'optim_wrapper.type',
    'optim_wrapper.constructor', 'train_dataloader.sampler.type', 'train_dataloader.collate_fn.type',
    'val_dataloader.collate_fn', 'train_dataloader.worker_init_fn.type', 'model.backbone._scope_', 'train_cfg.type',
    'tta_pipeline.1.transforms.0.0.type', 'custom_hooks.0.type', 'param_scheduler.0.type',
    'model_wrapper_cfg.type', 'log_processor.type', 'default_scope', 'visualizer.vis_backends.0.type'])
def test_no_name_imports_a_module(tiny_config, module, place):
    source = through_json(load_config(tiny_config, say=lambda line: None))
    name = 'evil_module' if place.endswith('scope_') or place == 'default_scope' else 'evil_module.load'
    node, keys = source.values, place.split('.')
    for key, following in zip(keys, keys[1:]):
        empty = [{}] if following.isdigit() else {}
        node = node[int(key)] if key.isdigit() else node.setdefault(key, empty)
    node[keys[-1]] = name
    with pytest.raises(ConfigError) as error:
        load_config(source, say=lambda line: None)
    assert 'evil_module' in str(error.value) and str(error.value).count('\n') < 4
    assert not module.exists()


@pytest.mark.parametrize('name', ['mmengine.load', 'mmcv.imread', 'segkit.registry.print_log', 'os.system',
                                  'mmengine.fileio.load', 'builtins.eval'])
def test_functions_that_are_there_anyway_are_no_classes(tiny_config, name):
    source = through_json(load_config(tiny_config, say=lambda line: None))
    source.values['val_dataloader']['dataset']['pipeline'][0] = dict(type=name, file='x.pkl')
    with pytest.raises(ConfigError, match=f'(?s)val_dataloader.dataset.pipeline.0.type: .{name}., which is not'):
        load_config(source, say=lambda line: None)


def test_custom_imports_are_said_and_not_run(tiny_config, module):
    cfg = load_config(tiny_config, say=lambda line: None)
    cfg.custom_imports = dict(imports=['evil_module'])
    lines = []
    load_config(through_json(cfg), say=lines.append)
    assert not module.exists()
    assert lines == ["custom_imports of the config in run/iter_1.pth are not run: {'imports': ['evil_module']} "
                     '(--unsafe-load, unsafe=True)']
    load_config(through_json(cfg, trusted=True), say=lines.append)
    assert module.exists() and len(lines) == 1


def test_classes_of_a_lazy_config_are_found_by_their_full_names(tiny_config):
    """Such a config holds classes; a checkpoint keeps their dotted names."""
    source = through_json(load_config(tiny_config, say=lambda line: None))
    values = source.values
    values['model']['type'] = 'segkit.models.segmentors.encoder_decoder.EncoderDecoder'
    values['optim_wrapper']['optimizer']['type'] = 'torch.optim.sgd.SGD'
    values['default_hooks']['timer']['type'] = 'mmengine.IterTimerHook'
    values['val_dataloader']['dataset']['type'] = 'mmseg.BaseSegDataset'
    values['val_dataloader']['collate_fn'] = dict(type='mmengine.dataset.utils.pseudo_collate')
    cfg = load_config(source, say=lambda line: None)
    assert (cfg.model.type, cfg.optim_wrapper.optimizer.type, cfg.default_hooks.timer.type,
            cfg.val_dataloader.dataset.type, cfg.val_dataloader.collate_fn.type) == (
        'EncoderDecoder', 'SGD', 'IterTimerHook', 'BaseSegDataset', 'pseudo_collate')
