"""Processes that wait for others in vain: what they say, and how long they wait."""
import datetime
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist

from segkit.engine.lost_processes import _is_loss, loss_explained
from segkit.engine.stop_request import StopRequest
from segkit.errors import LostProcessError


def _one_of_two(rank, init, folder, other):
    dist.init_process_group('gloo', init_method=f'file://{init}', rank=rank, world_size=2,
                            timeout=datetime.timedelta(seconds=2 if other == 'late' else 60))
    runner = SimpleNamespace(work_dir=str(folder), cfg={})
    dist.barrier()
    if rank == 1:
        if other == 'late':  # it comes when the first one has given up
            dist.distributed_c10d._get_default_store().wait(['said'], datetime.timedelta(seconds=60))
        os._exit(0)
    try:
        with loss_explained(runner, training=True):
            dist.all_reduce(torch.zeros(1))
    except LostProcessError as error:
        (folder / 'said').write_text(str(error))
        dist.distributed_c10d._get_default_store().set('said', '')
    os._exit(0)  # as segkit.apis.cli leaves: gloo may abort a process that ends with its group


@pytest.mark.slow
@pytest.mark.parametrize('other, reason', [
    ('late', 'another process did not come in time (Timed out waiting 2000ms'), ('gone', 'another process is gone (')])
def test_the_reason_and_how_to_go_on(in_processes, tmp_path, other, reason):
    (tmp_path / 'iter_2.pth').touch()
    in_processes(_one_of_two, tmp_path / 'init', tmp_path, other)
    lines = (tmp_path / 'said').read_text().splitlines()
    assert len(lines) == 4 and lines[0].startswith(reason)
    assert ('env_cfg.dist_cfg.timeout' in lines[1]) is (other == 'late')
    assert lines[2] == f'The last checkpoint is {tmp_path}/iter_2.pth'
    assert lines[3].startswith('go on with resume=True')


def test_other_errors_keep_their_trace(tmp_path):
    with pytest.raises(RuntimeError, match='^shapes do not fit$'), loss_explained(SimpleNamespace()):
        raise RuntimeError('shapes do not fit')
    with pytest.raises(RuntimeError, match='^Timed out waiting$'), loss_explained(SimpleNamespace()):
        raise RuntimeError('Timed out waiting')  # in one process it waited for something else


@pytest.mark.parametrize('error, lost', [
    (RuntimeError('[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1'), True),
    (dist.DistBackendError('NCCL communicator was aborted on rank 1.'), True),
    (dist.DistStoreError('wait timeout after 1800000ms, keys: /a'), True),
    (dist.DistBackendError('NCCL error in: NCCLUtils.cpp:77, invalid usage; Duplicate GPU detected'), False),
    (RuntimeError('a loader timed out'), False)], ids=lambda value: str(value)[:30])
def test_which_errors_are_the_loss_of_a_process(error, lost):
    assert _is_loss(error) is lost


def _timeouts(rank, init, folder):
    dist.init_process_group('gloo', init_method=f'file://{init}', rank=rank, world_size=2)
    found = []
    for timeout in (None, 7., 100_000):
        with StopRequest(launched=True, timeout=timeout) as stop:
            found.append([stop._groups[validated]._get_backend(torch.device('cpu')).options._timeout.total_seconds()
                          for validated in (False, True)])
            assert not stop.agreed() and not stop.agreed(validated=True)
    Path(folder, f'limits{rank}').write_text(repr(found))
    dist.destroy_process_group()


@pytest.mark.slow
def test_how_long_the_others_are_waited_for(in_processes, tmp_path):
    """After an iteration and after a validation: unless env_cfg.dist_cfg.timeout says so, and where it does."""
    in_processes(_timeouts, tmp_path / 'init', tmp_path)
    for rank in (0, 1):
        assert (tmp_path / f'limits{rank}').read_text() == repr([[1800., 86400.], [7., 86400.], [100_000., 100_000.]])
