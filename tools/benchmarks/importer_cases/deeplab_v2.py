"""DeepLab-ResNet-Pytorch: DeepLabV2 on Caffe's ResNet."""
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F

from importer_cases.arithmetic import Arithmetic, corners
from importer_cases.case import Case, Reference
from importer_cases.draw import Draw

COMPARED = 'its arithmetic, written out'


def write(path: Path, depth: int = 101, prefix: str = '', counted: bool = True, branches: int = 4) -> None:
    """Files written before torch 0.4.1 count no batches; those of networks for several sizes begin with ``Scale.``."""
    draw = Draw(counted=counted)
    draw.pair('conv1', 'bn1', 64, 3, 7)
    draw.bottlenecks(depth, 64)
    for i in range(branches):
        draw.conv(f'layer5.conv2d_list.{i}', 21, 2048, 3, bias=True)
    torch.save({prefix + key: value for key, value in draw.weights.items()}, path)


def reference(weights: dict) -> Reference:
    """A 7x7 stem whose pooling rounds up, strides on the first 1x1, rates 2 and 4 in whole stages, summed branches."""
    net = Arithmetic({key.removeprefix('Scale.'): value for key, value in weights.items()})
    rates = (6, 12, 18, 24) if 'layer5.conv2d_list.1.weight' in net.weights else (12,)

    def scores(image: torch.Tensor) -> dict[str, torch.Tensor]:
        x = net.layer(image, 'conv1', 'bn1', stride=2)
        x = net.stages(F.max_pool2d(x, 3, 2, 1, ceil_mode=True), stride_first=True)[-1]
        summed = sum(net.conv(x, f'layer5.conv2d_list.{i}', rate=rate) for i, rate in enumerate(rates))
        return dict(decode_head=corners(summed, image))

    return scores


CASES = [
    Case('DeepLab-ResNet-Pytorch, ResNet-101', 'deeplab-resnet-pytorch', write, COMPARED, reference),
    Case('the same with `Scale.` ahead of the keys, no counted batches', 'deeplab-resnet-pytorch',
         partial(write, prefix='Scale.', counted=False), COMPARED, reference, size=(129, 193)),
    Case('the same with one branch (LargeFOV)', 'deeplab-resnet-pytorch', partial(write, branches=1), COMPARED,
         reference),
]
