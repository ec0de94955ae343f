"""How the processes of a distributed run were started, in the variables that torch reads.

torchrun and tools/dist_train.sh set RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. Slurm and MPI say the
same in variables of their own; :func:`adopt` gives them torch's names. It runs before torch is imported.
"""
import os
import re
import socket
import struct
import sys
from typing import Optional

from segkit.errors import ConfigError

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
NEEDED = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')
DEFAULT_PORT = 29500
SIOCGIFADDR = 0x8915  # asks Linux for an interface's address
# torch's name, and those under which a launcher sets it, the first that is there counting.
NAMES = {
    'slurm': dict(RANK=['SLURM_PROCID'], WORLD_SIZE=['SLURM_STEP_NUM_TASKS', 'SLURM_NTASKS'],
                  LOCAL_RANK=['SLURM_LOCALID']),
    'mpi': dict(RANK=['OMPI_COMM_WORLD_RANK', 'PMI_RANK'], WORLD_SIZE=['OMPI_COMM_WORLD_SIZE', 'PMI_SIZE'],
                LOCAL_RANK=['OMPI_COMM_WORLD_LOCAL_RANK', 'MPI_LOCALRANKID']),
}
HINTS = {
    'pytorch': 'Start it with tools/dist_train.sh CONFIG N, or with torchrun.',
    'slurm': 'Start it with tools/slurm_train.sh, or with srun inside an allocation.',
    'mpi': 'Start it with mpirun -x MASTER_ADDR=..., the address of the machine of process 0.',
}


def adopt(launcher: str) -> None:
    """Set torch's variables from those of the launcher; nothing for 'none'.

    The meeting point of Slurm's processes is the first machine of their step, unless MASTER_ADDR says another; the
    port is MASTER_PORT or PORT, else one that follows from the number of the job, so that two jobs on one machine do
    not meet.

    Args:
        launcher: 'none', 'pytorch', 'slurm' or 'mpi'.

    Raises:
        ConfigError: If the launcher is unknown, or its variables are not there.
    """
    if launcher == 'none':
        return
    if launcher not in LAUNCHERS:
        raise ConfigError(f'launcher: expected one of {", ".join(LAUNCHERS)}, got {launcher!r}.')
    for name, theirs in NAMES.get(launcher, {}).items():
        found = next((os.environ[one] for one in theirs if one in os.environ), None)
        if found is None:
            raise ConfigError(f'--launcher {launcher}: the environment variable {theirs[0]} is not set.\n'
                              f'{HINTS[launcher]}')
        os.environ[name] = found
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        nodes = os.environ.get('SLURM_STEP_NODELIST') or os.environ.get('SLURM_NODELIST')
        if nodes:
            os.environ['MASTER_ADDR'] = first_host(nodes)
    if launcher != 'pytorch' and 'MASTER_PORT' not in os.environ:
        job = os.environ.get('SLURM_JOB_ID', '0')
        offset = int(job) % 1000 if job.isdigit() else 0
        os.environ['MASTER_PORT'] = os.environ.get('PORT') or str(DEFAULT_PORT + offset)
    missing = [name for name in NEEDED if name not in os.environ]
    if missing:
        several = 's' if len(missing) > 1 else ''
        raise ConfigError(f'--launcher {launcher}: the environment variable{several} {", ".join(missing)} '
                          f'{"are" if several else "is"} not set.\n{HINTS[launcher]}')
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT'):
        if not os.environ[name].isdigit():
            raise ConfigError(f'--launcher {launcher}: expected a number in the environment variable {name}, got '
                              f'{os.environ[name]!r}.\n{HINTS[launcher]}')
    if 'GLOO_SOCKET_IFNAME' not in os.environ:
        interface = interface_towards(os.environ['MASTER_ADDR'])
        if interface is not None:
            os.environ['GLOO_SOCKET_IFNAME'] = interface


def number_of_processes(launcher: str) -> int:
    """Processes of the run, before they have met."""
    if launcher == 'none':
        return 1
    adopt(launcher)
    return int(os.environ['WORLD_SIZE'])


def interface_towards(address: str) -> Optional[str]:
    """The network interface that leads to an address; None where it is this machine's loopback, or cannot be told.

    Left alone, gloo takes the address of this machine's own name, which many systems keep as 127.0.1.1: no other
    machine reaches it there.
    """
    if sys.platform != 'linux':
        return None
    import fcntl
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect((address, 1))  # sends nothing; the system only looks up the way
            own = s.getsockname()[0]
            if own.startswith('127.'):
                return None
            for _, name in socket.if_nameindex():
                try:
                    answer = fcntl.ioctl(s, SIOCGIFADDR, struct.pack('256s', name.encode()[:15]))
                except OSError:  # an interface without an address
                    continue
                if socket.inet_ntoa(answer[20:24]) == own:
                    return name
    except OSError:
        return None
    return None


def first_host(nodes: str) -> str:
    """The first name of one of Slurm's lists of machines: 'gpu[03-05,7],login1' -> 'gpu03'."""
    name = re.split(r',(?![^\[]*\])', nodes)[0]
    return re.sub(r'\[([^\]]*)\]', lambda span: re.split('[-,]', span[1])[0], name)
