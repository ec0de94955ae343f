"""DeepLab-ResNet-Pytorch and its kin: DeepLabV2 on Caffe's ResNet, under the names of PyTorch's ResNet."""
from collections.abc import Mapping

from torch import Tensor

from segkit.apis.importers.plan import Plan, not_this
from segkit.apis.importers.resnet_keys import depth_of

CONFIG = 'deeplabv2/deeplabv2_r101-d8_1xb10-20k_voc12aug-321x321.py'
LARGE_FOV = 'deeplabv2/deeplabv2-largefov_r101-d8_1xb10-20k_voc12aug-321x321.py'
CONVS = 'layer5.conv2d_list.'


def plan(weights: Mapping[str, Tensor]) -> Plan:
    """How such a file is read; ``Scale.`` ahead of every key is what its networks for several sizes have.

    Raises:
        CheckpointError: If it is none.
    """
    prefix = 'Scale.' if all(key.startswith('Scale.') for key in weights) else ''
    branches = {key.split('.')[-2] for key in weights if key.startswith(prefix + CONVS)}
    if not branches:
        raise not_this('DeepLab-ResNet-Pytorch', weights, f'{CONVS}0.weight was expected')
    depth = depth_of(weights, prefix)
    return Plan(f'DeepLabV2 on ResNet-{depth} of DeepLab-ResNet-Pytorch',
                {prefix: 'backbone.', prefix + CONVS: 'decode_head.conv_seg.'},
                LARGE_FOV if len(branches) == 1 else CONFIG, {'model.backbone.depth': depth}, style='caffe',
                no_reference='its network is in no package; docs/importers.md has the difference from its arithmetic')
