"""Google's DeepLabV3 on MobileNetV2 with the image pool alone, in torchvision's names."""
from collections.abc import Mapping

from torch import Tensor

from segkit.apis.importers.mobilenet_keys import mobilenet_v2_rules
from segkit.apis.importers.plan import Plan, not_this

CONFIG = 'mobilenet_v2/mobilenet-v2-d8_deeplabv3-pool_1xb16-30k_voc12-513x513.py'
HEAD = {
    'head.image_pooling.0.': 'decode_head.image_pool.1.conv.',
    'head.image_pooling.1.': 'decode_head.image_pool.1.bn.',
    'head.aspp0.0.': 'decode_head.aspp_modules.0.conv.',
    'head.aspp0.1.': 'decode_head.aspp_modules.0.bn.',
    'head.concat_projection.0.': 'decode_head.project.conv.',
    'head.concat_projection.1.': 'decode_head.project.bn.',
    'head.logits.': 'decode_head.conv_seg.',
}


def plan(weights: Mapping[str, Tensor]) -> Plan:
    """How such a file is read.

    Raises:
        CheckpointError: If it is none.
    """
    if not any(key.startswith('backbone.features.') for key in weights):
        raise not_this('DeepLabV3 MobileNetV2', weights, 'backbone.features.0 to .17, head.image_pooling, .aspp0, '
                       '.concat_projection and .logits were expected')
    return Plan('DeepLabV3 on MobileNetV2 with the image pool alone',
                mobilenet_v2_rules('backbone.features.', 'backbone.') | HEAD, CONFIG,
                no_reference='its network is in no package; docs/importers.md has the difference from its arithmetic')
