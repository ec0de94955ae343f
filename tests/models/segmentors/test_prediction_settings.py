from types import SimpleNamespace

import pytest

from segkit.errors import ConfigError
from segkit.models.decode_heads.aspp_head import ASPPHead
from segkit.models.decode_heads.deeplab_v2_head import DeepLabV2Head
from segkit.models.segmentors.prediction_settings import checked_test_cfg
from segkit.registry import BACKBONES


@pytest.fixture(scope='module')
def parts():
    backbone = BACKBONES.build(dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, output_stride=16))
    return backbone, ASPPHead(64, 4, num_classes=5)


def check(cfg, parts, own_dilations=False):
    return checked_test_cfg(cfg, *parts, own_dilations)


def test_a_stride_for_which_the_head_has_no_rates(parts):
    backbone, head = parts[0], DeepLabV2Head(64, num_classes=5, dilations=(3, 6, 9, 12))
    assert check(dict(output_stride=8), (backbone, head))['output_stride'] == 8
    with pytest.raises(ConfigError, match='no dilations of its own for output_stride=32'):
        check(dict(output_stride=32), (backbone, head))
    assert check(dict(output_stride=32, dilations=(1, 3, 4, 6)), (backbone, head))['dilations'] == (1, 3, 4, 6)


def test_defaults(parts):
    out = check(None, parts)
    assert out == check(dict(mode='whole'), parts)
    assert out['mode'] == 'whole' and out['output_stride'] is None and out['keep_logits'] is False


def test_what_is_given_stays(parts):
    cfg = dict(mode='slide', crop_size=(8, 9), stride=(4, 9), output_stride=8, keep_logits=True)
    out = check(cfg, parts)
    assert {key: out[key] for key in cfg} == cfg
    assert parts[0].output_stride == 16
    assert check(dict(output_stride=8, dilations=(1, 2, 3, 4)), parts, own_dilations=True)['dilations'] == (1, 2, 3, 4)


@pytest.mark.parametrize('cfg, own_dilations, message', [
    (dict(mod='slide'), False, 'did you mean mode'),
    (dict(mode='windows'), False, 'whole'),
    (dict(mode='slide', crop_size=(8, 8)), False, 'stride='),
    (dict(mode='slide', crop_size=8, stride=(8, 8)), False, 'crop_size='),
    (dict(mode='slide', crop_size=(8, 8), stride=(8, 9)), False, 'without a prediction'),
    (dict(dilations=(1, 2, 3, 4)), False, 'output_stride'),
    (dict(output_stride=8), True, 'model.test_cfg.dilations'),
    (dict(output_stride=8, dilations=(1, 2, 3)), False, 'do not fit'),
    (dict(output_stride=5), False, 'output_stride'),
])
def test_refusals(parts, cfg, own_dilations, message):
    with pytest.raises(ConfigError, match=message):
        check(cfg, parts, own_dilations)


def test_parts_that_cannot_change(parts):
    backbone, head = parts
    with pytest.raises(ConfigError, match='cannot be changed'):
        check(dict(output_stride=8), (SimpleNamespace(output_stride=16), head))
    with pytest.raises(ConfigError, match='has no dilations'):
        check(dict(output_stride=8, dilations=(1, 2)), (backbone, SimpleNamespace()))
