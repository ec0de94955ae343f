"""GluonCV: DeepLabV3 on ResNetV1s, and its classifiers as backbones; the names of save_parameters."""
from collections.abc import Mapping

from torch import Tensor

from segkit.apis.importers.plan import Plan, not_this, projection_head
from segkit.apis.importers.resnet_keys import depth_of

CONFIG = 'deeplabv3_gluoncv/deeplabv3-gluoncv_r50s-d8_4xb4-173468_coco-480x480.py'
LEAVES = dict(gamma='weight', beta='bias')
STEM = {'conv1.0.': 'stem.0.', 'conv1.1.': 'stem.1.', 'conv1.3.': 'stem.3.', 'conv1.4.': 'stem.4.',
        'conv1.6.': 'stem.6.', 'bn1.': 'stem.7.'}
EXPECTED = ('conv1.0.weight, layer1.0.bn1.gamma and head.aspp.concurent.0.0.weight were expected')
NOT_BUILT = 'GluonCV needs MXNet; docs/importers.md has the difference from it'


def plan(weights: Mapping[str, Tensor]) -> Plan:
    """How a file of GluonCV's is read, or one of the same names that another program wrote.

    Raises:
        CheckpointError: If it is none.
    """
    if 'conv1.0.weight' not in weights or 'layer1.0.conv1.weight' not in weights:
        raise not_this("GluonCV's DeepLabV3 or ResNetV1s", weights, EXPECTED)
    depth = depth_of(weights)
    if not any(key.startswith('head.') for key in weights):
        channels = len(weights['conv1.6.weight']) if 'conv1.6.weight' in weights else 128
        kind = dict(type='ResNetV1s' if channels == 128 else 'ResNetV1c', depth=depth)
        return Plan(f'resnet{depth}_v1s of GluonCV', {'layer': 'layer', **STEM}, backbone=kind, leaves=LEAVES,
                    left_out={'fc.': 'the classifier of ImageNet'}, style='pytorch', no_reference=NOT_BUILT)
    rules = {'layer': 'backbone.layer', **{old: f'backbone.{new}' for old, new in STEM.items()}}
    rules |= projection_head('head.aspp.concurent.', 'head.aspp.project.',
                             {'block.conv': 'head.block.0.', 'block.bn': 'head.block.1.', 'conv_seg': 'head.block.4.'},
                             pool='4.gap.')
    rules |= {f'auxlayer.block.{old}': f'auxiliary_head.{new}'
              for old, new in {'0.': 'convs.0.conv.', '1.': 'convs.0.bn.', '4.': 'conv_seg.'}.items()}
    has_aux = any(key.startswith('auxlayer.') for key in weights)
    return Plan(f'DeepLabV3 on resnet{depth}_v1s of GluonCV', rules, CONFIG,
                {'model.backbone.depth': depth} | ({} if has_aux else {'model.auxiliary_head': None}),
                leaves=LEAVES, style='pytorch', no_reference=NOT_BUILT)
