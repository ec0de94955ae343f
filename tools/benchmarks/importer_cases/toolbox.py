"""pytorch-segmentation-toolbox: DeepLabV3 and PSPNet, with InPlaceABN and with plain batch norm."""
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F

from importer_cases.arithmetic import Arithmetic, corners, pooled, stacked
from importer_cases.case import Case, Reference
from importer_cases.draw import Draw

COMPARED = 'its arithmetic, written out'


def write(path: Path, depth: int = 101, pspnet: bool = False, in_place: bool = True) -> None:
    """InPlaceABN's weights have either sign, and it counts no batches."""
    draw = Draw(counted=not in_place, signed=in_place)
    for i, (out, into) in enumerate(((64, 3), (64, 64), (128, 64)), start=1):
        draw.pair(f'conv{i}', f'bn{i}', out, into, 3)
    draw.bottlenecks(depth, 128)
    if pspnet:
        for i in range(4):
            draw.pair(f'head.0.stages.{i}.1', f'head.0.stages.{i}.2', 512, 2048, 1)
        draw.pair('head.0.bottleneck.0', 'head.0.bottleneck.1', 512, 4096, 3)
    else:
        draw.pair('head.0.conv1.1', 'head.0.conv1.2', 256, 2048, 1)
        for i, size in ((2, 1), (3, 3), (4, 3), (5, 3)):
            draw.pair(f'head.0.conv{i}.0', f'head.0.conv{i}.1', 256, 2048, size)
        draw.pair('head.0.bottleneck.0', 'head.0.bottleneck.1', 512, 1280, 1)
    draw.conv('head.1', 19, 512, 1, bias=True)
    draw.pair('dsn.0', 'dsn.1', 512, 1024, 3, bias=True)
    draw.conv('dsn.3' if in_place else 'dsn.4', 19, 512, 1, bias=True)
    torch.save({f'module.{key}': value for key, value in draw.weights.items()}, path)


def reference(weights: dict) -> Reference:
    """A stem of three 3x3 whose pooling rounds up, strides on the 3x3, whole stages of rates 2 and 4; in the heads
    leaky ReLU behind InPlaceABN and ReLU behind plain batch norm, pooled maps ahead of the others."""
    in_place = 'dsn.3.weight' in weights
    net = Arithmetic(weights, in_place=in_place)
    act = partial(F.leaky_relu, negative_slope=0.01) if in_place else F.relu

    def pyramid(x: torch.Tensor) -> torch.Tensor:
        if 'head.0.stages.0.1.weight' in weights:
            levels = [pooled(x, cells, lambda y, i=i: net.layer(y, f'head.0.stages.{i}.1', f'head.0.stages.{i}.2', act))
                      for i, cells in enumerate((1, 2, 3, 6))]
            return stacked(*levels, x)
        image = pooled(x, 1, lambda y: net.layer(y, 'head.0.conv1.1', 'head.0.conv1.2', act))
        branches = [net.layer(x, f'head.0.conv{i}.0', f'head.0.conv{i}.1', act, rate=rate)
                    for i, rate in ((2, 1), (3, 12), (4, 24), (5, 36))]
        return stacked(image, *branches)

    def scores(image: torch.Tensor) -> dict[str, torch.Tensor]:
        x = image
        for i, stride in ((1, 2), (2, 1), (3, 1)):
            x = net.layer(x, f'conv{i}', f'bn{i}', stride=stride)
        *_, third, fourth = net.stages(F.max_pool2d(x, 3, 2, 1, ceil_mode=True))
        main = net.conv(net.layer(pyramid(fourth), 'head.0.bottleneck.0', 'head.0.bottleneck.1', act), 'head.1')
        side = net.conv(net.layer(third, 'dsn.0', 'dsn.1', act), 'dsn.3' if in_place else 'dsn.4')
        return dict(decode_head=corners(main, image), auxiliary_head=corners(side, image))

    return scores


CASES = [
    Case(f'pytorch-segmentation-toolbox, {"PSPNet" if pspnet else "DeepLabV3"}, '
         f'{"InPlaceABN" if in_place else "plain batch norm"}', 'segmentation-toolbox',
         partial(write, pspnet=pspnet, in_place=in_place), COMPARED, reference)
    for pspnet in (False, True) for in_place in (True, False)
]
