"""Variables of launchers under torch's names."""
import socket
import sys

import pytest

from segkit import launchers
from segkit.errors import ConfigError


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """No launcher's variable at first, and none left behind."""
    names = [*launchers.NEEDED, 'PORT', 'GLOO_SOCKET_IFNAME', 'SLURM_NODELIST', 'SLURM_STEP_NODELIST', 'SLURM_JOB_ID',
             *(one for table in launchers.NAMES.values() for theirs in table.values() for one in theirs)]
    for name in names:
        monkeypatch.setenv(name, 'x')  # remembers what to put back
        monkeypatch.delenv(name)
    return monkeypatch


def setenv(patch, **values):
    for name, value in values.items():
        patch.setenv(name, str(value))


def seen(*names):
    import os
    return tuple(os.environ.get(name) for name in names)


def test_slurm_speaks_torch(bare_environment):
    setenv(bare_environment, SLURM_PROCID=5, SLURM_NTASKS=8, SLURM_LOCALID=1, SLURM_NODELIST='gpu[03-04,9]',
           SLURM_JOB_ID=123456)
    assert launchers.number_of_processes('slurm') == 8
    assert seen('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT') == ('5', '8', '1', 'gpu03', '29956')


def test_a_step_smaller_than_its_job_counts_its_own_tasks(bare_environment):
    setenv(bare_environment, SLURM_PROCID=0, SLURM_NTASKS=8, SLURM_STEP_NUM_TASKS=2, SLURM_LOCALID=0,
           SLURM_NODELIST='a[1-4]', SLURM_STEP_NODELIST='a3', MASTER_PORT=1234)
    assert launchers.number_of_processes('slurm') == 2
    assert seen('MASTER_ADDR', 'MASTER_PORT') == ('a3', '1234')


def test_mpi_speaks_torch(bare_environment):
    setenv(bare_environment, OMPI_COMM_WORLD_RANK=1, OMPI_COMM_WORLD_SIZE=2, OMPI_COMM_WORLD_LOCAL_RANK=1)
    with pytest.raises(ConfigError, match='MASTER_ADDR is not set'):
        launchers.adopt('mpi')
    bare_environment.setenv('MASTER_ADDR', 'here')
    launchers.adopt('mpi')
    assert seen('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT') == ('1', '2', '1', '29500')


@pytest.mark.parametrize('launcher, named', [('pytorch', 'RANK, WORLD_SIZE'), ('slurm', 'SLURM_PROCID'),
                                             ('mpi', 'OMPI_COMM_WORLD_RANK'), ('ssh', "got 'ssh'")])
def test_says_what_is_missing(launcher, named):
    with pytest.raises(ConfigError, match=named):
        launchers.adopt(launcher)


def test_a_rank_that_is_no_number_is_refused(bare_environment):
    setenv(bare_environment, RANK='first', WORLD_SIZE=2, LOCAL_RANK=0, MASTER_ADDR='here', MASTER_PORT=1)
    with pytest.raises(ConfigError, match="RANK, got 'first'"):
        launchers.adopt('pytorch')


def test_without_a_launcher_there_is_one_process(bare_environment):
    setenv(bare_environment, WORLD_SIZE=8)
    assert launchers.number_of_processes('none') == 1


@pytest.mark.parametrize('nodes, first', [('node7', 'node7'), ('a,b', 'a'), ('gpu[03-05,7],x', 'gpu03'),
                                          ('r[1-2]n[10,12]', 'r1n10'), ('c[08,10-12].lab', 'c08.lab')])
def test_the_first_machine_of_a_list(nodes, first):
    assert launchers.first_host(nodes) == first


def test_gloo_takes_the_interface_towards_the_meeting_point(bare_environment):
    setenv(bare_environment, RANK=0, WORLD_SIZE=2, LOCAL_RANK=0, MASTER_ADDR='far', MASTER_PORT=1)
    bare_environment.setattr(launchers, 'interface_towards', lambda address: f'eth-{address}')
    launchers.adopt('pytorch')
    assert seen('GLOO_SOCKET_IFNAME') == ('eth-far', )
    setenv(bare_environment, GLOO_SOCKET_IFNAME='ib0')  # what the user says wins
    launchers.adopt('pytorch')
    assert seen('GLOO_SOCKET_IFNAME') == ('ib0', )


def test_no_interface_is_named_for_this_machine_or_an_unknown_one():
    assert launchers.interface_towards('127.0.0.1') is None
    assert launchers.interface_towards('no.such.machine.invalid') is None


@pytest.mark.skipif(sys.platform != 'linux', reason='asks Linux')
def test_the_interface_of_an_address_is_found():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(('192.0.2.1', 1))  # an address of documentation; nothing is sent
        except OSError:
            pytest.skip('this machine has no network')
        if s.getsockname()[0].startswith('127.'):
            pytest.skip('this machine has no network')
    assert launchers.interface_towards('192.0.2.1') in [name for _, name in socket.if_nameindex()]
