"""Every override takes effect or is refused; old names are mapped."""
from pathlib import Path

import pytest
from mmengine.config import Config

from segkit.config import load_config
from segkit.config.load import origins
from segkit.errors import ConfigError
from segkit.registry import OPTIM_WRAPPER_CONSTRUCTORS

CONFIGS = Path(__file__).parents[2] / 'configs'
OURS = CONFIGS / 'deeplabv3' / 'deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py'

# A file in upstream's style: variables at the top, everything built from them, an unread one among them.
UPSTREAM = '''
default_scope = 'mmseg'
dataset_type = 'PascalVOCDataset'
data_root = 'data/VOC'
crop_size = (512, 512)
unread = 3
norm_cfg = dict(type='SyncBN', requires_grad=True)
optimizer = dict(type='SGD', lr=0.01, momentum=0.9)
optim_wrapper = dict(type='OptimWrapper', optimizer=optimizer)
model = dict(
    type='mmseg.EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', size=crop_size),
    backbone=dict(type='ResNetV1c', depth=50, norm_cfg=norm_cfg, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
    decode_head=dict(type='ASPPHead', in_channels=2048, in_index=3, channels=512, num_classes=21, norm_cfg=norm_cfg))
train_pipeline = [dict(type='LoadImageFromFile'), dict(type='RandomCrop', crop_size=crop_size)]
train_dataloader = dict(batch_size=4, dataset=dict(type=dataset_type, data_root=data_root, pipeline=train_pipeline))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000)
param_scheduler = [dict(type='PolyLR', end=20000, by_epoch=False), dict(type='PolyLR', end=150, by_epoch=False)]
'''


@pytest.fixture
def upstream(tmp_path) -> Path:
    path = tmp_path / 'upstream.py'
    path.write_text(UPSTREAM)
    return path


def load(path, *overrides):
    said = []
    return load_config(path, list(overrides), say=said.append), said


def refused(path, *overrides) -> str:
    with pytest.raises(ConfigError) as error:
        load_config(path, list(overrides), say=lambda line: None)
    assert len(str(error.value).splitlines()) <= 4
    return str(error.value)


def test_upstream_names_are_mapped_and_said(upstream):
    cfg, said = load(upstream)
    assert cfg.default_scope == 'segkit'
    assert cfg.model.type == 'EncoderDecoder'
    assert said == [f'set, and read by nothing: unread ({upstream}:6)',
                    "default_scope 'mmseg' and 1 name of scope 'mmseg' read as segkit"]


def test_the_overrides_that_mmsegmentation_ignores_take_effect(upstream):
    cfg, said = load(upstream, 'optimizer.lr=0.001', 'data_root=/my/voc', 'crop_size=(64,64)', 'norm_cfg.type=BN',
                     'train_cfg.max_iters=1000')
    assert cfg.optim_wrapper.optimizer.lr == 0.001
    assert cfg.train_dataloader.dataset.data_root == '/my/voc'
    assert cfg.model.data_preprocessor.size == (64, 64)
    assert cfg.train_dataloader.dataset.pipeline[1].crop_size == (64, 64)
    assert cfg.model.backbone.norm_cfg.type == cfg.model.decode_head.norm_cfg.type == 'BN'
    assert [s.end for s in cfg.param_scheduler] == [1000, 150]
    text = '\n'.join(said)
    assert 'optimizer.lr = 0.001 reached optim_wrapper.optimizer.lr' in text
    assert 'param_scheduler.0.end: 20000 -> 1000, with train_cfg.max_iters' in text
    assert 'param_scheduler.1.end stays 150; train_cfg.max_iters is 1000' in text


def test_an_override_of_a_variable_nothing_reads_is_refused(upstream):
    text = refused(upstream, 'unread=4')
    assert 'nothing that is built reads it' in text and 'upstream.py:6' in text


def test_a_variable_set_again_behind_its_base_is_told_of(upstream, tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = ['upstream.py']\ncrop_size = (64, 64)\nunread = 4\nnorm_cfg = dict(type='BN')\n"
                    'model = dict(backbone=dict(norm_cfg=norm_cfg))\n')
    said = load(path)[1]
    late = [line for line in said if 'too late' in line]
    assert len(late) == 1 and 'mine.py:2: crop_size' in late[0]
    path.write_text("_base_ = ['upstream.py']\ncrop_size = (512, 512)\nparam_scheduler = []\n")
    assert not any('too late' in line for line in load(path)[1])


def test_the_same_value_again_is_no_fault(upstream):
    _, said = load(upstream, 'crop_size=(512,512)')
    assert 'override crop_size: it is (512, 512) already' in said


