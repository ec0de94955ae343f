"""A class written for MMSegmentation whose methods nothing would call is refused where it is defined."""
import pytest

from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.errors import ConfigError
from segkit.evaluation import IoUMetric
from segkit.models.backbones import ResNetV1c
from segkit.models.decode_heads import ASPPHead, BaseDecodeHead, FCNHead
from segkit.models.segmentors import EncoderDecoder


def refused(bases, **methods) -> str:
    with pytest.raises(ConfigError) as error:
        type('Mine', bases, methods)
    assert len(str(error.value).splitlines()) <= 4
    return str(error.value)


@pytest.mark.parametrize('base, method, instead', [
    (BaseDecodeHead, 'loss_by_feat', 'loss(feats, labels)'),
    (ASPPHead, 'predict_by_feat', 'leave it out'),
    (FCNHead, '_forward_feature', 'forward(feats)'),
    (BaseSegDataset, 'get_label_map', 'label_map'),
    (EncoderDecoder, 'extract_feat', 'backbone of its own'),
    (EncoderDecoder, 'slide_inference', 'original_logits'),
    (EncoderDecoder, '_decode_head_forward_train', 'loss(inputs, data_samples, labels)'),
    (IoUMetric, 'intersect_and_union', 'compute_metrics'),
    (ResNetV1c, 'make_res_layer', '__init__'),
])
def test_a_method_that_nothing_would_call(base, method, instead):
    text = refused((base,), **{method: lambda self: None})
    assert f'Mine has {method}(), which MMSegmentation calls and segkit does not' in text and instead in text


def test_a_method_of_a_mixin_counts_too():
    mixin = type('Mixin', (), dict(loss_by_feat=lambda self: None))
    assert 'loss_by_feat' in refused((mixin, FCNHead))


def test_a_class_for_both_toolboxes_is_taken():
    type('Mine', (FCNHead,), dict(loss_by_feat=lambda self, a, b: None, loss_of_logits=lambda self, logits, labels: {}))
    type('Mine', (EncoderDecoder,), dict(inference=True))  # no method


@pytest.mark.parametrize('base, name, method, called', [
    (FCNHead, 'loss', lambda self, inputs, batch_data_samples, train_cfg: {}, '(feats, labels)'),
    (EncoderDecoder, 'loss', lambda self, inputs, data_samples: {}, '(inputs, data_samples, labels)'),
])
def test_a_method_that_is_called_otherwise(base, name, method, called):
    assert f'is called with {called}' in refused((base,), **{name: method})
    type('Mine', (base,), {name: lambda self, *args, **kwargs: {}})


@pytest.mark.parametrize('base', [BaseDecodeHead, BaseSegDataset, EncoderDecoder])
def test_what_is_called_is_there(base):
    type('Mine', (base,), {'__init__': lambda self: None, 'forward': None})
    for hint in ('loss', 'loss_of_logits') if base is BaseDecodeHead else (
            'original_logits', 'write_prediction', 'predict') if base is EncoderDecoder else ('load_data_list',):
        assert callable(getattr(base, hint))  # what the messages advise to write
