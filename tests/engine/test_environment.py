"""Environment report and process group."""
import os
import socket
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


@pytest.fixture
def alone(monkeypatch):
    """The variables of a process that is the only one of its run, at a port that is free."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    for name, value in dict(RANK=0, WORLD_SIZE=1, LOCAL_RANK=0, MASTER_ADDR='127.0.0.1', MASTER_PORT=port).items():
        monkeypatch.setenv(name, str(value))
    return monkeypatch


def test_launcher_that_did_not_launch(monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    with pytest.raises(ConfigError, match='RANK.*not set.\nStart it with tools/dist_train.sh'):
        environment.start_process_group('pytorch', {})


def test_cpus_meet_over_gloo_whatever_the_config_says(alone, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    environment.start_process_group('pytorch', dict(backend='nccl', timeout=60))
    try:
        assert torch.distributed.get_backend() == 'gloo' and torch.distributed.get_world_size() == 1
    finally:
        environment.leave_process_group()
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize('backend, expected', [(None, 'nccl'), ('gloo', 'gloo')])
def test_a_gpu_for_each_process_and_the_backend_asked_for(alone, monkeypatch, backend, expected):
    seen = {}
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    monkeypatch.setattr(torch.cuda, 'set_device', lambda device: seen.update(device=device))
    monkeypatch.setattr(torch.distributed, 'init_process_group',
                        lambda name, timeout, **kw: seen.update(backend=name, timeout=timeout, **kw))
    alone.setenv('LOCAL_RANK', '1')
    environment.start_process_group('pytorch', dict(backend=backend, pg_options=1))
    assert seen == dict(device=1, backend=expected, timeout=None, pg_options=1)


def test_a_process_without_a_gpu_of_its_own_is_refused(alone, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    alone.setenv('LOCAL_RANK', '2')
    with pytest.raises(ConfigError, match='3 processes were started on this machine, and it shows 1 GPU.'):
        environment.start_process_group('pytorch', {})


def test_processes_that_cannot_meet_say_where(alone, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    taken = socket.socket()
    taken.bind(('', int(os.environ['MASTER_PORT'])))
    taken.listen()
    with taken, pytest.raises(ConfigError, match=r'the processes \(1\) could not meet at 127.0.0.1:'):
        environment.start_process_group('pytorch', {})


@pytest.mark.parametrize('timeout', [0, -1, 'long'])
def test_a_timeout_is_seconds(alone, timeout):
    with pytest.raises(ConfigError, match='env_cfg.dist_cfg.timeout'):
        environment.start_process_group('pytorch', dict(timeout=timeout))


def test_leaving_without_a_group_is_nothing():
    environment.leave_process_group()
    assert not torch.distributed.is_initialized()
