"""torchvision's names of the layers of MobileNetV2 and MobileNetV3, and ours."""
from segkit.models.backbones.mobilenet_v2 import MobileNetV2
from segkit.models.backbones.mobilenet_v3 import MobileNetV3


def mobilenet_v2_rules(theirs: str, ours: str) -> dict[str, str]:
    """Each module of ``features.0`` to ``features.17`` that has weights.

    Args:
        theirs: What stands ahead of the number, such as 'features.'.
        ours: What stands ahead of ``conv1`` and ``layer1``.
    """
    rules = {f'{theirs}0.0.': f'{ours}conv1.conv.', f'{theirs}0.1.': f'{ours}conv1.bn.'}
    number = 0
    for stage, (expansion, _, blocks) in enumerate(MobileNetV2.arch_settings, start=1):
        for block in range(blocks):
            number += 1
            old, new = f'{theirs}{number}.conv.', f'{ours}layer{stage}.{block}.conv.'
            last = 1 if expansion == 1 else 2  # the 1x1 that narrows; convolution and norm lie side by side there
            for i in range(last):
                rules |= {f'{old}{i}.0.': f'{new}{i}.conv.', f'{old}{i}.1.': f'{new}{i}.bn.'}
            rules |= {f'{old}{last}.': f'{new}{last}.conv.', f'{old}{last + 1}.': f'{new}{last}.bn.'}
    return rules


def mobilenet_v3_rules(arch: str, theirs: str, ours: str) -> dict[str, str]:
    """Each module with weights of the stem, the blocks and the last 1x1 convolution.

    Args:
        arch: 'small' or 'large'.
        theirs, ours: As for :func:`mobilenet_v2_rules`; ours are ``layer0``, ``layer1``, ...
    """
    blocks = MobileNetV3.arch_settings[arch]
    rules, inplanes = {}, 16
    for i in (0, len(blocks) + 1):
        rules |= {f'{theirs}{i}.0.': f'{ours}layer{i}.conv.', f'{theirs}{i}.1.': f'{ours}layer{i}.bn.'}
    for i, (_, wide, planes, squeeze, *_) in enumerate(blocks, start=1):
        parts = ['expand_conv'] * (wide != inplanes) + ['depthwise_conv'] + ['se'] * squeeze + ['linear_conv']
        for j, part in enumerate(parts):
            old, new = f'{theirs}{i}.block.{j}.', f'{ours}layer{i}.{part}.'
            ends = {'fc1.': 'conv1.conv.', 'fc2.': 'conv2.conv.'} if part == 'se' else {'0.': 'conv.', '1.': 'bn.'}
            rules |= {old + end: new + end_here for end, end_here in ends.items()}
        inplanes = planes
    return rules