def test_only_what_changes_is_listed():
    plain, _ = load(OURS)
    root = plain.train_dataloader.dataset.data_root
    assert load(OURS, f'data_root={root}')[1] == [f'override data_root: it is {root!r} already']
    assert load(OURS, f'train_dataloader.batch_size={plain.train_dataloader.batch_size}')[1] == [
        f'override train_dataloader.batch_size: it is {plain.train_dataloader.batch_size} already']
    said = load(OURS, 'train_dataloader.dataset.data_root=x', 'data_root=x')[1]
    assert said[1:] == [f"override val_dataloader.dataset.data_root: {root!r} -> 'x'"]


def test_overrides_that_undo_one_another_are_refused(upstream):
    for first, second in (('max_iters=20', 'train_cfg.max_iters=60'), ('max_iters=20', 'max_iters=60'),
                          ('val_dataloader.dataset.data_root=x', 'data_root=y')):
        text = refused(OURS, first, second)
        assert 'Give one of them' in text and first.split('=')[1] in text and second.split('=')[1] in text
    assert 'crop_size' in refused(upstream, 'crop_size=(64,64)', 'crop_size=(32,32)')
    cfg, _ = load(OURS, 'data_root=/all', 'val_dataloader.dataset.data_root=/one')  # a rule and its exception
    assert (cfg.train_dataloader.dataset.data_root, cfg.val_dataloader.dataset.data_root) == ('/all', '/one')


def test_a_fault_of_an_override_names_what_was_typed(upstream):
    assert refused(OURS, 'max_iters=1e4') == ('--cfg-options max_iters: train_cfg.max_iters: expected a whole number; '
                                              'got 10000.0.\nIs 10000 meant?')
    assert refused(OURS, 'train_cfg.max_iters=1.5') == (
        '--cfg-options train_cfg.max_iters: expected a whole number; got 1.5.')
    assert refused(upstream, 'crop_size=128').startswith('--cfg-options crop_size: model.data_preprocessor.size: ')


def test_our_files_have_one_word_for_every_copy():
    cfg, _ = load(OURS, 'data_root=/my/voc', 'crop_size=(64, 64)', 'max_iters=20', 'val_interval=10', 'num_classes=3',
                  'norm_cfg.type=BN')
    assert {cfg[f'{p}_dataloader'].dataset.data_root for p in ('train', 'val', 'test')} == {'/my/voc'}
    assert cfg.model.data_preprocessor.size == (64, 64)
    assert cfg.train_dataloader.dataset.pipeline[3].crop_size == (64, 64)
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval) == (20, 10) and cfg.model.num_classes == 3
    assert cfg.model.norm_cfg == dict(type='BN', requires_grad=True)


def test_num_classes_moves_every_head_of_an_upstream_file(upstream):
    cfg, _ = load(upstream, 'num_classes=3')
    assert cfg.model.decode_head.num_classes == 3 and 'num_classes' not in cfg.model


def test_the_test_part_follows_the_validation_part():
    cfg, _ = load(OURS, 'test_dataloader.batch_size=2', 'val_dataloader.dataset.ann_file=mine.txt')
    assert cfg.test_dataloader.dataset.ann_file == 'mine.txt'
    assert (cfg.val_dataloader.batch_size, cfg.test_dataloader.batch_size) == (1, 2)


