"""Shapes, taken while they pass."""
from types import SimpleNamespace

import numpy as np
import torch
from mmengine.dataset import Compose
from torch import nn

from segkit.engine.shape_trace import watch_model, watch_pipelines


def load(results):
    height = results['height']
    return dict(img=np.zeros((height, 20, 3), np.uint8), gt_seg_map=np.zeros((height, 20), np.int32))


def halve(results):
    return {key: value[::2, ::2] for key, value in results.items()}


def test_first_sample_behind_each_transform():
    pipeline = Compose([load, halve])
    dataset = SimpleNamespace(pipeline=pipeline)
    before = pipeline.transforms
    with watch_pipelines([dataset, SimpleNamespace(pipeline=None)]) as stairs:
        pipeline(dict(height=10))
        pipeline(dict(height=30))
    assert [stair.name for stair in stairs] == ['function', 'function']
    assert stairs[0].shapes == {'img': ((10, 20, 3), 'uint8'), 'gt_seg_map': ((10, 20), 'int32')}
    assert stairs[1].shapes['img'][0] == (5, 10, 3)
    assert pipeline.transforms is before


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential()
        self.backbone.add_module('stem', nn.Conv2d(3, 4, 3, stride=2, padding=1))
        self.decode_head = nn.Conv2d(4, 2, 1)
        self.auxiliary_head = nn.ModuleList([nn.Conv2d(4, 2, 1), nn.Conv2d(4, 5, 1)])

    def forward(self, x):
        x = self.backbone(x)
        return [self.decode_head(x), self.decode_head(x[..., :1]), *(head(x) for head in self.auxiliary_head)]


def test_parts_of_a_network_at_their_first_call():
    net = Net()
    with watch_model(net) as stairs:
        net(torch.zeros(1, 3, 8, 6))
    found = {stair.place: stair.shapes[''][0] for stair in stairs}
    assert found == {'backbone.stem': (1, 4, 4, 3), 'backbone': (1, 4, 4, 3), 'decode_head': (1, 2, 4, 3),
                     'auxiliary_head[0]': (1, 2, 4, 3), 'auxiliary_head[1]': (1, 5, 4, 3)}
    net(torch.zeros(1, 3, 8, 6))
    assert len(stairs) == 5 and not net.decode_head._forward_hooks
