"""Decode heads: the backbone's feature maps to class scores."""
from segkit.models.decode_heads.aspp_head import ASPPHead
from segkit.models.decode_heads.base_decode_head import BaseDecodeHead
from segkit.models.decode_heads.base_pyramid_head import BasePyramidHead
from segkit.models.decode_heads.deeplab_v2_head import DeepLabV2Head
from segkit.models.decode_heads.deeplab_v3_head import DeepLabV3Head
from segkit.models.decode_heads.depthwise_separable_aspp_head import DepthwiseSeparableASPPHead
from segkit.models.decode_heads.fcn_head import FCNHead
from segkit.models.decode_heads.psp_head import PSPHead
from segkit.models.decode_heads.vortex_head import VortexHead

__all__ = ['ASPPHead', 'BaseDecodeHead', 'BasePyramidHead', 'DeepLabV2Head', 'DeepLabV3Head',
           'DepthwiseSeparableASPPHead', 'FCNHead', 'PSPHead', 'VortexHead']
