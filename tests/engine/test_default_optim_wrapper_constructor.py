"""Parameter groups by name, and a name that reaches nothing."""
import logging

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from torch import nn

from segkit.errors import ConfigError


@pytest.fixture
def model():
    net = nn.Sequential()
    net.add_module('backbone', nn.Linear(2, 2))
    net.add_module('decode_head', nn.Linear(2, 2))
    return net


def build(model, **custom_keys):
    return build_optim_wrapper(model, dict(
        optimizer=dict(type='SGD', lr=0.1), paramwise_cfg=dict(custom_keys=custom_keys)))


def test_multiplier_reaches_its_parameters(model):
    rates = {id(group['params'][0]): group['lr'] for group in build(model, decode_head=dict(lr_mult=10.)).param_groups}
    assert rates[id(model.decode_head.weight)] == rates[id(model.decode_head.bias)] == pytest.approx(1.)
    assert rates[id(model.backbone.weight)] == pytest.approx(.1)


def test_key_that_matches_nothing(model):
    with pytest.raises(ConfigError, match="(?s)custom_keys: 'decode_haed' is part of no .*Nearest: decode_head. "
                                          'The model has backbone, decode_head.'):
        build(model, decode_haed=dict(lr_mult=10.))
    with pytest.raises(ConfigError, match='The model has'):  # nothing is near
        build(model, qqq=dict(lr_mult=10.))


def test_no_line_for_each_parameter(model):
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        model.backbone.requires_grad_(False)
        built = build(model, decode_head=dict(lr_mult=10.))
    finally:
        logger.removeHandler(handler)
    assert not [line for line in lines if 'decode_head' in line or 'backbone' in line] and not logger.filters
    assert [tuple(g['params'][0].shape) for g in built.param_groups[:2]] == [(2, 2), (2,)]
    assert isinstance(built.optimizer, torch.optim.SGD)
