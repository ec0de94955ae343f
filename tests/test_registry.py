"""Look-ups that fail say what was meant; those that succeed reach Runner."""
import numpy as np
import pytest
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import Registry

from segkit import registry
from segkit.errors import ConfigError
from segkit.registry import BACKBONES, DECODE_HEADS, HOOKS, LOSSES, METRICS, MODELS, UnknownNameError


def message(kind, name) -> str:
    with pytest.raises(UnknownNameError) as error:
        kind.get(name)
    assert len(str(error.value).splitlines()) <= 4
    return str(error.value)


def test_a_misspelt_name_is_answered_with_the_nearest():
    text = message(DECODE_HEADS, 'ASPHead')
    assert "'ASPHead' is not a registered decode head" in text
    assert 'Nearest: ASPPHead' in text


def test_the_wrong_kind_is_named():
    text = message(BACKBONES, 'ASPPHead')
    assert "'ASPPHead' is a decode head, and a backbone is expected here" in text
    assert 'ResNetV1c' in text
    assert 'is a loss' in message(METRICS, 'CrossEntropyLoss')


def test_what_mmengine_registers_is_listed_too_where_it_is_not_all_the_layers_there_are():
    text = message(HOOKS, 'Nothing')
    assert all(name in text for name in ('CheckpointHook', 'DeadClassHook', 'IterTimerHook', 'EmptyCacheHook'))
    assert 'ZeroPad2d' not in message(MODELS, 'Nothing')


def test_torch_optimizers_are_found_and_misspelt_ones_are_not():
    assert registry.OPTIMIZERS.get('SGD').__name__ == 'SGD'
    assert 'SGD' in message(registry.OPTIMIZERS, 'SDG')


def test_roots_find_our_classes_in_our_scope():
    with ROOT_MODELS.switch_scope_and_registry('segkit') as here:
        assert here is MODELS
        assert here.get('EncoderDecoder').__module__.startswith('segkit.')
    with ROOT_HOOKS.switch_scope_and_registry('segkit') as here:
        assert here is HOOKS
        assert here.get('IterTimerHook').__module__.startswith('mmengine.')


def test_scope_prefix_and_dotted_path():
    assert BACKBONES.get('segkit.ResNetV1c') is BACKBONES.get('ResNetV1c')
    assert BACKBONES.get('segkit.models.backbones.resnet.ResNetV1c') is BACKBONES.get('ResNetV1c')
    assert MODELS.get('torch.nn.modules.linear.Linear').__name__ == 'Linear'
    assert 'no.such.Module' in message(MODELS, 'no.such.Module')


def test_a_loss_registered_as_a_model_is_found_with_one_notice(monkeypatch):
    class NewLoss:
        pass

    said = []
    monkeypatch.setattr(registry, 'print_log', lambda text, logger: said.append(text))

    MODELS.register_module(module=NewLoss)
    try:
        assert LOSSES.get('NewLoss') is NewLoss
        assert LOSSES.get('NewLoss') is NewLoss
        assert len(said) == 1 and said[0].startswith("'NewLoss' is registered in MODELS and found there")
    finally:
        del MODELS._module_dict['NewLoss']
        LOSSES._noticed.clear()


def test_a_class_in_models_replaces_segkits_of_that_name_and_says_so(monkeypatch):
    said = []
    monkeypatch.setattr(registry, 'print_log', lambda text, logger: said.append(text))
    own = DECODE_HEADS.get('FCNHead')
    theirs = type('FCNHead', (own,), {})
    MODELS.register_module(module=theirs)
    try:
        assert DECODE_HEADS.get('FCNHead') is theirs
        assert len(said) == 1 and "taken from there, not segkit's decode head of that name" in said[0]
    finally:
        del MODELS._module_dict['FCNHead']
        DECODE_HEADS._noticed.clear()
    assert DECODE_HEADS.get('FCNHead') is own


def test_a_class_in_mmsegmentations_registry_says_which_import_to_change(monkeypatch):
    class TheirHead:
        pass

    theirs = Registry('model', scope='mmseg')
    theirs.register_module(module=TheirHead)
    monkeypatch.setitem(ROOT_MODELS.children, 'mmseg', theirs)
    for kind in (DECODE_HEADS, MODELS):
        assert 'import the registry from segkit.registry' in message(kind, 'TheirHead')


def test_an_unknown_name_is_also_a_key_error():
    with pytest.raises(KeyError):
        LOSSES.build(dict(type='NoSuchLoss'))


