"""A class written for MMSegmentation whose methods nothing would call is refused where it is defined."""
import pytest

from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.errors import ConfigError
from segkit.models.decode_heads import ASPPHead, BaseDecodeHead
from segkit.models.segmentors import EncoderDecoder


@pytest.mark.parametrize('base, method, instead', [
    (BaseDecodeHead, 'loss_by_feat', 'loss(feats, labels)'),
    (ASPPHead, 'predict_by_feat', 'leave it out'),
    (BaseSegDataset, 'get_label_map', 'label_map'),
    (EncoderDecoder, 'extract_feat', 'backbone of its own'),
    (EncoderDecoder, 'slide_inference', 'original_logits'),
])
def test_a_method_that_nothing_would_call(base, method, instead):
    with pytest.raises(ConfigError) as error:
        type('Mine', (base,), {method: lambda self: None})
    text = str(error.value)
    assert f'Mine defines {method}(), which MMSegmentation calls and segkit does not' in text
    assert instead in text and len(text.splitlines()) <= 4


@pytest.mark.parametrize('base', [BaseDecodeHead, BaseSegDataset, EncoderDecoder])
def test_what_is_called_is_there(base):
    type('Mine', (base,), {'__init__': lambda self: None, 'forward': None})
    for hint in ('loss', 'loss_of_logits') if base is BaseDecodeHead else (
            'original_logits', 'write_prediction', 'predict') if base is EncoderDecoder else ('load_data_list',):
        assert callable(getattr(base, hint))  # what the messages advise to write
