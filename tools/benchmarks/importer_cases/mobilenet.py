"""Google's DeepLabV3 on MobileNetV2 with the image pool alone."""
import shutil
from functools import partial
from pathlib import Path
from typing import Optional

import torch
import torch.nn.functional as F

from importer_cases.arithmetic import Arithmetic, corners, stacked
from importer_cases.case import Case, Reference
from importer_cases.draw import Draw

# Output channels, expansion, stride, dilation of features.1 to .17: MobileNetV2, table 2, at output stride 8.
BLOCKS = ((16, 1, 1, 1), (24, 6, 2, 1), (24, 6, 1, 1), (32, 6, 2, 1), (32, 6, 1, 1), (32, 6, 1, 1), (64, 6, 1, 1),
          (64, 6, 1, 2), (64, 6, 1, 2), (64, 6, 1, 2), (96, 6, 1, 2), (96, 6, 1, 2), (96, 6, 1, 2), (160, 6, 1, 2),
          (160, 6, 1, 4), (160, 6, 1, 4), (320, 6, 1, 4))
REAL = 'weights/deeplabv3_mnv2_pascal_trainval.pth'


def write(path: Path) -> None:
    draw = Draw()
    draw.pair('backbone.features.0.0', 'backbone.features.0.1', 32, 3, 3)
    width = 32
    for i, (out, expansion, _, _) in enumerate(BLOCKS, start=1):
        place, wide, last = f'backbone.features.{i}.conv', width * expansion, 1 if expansion == 1 else 2
        if expansion != 1:
            draw.pair(f'{place}.0.0', f'{place}.0.1', wide, width, 1)
        draw.pair(f'{place}.{last - 1}.0', f'{place}.{last - 1}.1', wide, 1, 3)
        draw.pair(f'{place}.{last}', f'{place}.{last + 1}', out, wide, 1)
        width = out
    for name, into in (('aspp0', 320), ('image_pooling', 320), ('concat_projection', 512)):
        draw.pair(f'head.{name}.0', f'head.{name}.1', 256, into, 1)
    draw.conv('head.logits', 21, 256, 1, bias=True)
    torch.save(draw.weights, path)


def reference(weights: dict) -> Reference:
    """Blocks that widen, filter each channel and narrow; the image pool and one 1x1 branch, pool first."""
    net = Arithmetic(weights)

    def scores(image: torch.Tensor) -> dict[str, torch.Tensor]:
        x = net.layer(image, 'backbone.features.0.0', 'backbone.features.0.1', F.relu6, stride=2)
        for i, (_, expansion, stride, rate) in enumerate(BLOCKS, start=1):
            place, before = f'backbone.features.{i}.conv', x
            if expansion != 1:
                x = net.layer(x, f'{place}.0.0', f'{place}.0.1', F.relu6)
            last = 1 if expansion == 1 else 2
            x = net.conv(x, f'{place}.{last - 1}.0', stride, rate, groups=x.shape[1])
            x = F.relu6(net.norm(x, f'{place}.{last - 1}.1'))
            x = net.norm(net.conv(x, f'{place}.{last}'), f'{place}.{last + 1}')
            # features.7 and .14 would halve the map at stride 32; they have no shortcut, their widths differ anyway.
            x = x + before if stride == 1 and x.shape[1] == before.shape[1] else x
        mean = net.layer(x.mean((2, 3), keepdim=True), 'head.image_pooling.0', 'head.image_pooling.1')
        branch = net.layer(x, 'head.aspp0.0', 'head.aspp0.1')
        x = net.layer(stacked(mean.expand_as(branch), branch), 'head.concat_projection.0', 'head.concat_projection.1')
        return dict(decode_head=corners(net.conv(x, 'head.logits'), image))

    return scores


def cases(pack: Optional[Path]) -> list[Case]:
    """With random weights, and with Google's where the data are."""
    compared = 'its arithmetic, written out'
    found = [Case("Google's MobileNetV2 with the image pool, random weights", 'mobilenet-v2-pool', write, compared,
                  reference)]
    if pack is not None:
        found.append(Case("Google's MobileNetV2 with the image pool, Google's weights", 'mobilenet-v2-pool',
                          partial(shutil.copy, pack / REAL), compared, reference))
    return found
