"""Everything that a network is made of; importing this package registers it."""
from segkit.models import (
    backbones,
    decode_heads,
    layers,
    losses,
    pixel_samplers,
    postprocess,
    pretrained_init,
    segmentors,
)
from segkit.models.data_preprocessor import SegDataPreProcessor

__all__ = ['SegDataPreProcessor', 'backbones', 'decode_heads', 'layers', 'losses', 'pixel_samplers', 'postprocess',
           'pretrained_init', 'segmentors']
