"""Values are compared with the signatures that will take them."""
from collections.abc import Callable, Sequence
from typing import Optional, Union

import pytest

from segkit.config.check_tree import check_tree
from segkit.config.value_types import fits, in_words, wanted_types
from segkit.errors import ConfigError
from segkit.registry import BACKBONES


@pytest.mark.parametrize('value, hint, wanted', [
    (1, int, True), ('1', int, False), (1.5, int, False), (1, float, True), ('a', float, False), (True, bool, True),
    ('Flase', bool, False), (3, str, False), ((1, 2), tuple[int, int], True), ([1, 2], tuple[int, int], True),
    ((1,), tuple[int, int], False), ((1, 'a'), tuple[int, int], False), ((1, 2, 3), tuple[int, ...], True),
    ('ab', Sequence[str], False), ([[1, 2]], Sequence[Sequence[int]], True), (3, Sequence[int], False),
    ((), Sequence, True), (dict(a=1), dict, True), ('BN', Optional[dict], False), (None, int, True),
    (64, Union[int, tuple[int, int]], True), ('64', Union[int, tuple[int, int]], False),
    (dict(), Union[dict, Callable], True), (3, 'no type', True),
])
def test_fits(value, hint, wanted):
    assert fits(value, hint) is wanted


def test_types_follow_kwargs_and_end_with_this_package():
    types = wanted_types(BACKBONES.get('ResNetV1c'))
    assert types['depth'] is int and types['norm_eval'] is bool
    assert wanted_types(dict) == {} and wanted_types(None) == {}
    assert in_words(Union[int, tuple[int, int], None]) == 'int or tuple[int, int] or None'


@pytest.mark.parametrize('cfg, words', [
    (dict(tta_pipeline=[dict(type='RandomCrop', crop_size='64')]),
     ['tta_pipeline.0.crop_size: expected int or tuple[int, int]', "'64'"]),
    (dict(model=dict(type='EncoderDecoder', backbone=dict(type='ResNetV1c', depth=50, dilations=1))),
     ['model.backbone.dilations', 'Sequence[int]', 'got 1']),
    (dict(tta_pipeline=[dict(type='RandomCrop')]), ['tta_pipeline.0: RandomCrop needs crop_size.']),
    (dict(model=dict(type='EncoderDecoder', init_cfg=dict(type='Pretrained'))), ['model.init_cfg', 'needs checkpoint']),
    (dict(model=dict(type='EncoderDecoder', norm_cfg='BN')), ['model.norm_cfg', "got 'BN'"]),
    (dict(model=dict(type='EncoderDecoder', norm_cfg=dict(type='BM'))),
     ['not the name of a normalisation layer', 'GN']),
])
def test_the_key_is_named(cfg, words):
    with pytest.raises(ConfigError) as error:
        check_tree(cfg)
    assert all(word in str(error.value) for word in words), error.value
