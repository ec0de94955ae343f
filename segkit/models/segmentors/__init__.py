"""Segmentors: a backbone and its heads, from a batch to losses or predictions."""
from segkit.models.segmentors.encoder_decoder import EncoderDecoder
from segkit.models.segmentors.multi_scale_encoder_decoder import MultiScaleEncoderDecoder
from segkit.models.segmentors.seg_tta_model import SegTTAModel

__all__ = ['EncoderDecoder', 'MultiScaleEncoderDecoder', 'SegTTAModel']
