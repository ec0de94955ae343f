"""The comparison of several processes with one says what differs."""
import importlib.util
from pathlib import Path

import torch

PATH = Path(__file__).parents[2] / 'tools/benchmarks/distributed_equality.py'
spec = importlib.util.spec_from_file_location('distributed_equality', PATH)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def test_difference_names_the_tensor_that_is_furthest_apart():
    a = tool.Run({1: 2.0, 2: 1.0}, dict(big=torch.tensor([100., 0.]), small=torch.tensor([0.5])))
    b = tool.Run({1: 2.0, 2: 1.25}, dict(big=torch.tensor([100., 2.]), small=torch.tensor([0.75])))
    assert tool.difference(a, b) == (0.25, 2.0, 0.5, 'small')
    assert tool.difference(a, a)[:3] == (0., 0., 0.)
