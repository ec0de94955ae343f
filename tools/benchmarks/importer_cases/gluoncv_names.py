"""GluonCV's DeepLabV3: its names in a file of torch.save, and files that MXNet wrote."""
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F

from importer_cases.arithmetic import Arithmetic, corners, pooled, stacked
from importer_cases.case import Case, Reference
from importer_cases.draw import Draw

SIDE = Path(__file__).with_name('gluoncv_side.py')


def write(path: Path, depth: int = 50) -> None:
    draw = Draw(leaves=('gamma', 'beta', 'running_mean', 'running_var'), counted=False)
    draw.pair('conv1.0', 'conv1.1', 64, 3, 3)
    draw.pair('conv1.3', 'conv1.4', 64, 64, 3)
    draw.pair('conv1.6', 'bn1', 128, 64, 3)
    draw.bottlenecks(depth, 128)
    for i, size in enumerate((1, 3, 3, 3)):
        draw.pair(f'head.aspp.concurent.{i}.0', f'head.aspp.concurent.{i}.1', 256, 2048, size)
    draw.pair('head.aspp.concurent.4.gap.1', 'head.aspp.concurent.4.gap.2', 256, 2048, 1)
    draw.pair('head.aspp.project.0', 'head.aspp.project.1', 256, 1280, 1)
    for place, into in (('head', 256), ('auxlayer', 1024)):
        draw.pair(f'{place}.block.0', f'{place}.block.1', 256, into, 3)
        draw.conv(f'{place}.block.4', 21, 256, 1, bias=True)
    torch.save(draw.weights, path)


def reference(weights: dict) -> Reference:
    """A stem of three 3x3, strides on the 3x3, the first block of a dilated stage at the rate before it."""
    net = Arithmetic(weights, leaves=('gamma', 'beta'))

    def scores(image: torch.Tensor) -> dict[str, torch.Tensor]:
        x = net.layer(image, 'conv1.0', 'conv1.1', stride=2)
        x = net.layer(net.layer(x, 'conv1.3', 'conv1.4'), 'conv1.6', 'bn1')
        *_, third, x = net.stages(F.max_pool2d(x, 3, 2, 1), contract=True)
        aspp = 'head.aspp.concurent'
        branches = [net.layer(x, f'{aspp}.{i}.0', f'{aspp}.{i}.1', rate=rate) for i, rate in enumerate((1, 12, 24, 36))]
        branches.append(pooled(x, 1, lambda y: net.layer(y, f'{aspp}.4.gap.1', f'{aspp}.4.gap.2')))
        x = net.layer(stacked(*branches), 'head.aspp.project.0', 'head.aspp.project.1')
        return {ours: corners(net.conv(net.layer(y, f'{place}.block.0', f'{place}.block.1'), f'{place}.block.4'), image)
                for ours, place, y in (('decode_head', 'head', x), ('auxiliary_head', 'auxlayer', third))}

    return scores


CASES = [
    *(Case(f"GluonCV's names, DeepLabV3 on resnet{depth}_v1s", 'gluoncv', partial(write, depth=depth),
           'its arithmetic, written out', reference) for depth in (50, 101)),
    *(Case(f'GluonCV `.params`, DeepLabV3 on resnet{depth}_v1s', 'gluoncv', lambda path: None, 'GluonCV on MXNet',
           python='gluoncv', options=(str(depth),), suffix='.params') for depth in (50, 101)),
]
