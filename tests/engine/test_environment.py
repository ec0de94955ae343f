"""Environment report and process group."""
import sys

import pytest
import torch

from segkit.engine import environment
from segkit.errors import ConfigError


def test_report_imports_no_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    facts = environment.report()
    assert facts['segkit'] and facts['python'] and facts['torch']
    assert any('mmengine' in name for name in facts)  # its forks bring the same module under other names


def test_launcher_that_needs_cuda():
    with pytest.raises(ConfigError, match='--launcher slurm needs CUDA'):
        environment.start_cpu_process_group('slurm', {})


def test_launcher_that_did_not_launch(monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    with pytest.raises(ConfigError, match='RANK.*not set.\nStart it with tools/dist_train.sh'):
        environment.start_cpu_process_group('pytorch', {})


def test_leaving_without_a_group_is_nothing():
    environment.leave_process_group()
    assert not torch.distributed.is_initialized()
