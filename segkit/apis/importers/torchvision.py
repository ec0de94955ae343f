"""torchvision: DeepLabV3 on ResNet and MobileNetV3, and its classifiers as backbones."""
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from segkit.apis.importers.mobilenet_keys import mobilenet_v2_rules, mobilenet_v3_rules
from segkit.apis.importers.plan import Outputs, Plan, load_source, not_this, package, projection_head
from segkit.apis.importers.resnet_keys import depth_of

CONFIGS = 'deeplabv3_torchvision/deeplabv3-torchvision_'
SCHEDULE = '_4xb4-20k_voc12aug-512x512.py'
IMAGENET = 'the classifier of ImageNet'
EXPECTED = ('classifier.0.convs.* (DeepLabV3), layer1.* and fc.* (a ResNet) or features.* (a MobileNet) were expected')
MOBILENET_V3 = dict(type='MobileNetV3', norm_cfg=dict(type='BN', eps=0.001), adaptive_padding=False)


def plan(weights: Mapping[str, Tensor]) -> Plan:
    """How a file of torchvision's is read.

    Raises:
        CheckpointError: If it is none.
    """
    if any(key.startswith('classifier.0.convs.') for key in weights):
        return _segmentation(weights)
    if any(key.startswith('features.') for key in weights):
        return _mobilenet(weights)
    if any(key.startswith('layer1.') for key in weights):
        depth, left_out = depth_of(weights), {'fc.': IMAGENET}
        return Plan(f'resnet{depth} of torchvision', {'': ''}, backbone=dict(type='ResNet', depth=depth),
                    left_out=left_out, style='pytorch' if depth >= 50 else None,
                    reference=lambda file, ours: _classifier(
                        f'resnet{depth}', file, left_out, lambda net: nn.Sequential(*list(net.children())[:-2])))
    raise not_this("torchvision's DeepLabV3, ResNet or MobileNet", weights, EXPECTED)


def _segmentation(weights: Mapping[str, Tensor]) -> Plan:
    head = projection_head('classifier.0.convs.', 'classifier.0.project.',
                           {'block.conv': 'classifier.1.', 'block.bn': 'classifier.2.', 'conv_seg': 'classifier.4.'})
    has_aux = any(key.startswith('aux_classifier.') for key in weights)
    changes = {} if has_aux else {'model.auxiliary_head': None}
    if 'backbone.layer1.0.conv1.weight' in weights:
        depth = depth_of(weights, 'backbone.')
        name, config = f'deeplabv3_resnet{depth}', f'{CONFIGS}r{depth}-d8{SCHEDULE}'
        rules, style = {'backbone.': 'backbone.'}, 'pytorch'
        aux = {'0.': 'convs.0.conv.', '1.': 'convs.0.bn.', '4.': 'conv_seg.'}
    else:
        name, config, style = 'deeplabv3_mobilenet_v3_large', f'{CONFIGS}mobilenet-v3-d16{SCHEDULE}', None
        rules = mobilenet_v3_rules('large', 'backbone.', 'backbone.')
        aux = {'0.': 'convs.0.conv.', '1.': 'convs.0.bn.', '4.': 'conv_seg.'}
    rules |= head | {f'aux_classifier.{old}': f'auxiliary_head.{new}' for old, new in aux.items()}
    return Plan(f'{name} of torchvision', rules, config, changes, style=style,
                reference=lambda file, ours: _deeplab(name, has_aux, file))


def _mobilenet(weights: Mapping[str, Tensor]) -> Plan:
    left_out = {'classifier.': IMAGENET}
    if 'features.1.conv.0.0.weight' in weights:
        left_out = {'features.18.': 'the 1x1 convolution in front of the classifier', **left_out}
        return Plan('mobilenet_v2 of torchvision', mobilenet_v2_rules('features.', ''),
                    backbone=dict(type='MobileNetV2', out_indices=(6,)), left_out=left_out,
                    reference=lambda file, ours: _classifier(
                        'mobilenet_v2', file, left_out, lambda net: net.features[:-1]))
    arch, last = ('large', 16) if 'features.16.0.weight' in weights else ('small', 12)
    return Plan(f'mobilenet_v3_{arch} of torchvision', mobilenet_v3_rules(arch, 'features.', ''),
                backbone=dict(MOBILENET_V3, arch=arch, out_indices=(last,), output_stride=32), left_out=left_out,
                reference=lambda file, ours: _classifier(
                    f'mobilenet_v3_{arch}', file, left_out, lambda net: net.features))


def _deeplab(name: str, has_aux: bool, file: Mapping[str, Tensor]) -> Callable[[Tensor], Outputs]:
    build = getattr(package('torchvision.models.segmentation', 'torchvision'), name)
    net = build(weights=None, weights_backbone=None, num_classes=len(file['classifier.4.weight']), aux_loss=has_aux)
    load_source(net, file, name)
    names = dict(out='decode_head', aux='auxiliary_head')
    return lambda x: {names[key]: value for key, value in net(x).items()}


def _classifier(name: str, file: Mapping[str, Tensor], left_out: Mapping[str, str],
                part: Callable[[nn.Module], nn.Module]) -> Callable[[Tensor], Outputs]:
    net = getattr(package('torchvision.models', 'torchvision'), name)(weights=None)
    load_source(net, file, name, tuple(left_out))  # files may be without the classifier, or have one of other classes
    return lambda x: dict(backbone=part(net)(x))
