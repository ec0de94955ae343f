"""The source's own network with a file's weights."""
import pytest
import torch

from segkit.apis.importers.plan import load_source
from segkit.errors import CheckpointError


def test_a_package_whose_network_is_another_is_said():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.Linear(2, 3))
    weights = {'0.weight': torch.full((2, 1, 1, 1), 4.), '0.bias': torch.zeros(2), '1.weight': torch.zeros(9, 9)}
    load_source(net, weights, 'a net', ('1.',))
    assert not net.training and (net[0].weight == 4).all() and net[1].weight.shape == (3, 2)
    for wrong in (weights, {'0.weight': weights['0.weight']}, {**weights, 'more': torch.ones(1)}):
        with pytest.raises(CheckpointError, match='do not fit a net as the package installed here builds it: '):
            load_source(net, wrong, 'a net', ('1.',) if wrong is not weights else ())
