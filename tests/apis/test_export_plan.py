"""What a file is to hold: decided, or refused with the reason, before anything is exported."""
import pytest

from segkit.apis.export_plan import outside_of, plan_for
from segkit.errors import ConfigError
from segkit.models.segmentors import EncoderDecoder


def test_what_acts_on_the_scores_is_told():
    model = EncoderDecoder(backbone=dict(type='ResNet', depth=18, base_channels=4, stem_channels=4, output_stride=16),
                           decode_head=dict(type='FCNHead', channels=4, num_classes=3, norm_cfg=dict(type='BN')),
                           data_preprocessor=dict(type='SegDataPreProcessor'))
    assert outside_of(model) == {}
    model.test_cfg['smoothing'] = dict(rounds=3)
    assert outside_of(model) == dict(smoothing=dict(rounds=3))

    for name in ('write_prediction', 'classes_of', 'refined_classes', 'probabilities'):
        model.__class__ = type('Smoothed', (EncoderDecoder,), {name: lambda self, *args: None})
        with pytest.raises(ConfigError, match=rf'Smoothed.{name}\(\) changes what comes out of the network'):
            plan_for(model)


def test_scales_that_only_a_fixed_size_can_have():
    from segkit.registry import MODELS
    model = MODELS.build(dict(
        type='MultiScaleEncoderDecoder', num_classes=3, scales=(0.7,), norm_cfg=dict(type='BN'),
        backbone=dict(type='ResNet', depth=18, base_channels=4, stem_channels=4, output_stride=16),
        decode_head=dict(type='DeepLabV2Head', dilations=(1, 3)), data_preprocessor=dict(type='SegDataPreProcessor')))
    with pytest.raises(ConfigError, match='--size H W'):
        plan_for(model)
    assert plan_for(model, size=(65, 65)).size == (65, 65)