@pytest.mark.parametrize('override, words', [
    ('optim_wraper.optimizer.lr=0.5', ['optim_wrapper']),
    ('optimizer.lr=0.5', ['optim_wrapper.optimizer.lr']),
    ('model.backbonee.depth=18', ['model.backbonee', 'model.backbone']),
    ('model.backbone.dpth=18', ['model.backbone.dpth', 'model.backbone.depth']),
    ('train_dataloader.dataset.pipeline.9.prob=1', ['list of 7 entries']),
    ('model.backbone.depth.x=1', ['model.backbone.depth is 50']),
    ('model.backbone.type=ASPPHead', ['a backbone is expected here']),
    ('default_scope=mmdet', ['mmdet']),
    ('crop=3', ['crop']),
    ('model=3', ['model is a dict', 'EncoderDecoder']),
    ('norm_cfg=BN', ['model.norm_cfg.type=']),
    ('num_classes=abc', ['model.num_classes is 21', 'a number', "'abc'"]),
    ('resume=Flase', ['resume is False', 'True or False']),
    ('optim_wrapper.paramwise_cfg.custm_keys=1', ['custom_keys']),
    ('optim_wrapper.clip_grad=dict(max_nrm=1)', ['optim_wrapper.clip_grad.max_nrm', 'max_norm']),
    ('randomness.sed=1', ['randomness.seed']),
    ('model.decode_head.type=ASPHead', ["'ASPHead' is not a registered decode head", 'Nearest: ASPPHead']),
    ('optim_wrapper.optimizer.type=SDG', ["'SDG' is not a registered optimizer", 'Nearest: SGD']),
    ('optim_wrapper.optimizer.type=Adam', ['schedule_20k.py:', 'optim_wrapper.optimizer.momentum: Adam takes no']),
    ('env_cfg.cudnn_benchmrk=True', ['env_cfg.cudnn_benchmark']),
    ('auto_scale_lr.enabl=True', ['auto_scale_lr.enable']),
    ('trian_cfg.max_iters=3', ['train_cfg.max_iters']),
    ('clases=21', ['clases: the config has no such key']),
    ('num_clases=21', ['Nearest: num_classes']),
    ('train_dataloader.batch_size=abc', ['train_dataloader.batch_size is 4', "got 'abc'"]),
    ('epochs=3', ['epochs: the config has no such key']),
    ('default_hooks.checkpoint.intervl=3', ['default_hooks.checkpoint.interval']),
])
def test_refused(override, words):
    text = refused(OURS, override)
    assert all(word in text for word in words), text


def test_a_declared_keyword_may_be_new_and_an_undeclared_one_needs_a_plus(upstream):
    cfg, _ = load(upstream, 'model.backbone.norm_eval=True')
    assert cfg.model.backbone.norm_eval is True
    cfg, said = load(upstream, '+env_cfg.note=1')
    assert cfg.env_cfg.note == 1 and 'added env_cfg.note: 1' in said


def test_a_misspelt_top_level_key_in_a_file_is_refused(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f'_base_ = [{str(OURS)!r}]\nimg_scale = 3\noptim_wraper = dict(optimizer=dict(lr=1))\n')
    text = refused(path)
    assert 'mine.py:3' in text and 'optim_wrapper' in text


@pytest.mark.parametrize('line, words', [
    ("lr_config = dict(policy='poly')", ['mine.py:2', 'param_scheduler']),
    ('optimizer = dict(lr=0.1)', ['optim_wrapper.optimizer']),
    ("custom_imports = dict(imprts=['a'])", ['custom_imports takes imports']),
])
def test_a_key_of_another_age_is_refused(tmp_path, line, words):
    path = tmp_path / 'mine.py'
    path.write_text(f'_base_ = [{str(OURS)!r}]\n{line}\n')
    text = refused(path)
    assert all(word in text for word in words), text


@pytest.mark.parametrize('file, text', [
    ('a.json', '{a:'), ('a.yaml', 'a: ['), ('a.py', 'from mmengine.config import read_base\na = 1 / 0\n')])
