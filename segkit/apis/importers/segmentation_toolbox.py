"""pytorch-segmentation-toolbox: DeepLabV3 and PSPNet on ResNetV1s, with InPlaceABN or, in its later branch, without."""
from collections.abc import Mapping

from torch import Tensor

from segkit.apis.importers.plan import Plan, not_this
from segkit.apis.importers.resnet_keys import depth_of

DEEPLAB = 'deeplabv3_toolbox/deeplabv3-toolbox_r101s-d8_4xb2-40k_cityscapes-769x769.py'
PSPNET = 'pspnet_toolbox/pspnet-toolbox_r101s-d8_4xb2-40k_cityscapes-769x769.py'
EPS = 1e-5  # what InPlaceABN adds to the absolute value of its weight
STEM = {f'{kind}{i}.': f'backbone.stem.{3 * i - 3 + (kind == "bn")}.' for kind in ('conv', 'bn') for i in (1, 2, 3)}


def plan(weights: Mapping[str, Tensor]) -> Plan:
    """How such a file is read.

    InPlaceABN multiplies by the absolute value of its weight and a little more, and leaky ReLU follows it in the heads;
    its files count no batches. Those of the branch for PyTorch 1.1 do, and have plain batch norm and ReLU.

    Raises:
        CheckpointError: If it is none.
    """
    deeplab, pspnet = 'head.0.conv1.1.weight' in weights, 'head.0.stages.0.1.weight' in weights
    if 'conv3.weight' not in weights or deeplab == pspnet:
        raise not_this("pytorch-segmentation-toolbox's DeepLabV3 or PSPNet", weights,
                       'conv3.weight and head.0.conv1.1.weight or head.0.stages.0.1.weight were expected')
    depth = depth_of(weights)
    in_place = not any(key.endswith('num_batches_tracked') for key in weights)
    logits = 'dsn.3.' if in_place else 'dsn.4.'
    rules = {'layer': 'backbone.layer', **STEM, 'head.1.': 'decode_head.conv_seg.', logits: 'auxiliary_head.conv_seg.',
             'dsn.0.': 'auxiliary_head.convs.0.conv.', 'dsn.1.': 'auxiliary_head.convs.0.bn.'}
    narrow = 'project' if deeplab else 'bottleneck'
    rules |= {f'head.0.bottleneck.{i}.': f'decode_head.{narrow}.{part}.' for i, part in enumerate(('conv', 'bn'))}
    for i in range(4):
        old = f'head.0.conv{i + 2}.' if deeplab else f'head.0.stages.{i}.'
        new = f'decode_head.aspp_modules.{i}.' if deeplab else f'decode_head.psp_modules.{i}.1.'
        first = 0 if deeplab else 1  # a level of the pyramid begins with its pooling
        rules |= {f'{old}{first}.': f'{new}conv.', f'{old}{first + 1}.': f'{new}bn.'}
    if deeplab:
        rules |= {f'head.0.conv1.{i}.': f'decode_head.image_pool.1.{part}.' for i, part in ((1, 'conv'), (2, 'bn'))}
    changes: dict = {'model.backbone.depth': depth}
    if not any(key.startswith('dsn.') for key in weights):
        changes['model.auxiliary_head'] = None
    if not in_place:
        changes |= {f'model.{head}.act_cfg': dict(_delete_=True, type='ReLU')
                    for head in ('decode_head', 'auxiliary_head') if changes.get(f'model.{head}', head) is not None}
    norms = {key.removesuffix('running_mean') + 'weight' for key in weights if key.endswith('.running_mean')}

    def value(key: str, tensor: Tensor) -> Tensor:
        return tensor.abs() + EPS if in_place and key in norms else tensor

    kind = 'DeepLabV3' if deeplab else 'PSPNet'
    return Plan(f'{kind} on ResNetV1s-{depth} of pytorch-segmentation-toolbox, '
                f'{"InPlaceABN" if in_place else "plain batch norm"}', rules, DEEPLAB if deeplab else PSPNET, changes,
                style='pytorch', value=value,
                no_reference='its network is in no package; docs/importers.md has the difference from its arithmetic')
