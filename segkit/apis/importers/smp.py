"""segmentation_models_pytorch: DeepLabV3 with a ResNet as its encoder."""
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from segkit.apis.importers.plan import Outputs, Plan, load_source, not_this, package, projection_head
from segkit.apis.importers.resnet_keys import depth_of

CONFIG = 'deeplabv3_torchvision/deeplabv3-torchvision_r50-d8_4xb4-20k_voc12aug-512x512.py'
LOGITS = 'segmentation_head.0.weight'
NOW = ('decoder.aspp.', 'decoder.conv.', 'decoder.bn.')
EARLIER = ('decoder.0.', 'decoder.1.', 'decoder.2.')  # up to 0.4


def plan(weights: Mapping[str, Tensor]) -> Plan:
    """How a file of ``smp.DeepLabV3('resnet50', ...).state_dict()`` is read.

    The encoder has its output stride of 8, which the file does not say: that is the package's default. All blocks of a
    dilated stage have its rate there, and scores are enlarged with the corners aligned.

    Raises:
        CheckpointError: If it is none.
    """
    names = NOW if f'{NOW[0]}convs.0.0.weight' in weights else EARLIER
    if not {LOGITS, 'encoder.layer1.0.conv1.weight', f'{names[0]}convs.0.0.weight'} <= set(weights):
        raise not_this("segmentation_models_pytorch's DeepLabV3 with a ResNet", weights,
                       f'encoder.layer1.*, {NOW[0]}convs.* and segmentation_head.0.* were expected')
    depth = depth_of(weights, 'encoder.')
    aspp, conv, norm = names
    rules = {'encoder.': 'backbone.'} | projection_head(
        f'{aspp}convs.', f'{aspp}project.', {'block.conv': conv, 'block.bn': norm, 'conv_seg': 'segmentation_head.0.'})
    changes = {'model.auxiliary_head': None, 'model.align_corners': True, 'model.backbone.depth': depth,
               'model.backbone.contract_dilation': False, 'model.backbone.init_cfg': None}
    if len(weights[LOGITS]) == 1:  # one score, taken through a sigmoid
        changes |= {'model.num_classes': 2, 'model.decode_head.out_channels': 1, 'model.decode_head.threshold': 0.5,
                    'model.decode_head.loss_decode.use_sigmoid': True}
    return Plan(f'DeepLabV3 with the encoder resnet{depth} of segmentation_models_pytorch', rules, CONFIG, changes,
                left_out={'classification_head.': 'the head that classifies whole images'},
                style='pytorch' if depth >= 50 else None, reference=lambda file, ours: _network(depth, file, ours))


def _network(depth: int, file: Mapping[str, Tensor], ours: nn.Module) -> Callable[[Tensor], Outputs]:
    build = package('segmentation_models_pytorch', 'segmentation-models-pytorch').DeepLabV3
    net = build(f'resnet{depth}', encoder_weights=None, classes=len(file[LOGITS]),
                encoder_output_stride=ours.backbone.output_stride, decoder_atrous_rates=ours.decode_head.dilations[1:])
    # It knows the earlier names too.
    load_source(net, file, 'DeepLabV3 of segmentation_models_pytorch', left_out=('classification_head.',))
    return lambda x: dict(decode_head=net(x))
