"""Counting a step without doing it."""
import pytest
import torch
from mmengine.model import BaseModel
from torch import nn

from segkit.engine.step_simulation import LiveBytes, StepSimulation
from segkit.models.data_preprocessor import SegDataPreProcessor
from segkit.registry import MODELS


class OneConv(BaseModel):
    """One convolution of 3 to 8 channels, 3x3, without padding."""

    def __init__(self):
        super().__init__(data_preprocessor=SegDataPreProcessor())
        self.conv = nn.Conv2d(3, 8, 3, bias=False)

    def forward(self, inputs, labels=None, data_samples=None, mode='tensor'):
        return dict(loss=self.conv(inputs).mean())


@pytest.fixture(autouse=True)
def registered():
    MODELS.register_module(name='OneConv', module=OneConv, force=True)


def test_operations_are_those_of_the_formula():
    cost = StepSimulation(dict(type='OneConv')).step((2, 3, 12, 22))
    multiplications = 2 * 8 * 10 * 20 * 3 * 9
    assert cost.flops == 2 * multiplications * 2  # forward and the weight's gradient; the image needs none
    assert cost.weight_bytes == 8 * 27 * 4


def test_peak_grows_with_the_images_alone():
    simulation = StepSimulation(dict(type='OneConv'))
    one, two = simulation.step((1, 3, 66, 66)), simulation.step((2, 3, 66, 66))
    assert one.weight_bytes == two.weight_bytes
    fixed = one.peak_bytes - (two.peak_bytes - one.peak_bytes)
    assert 0 <= fixed < 8 * one.weight_bytes
    assert simulation.step((1, 3, 66, 66))[:3] == one[:3]  # nothing is left of a step


def test_live_bytes_follow_what_lives():
    with LiveBytes() as counted:
        a = torch.ones(1000)
        b = a.view(10, 100)  # no storage of its own
        assert counted.live == 4000
        c = a + 1
        assert counted.live == 8000
        del a, b
        assert counted.live == 4000
        c.add_(1)
    assert counted.peak == 8000 and counted.live == 4000


def test_a_real_network_costs_what_it_costs(tiny_config):
    """The peak of the count is that of torch's own profiler on the same step, where nothing but tensors is counted."""
    from segkit.config import load_config
    cfg = load_config(tiny_config, [], say=lambda line: None)
    cost = StepSimulation(cfg.model).step((2, 3, 64, 64))
    model = MODELS.build(cfg.model).train()
    model.log_accuracy = False
    model.data_preprocessor.size = (64, 64)
    with LiveBytes() as counted:
        inputs = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
        data = model.data_preprocessor(dict(inputs=inputs, labels=inputs[:, 0].clone()), training=True)
        losses = model(**data, mode='loss')
        losses['decode.loss_ce'].backward()
    assert cost.peak_bytes - cost.weight_bytes == pytest.approx(counted.peak, rel=0.05)
    assert {stair.place for stair in cost.stairs} >= {'data_preprocessor', 'backbone', 'decode_head'}
    assert dict((stair.place, stair.shapes) for stair in cost.stairs)['decode_head'][''] == ((2, 3, 4, 4), 'float32')


def test_bfloat16_takes_less():
    full = StepSimulation(dict(type='OneConv')).step((4, 3, 66, 66))
    half = StepSimulation(dict(type='OneConv'), amp_dtype=torch.bfloat16).step((4, 3, 66, 66))
    assert half.peak_bytes < full.peak_bytes and half.flops == full.flops