RAW = 'cannot be built from its values: '
MSC = dict(type='MultiScaleEncoderDecoder', num_classes=3,
           backbone=dict(type='ResNet', depth=18, base_channels=4, stem_channels=4, output_stride=8),
           decode_head=dict(type='DeepLabV2Head'))
HEAD = dict(in_channels=4, num_classes=3)


@pytest.mark.parametrize('kind, cfg, line', [
    (MODELS, dict(MSC, scales=0.5), 'scales: expected a list of numbers; got 0.5.'),
    (MODELS, dict(MSC, scales=('a',)), "scales: expected a list of numbers; got ('a',)."),
    (MODELS, dict(MSC, size_rule=['floor']), "size_rule: expected text; got ['floor']."),
    (DECODE_HEADS, dict(type='DeepLabV2Head', dilations=12, **HEAD),
     'dilations: expected a list of whole numbers; got 12.'),
    (DECODE_HEADS, dict(type='VortexHead', dilations=3, **HEAD), 'dilations: expected a list of whole numbers; got 3.'),
    (DECODE_HEADS, dict(type='FCNHead', channels=None, **HEAD), 'channels: expected a whole number; got None.'),
    (DECODE_HEADS, dict(type='VortexHead', dilation=3, **HEAD),
     'dilation: VortexHead has no such argument; nearest: dilations.'),
    (BACKBONES, dict(type='ResNetV2', depth=50, multi_grid=2),
     'multi_grid: expected a list of whole numbers or None; got 2.'),
    (BACKBONES, dict(type='ResNetV2', depth=50, out_indices=5),
     'out_indices: expected a list of whole numbers; got 5.'),
    (registry.TRANSFORMS, dict(type='RandomScale', ratio_range=.5), 'ratio_range: expected two numbers; got 0.5.'),
    (registry.TRANSFORMS, dict(type='RandomScale', step='a'), "step: expected a number; got 'a'."),
    (LOSSES, dict(type='OhemCrossEntropy', min_kept='9'), "min_kept: expected a whole number; got '9'."),
    (LOSSES, dict(type='OhemCrossEntropy', thres='a'), "thres: expected a number; got 'a'."),
])
def test_values_of_the_wrong_kind_are_named_with_what_is_expected(kind, cfg, line):
    with pytest.raises(ConfigError) as error:
        kind.build(cfg)
    text = str(error.value)
    assert RAW in text and line in text.splitlines()[1] and len(text.splitlines()) <= 4


def test_a_value_of_another_kind_that_a_class_can_use_is_none_of_our_business():
    assert registry.TRANSFORMS.build(dict(type='RandomScale', ratio_range=np.array([1, 2]))).ratio_range == (1, 2)


@pytest.mark.parametrize('kind, cfg, key', [
    (MODELS, dict(MSC, norm_eval='yes'), 'MultiScaleEncoderDecoder.norm_eval'),
    (BACKBONES, dict(type='ResNet', depth=18, contract_dilation='no'), 'ResNet.contract_dilation'),
    (BACKBONES, dict(type='ResNet', depth=18, ceil_mode='False'), 'ResNet.ceil_mode'),
    (DECODE_HEADS, dict(type='VortexHead', block='no', **HEAD), 'VortexHead.block'),
    (DECODE_HEADS, dict(type='DeepLabV3Head', block='no', **HEAD), 'DeepLabV3Head.block'),
])
def test_a_text_is_neither_true_nor_false(kind, cfg, key):
    with pytest.raises(ConfigError, match=f'{key}: expected True or False; got the text'):
        kind.build(cfg)


def test_a_class_of_the_users_may_mean_something_else_by_a_keyword():
    class Named(DECODE_HEADS.get('FCNHead')):
        def __init__(self, *args, align_corners, **kwargs):
            super().__init__(*args, **kwargs)
            self.how = align_corners

    head = DECODE_HEADS.build(dict(type=Named, channels=4, align_corners='no', **HEAD))
    assert head.how == 'no' and head.align_corners is False


def test_values_that_a_class_refuses_name_the_class():
    with pytest.raises(ConfigError, match='(?s)The transform RandomCrop cannot be built from its values: .*crop_size'):
        registry.TRANSFORMS.build(dict(type='RandomCrop'))
    with pytest.raises(ConfigError, match='RandomCrop.crop_size must be'):  # its own words stay
        registry.TRANSFORMS.build(dict(type='RandomCrop', crop_size=0))