def test_a_broken_file_of_another_format_is_named(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    assert str(tmp_path / file) in refused(tmp_path / file)


def test_what_another_constructor_reads_is_its_own_matter(upstream, monkeypatch):
    monkeypatch.setitem(OPTIM_WRAPPER_CONSTRUCTORS.module_dict, 'Mine', object)
    cfg, _ = load(upstream, 'optim_wrapper.constructor=Mine', '+optim_wrapper.paramwise_cfg.num_layers=12')
    assert cfg.optim_wrapper.paramwise_cfg.num_layers == 12
    assert 'DefaultOptimWrapperConstructor' in refused(upstream, 'optim_wrapper.constructor=DefaultOptimWraper')


def test_custom_imports_register_before_the_check(tmp_path, monkeypatch):
    (tmp_path / 'my_head_for_test.py').write_text(
        'from segkit.registry import DECODE_HEADS\n\n@DECODE_HEADS.register_module(force=True)\n'
        'class HeadForTest:\n    def __init__(self, in_index, num_classes):\n        pass\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / 'mine.py'
    path.write_text(f'_base_ = [{str(OURS)!r}]\ncustom_imports = dict(imports=["my_head_for_test"])\n'
                    'model = dict(decode_head=dict(_delete_=True, type="HeadForTest", in_index=3))\n')
    assert load(path)[0].model.decode_head.type == 'HeadForTest'
    (tmp_path / 'my_head_for_test.py').unlink()
    path.write_text(path.read_text().replace('my_head_for_test', 'not_there'))
    assert 'custom_imports' in refused(path)


@pytest.mark.parametrize('text, place, words', [
    ("model = dict(\n    backbonee=dict(depth=18))\n", 'mine.py:3', 'model.backbonee: EncoderDecoder takes no'),
    ("model = dict(decode_head=dict(\n    norm_cfg=dict(\n        type='BN',\n        epss=1)))\n", 'mine.py:5',
     'model.decode_head.norm_cfg.epss'),
    ("a = dict(type='SDG')\noptim_wrapper = dict(optimizer=a)\n", 'mine.py:2', "'SDG' is not a registered optimizer"),
    ("env_cfg = {\n    'cudnn_benchmrk': True}\n", 'mine.py:3', 'Nearest: env_cfg.cudnn_benchmark'),
    ("custom_hooks = [\n    dict(type='DistSamplerSeedHook'),\n    dict(type='EMAHok')]\n", 'mine.py:4',
     'custom_hooks.1'),
    ("val_evaluator = dict(iou_metric=['mIoU'])\n", 'mine.py:2', 'val_evaluator.iou_metrics'),
    ('resume = "no"\n', 'mine.py:2', 'resume: expected True or False'),
    ('model = 3\n', 'mine.py:2', 'model: expected a dict'),
    ('test_cfg = dict(fp61=True)\n', 'mine.py:2', 'test_cfg.fp61'),
    ("default_hooks = dict(checkpoint=dict(max_keep_ckpts=3))\nmodel = dict(num_clases=3)\n", 'mine.py:3',
     'model.num_classes'),
])
def test_a_fault_inside_a_file_is_named_with_its_line(tmp_path, text, place, words):
    path = tmp_path / 'mine.py'
    path.write_text(f'_base_ = [{str(OURS)!r}]\n{text}')
    message = refused(path)
    assert message.startswith(str(tmp_path / place) + ':') and words in message, message


def test_a_fault_of_a_base_is_named_in_the_base(tmp_path):
    (tmp_path / 'base.py').write_text(f'_base_ = [{str(OURS)!r}]\nmodel = dict(decode_head=dict(dropout=0.1))\n')
    (tmp_path / 'mine.py').write_text("_base_ = 'base.py'\nmodel = dict(decode_head=dict(channels=8))\n")
    assert refused(tmp_path / 'mine.py').startswith(f'{tmp_path}/base.py:2: model.decode_head.dropout')


def test_names_far_from_any_key_are_variables_and_said(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f'_base_ = [{str(OURS)!r}]\nmy_settings = 3\nused = 2\nmax_iters = used\n_private = 3\n'
                    'train_cfg = dict(max_iters=max_iters)\n')
    assert load(path)[1] == [f'set, and read by nothing: my_settings ({path}:2)']


@pytest.mark.parametrize('name, text', [
    ('a.json', '{"optim_wraper": {}}'), ('a.yaml', 'optim_wraper: {}'),
    ('a.py', 'from mmengine.config import read_base\noptim_wraper = dict()\n')])
def test_a_misspelt_top_level_key_in_another_format(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert f'{tmp_path / name}' in refused(tmp_path / name) and 'optim_wrapper' in refused(tmp_path / name)


def test_a_config_that_mmengine_dumped_loads(upstream, tmp_path):
    """It holds the variables too, which nothing reads any more."""
    Config.fromfile(str(upstream)).dump(str(tmp_path / 'dumped.py'))
    cfg, _ = load(tmp_path / 'dumped.py')
    assert cfg.optim_wrapper.optimizer.lr == 0.01 and 'optimizer' not in cfg
    assert 'optim_wrapper.optimizer.lr' in refused(tmp_path / 'dumped.py', 'optimizer.lr=1.')


def test_a_key_added_with_a_plus_is_declared_in_the_config(upstream):
    cfg, _ = load(upstream, '+env_cfg.note=1', '+auto_scale_lr.who=me')
    assert cfg.added_keys == ['auto_scale_lr.who', 'env_cfg.note']


def test_origins_name_the_deciding_file_last():
    where = origins(OURS)
    assert where['train_cfg'][-1].name == 'schedule_20k.py'
    assert [path.name for path in where['train_dataloader']] == ['pascal_voc12.py', 'pascal_voc12_aug.py']


def test_a_part_that_is_tested_as_it_is_validated():
    for plus in ('', '+'):
        cfg, _ = load(OURS, f'{plus}test_evaluator.format_only=True', 'test_evaluator.output_dir=o')
        assert cfg.test_evaluator.format_only is True and cfg.test_evaluator.type == cfg.val_evaluator.type
        assert 'format_only' not in cfg.val_evaluator
    cfg, _ = load(OURS, 'val_dataloader=None', 'val_evaluator=None', 'val_cfg=None')
    assert cfg.test_cfg is None and cfg.get('test_dataloader') is None
    assert load(OURS)[0].test_cfg is not None
