"""What a process says of others that it waits for in vain."""
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch.distributed as dist

from segkit.engine.last_checkpoint import find_last_checkpoint
from segkit.engine.stop_request import how_to_resume
from segkit.errors import LostProcessError, SegkitError

# What gloo (a plain RuntimeError), NCCL and the store that they meet at say of others; NCCL's other errors are defects.
LATE = ('Timed out waiting', 'timed out', 'imeout')
GONE = ('Connection closed by peer', 'Connection reset by peer', 'Broken pipe', 'gloo/transport')
GONE_NCCL = ('remote process', 'ncclRemoteError', 'communicator was aborted')


@contextmanager
def loss_explained(runner: Any, training: bool = False) -> Iterator[None]:
    """Turn what torch says where another process is gone, or does not come in time, into a user's error.

    Args:
        runner: The runner.
        training: Whether there may be a checkpoint to go on from.

    Raises:
        LostProcessError: Saying how long was waited for what, and how to go on.
    """
    try:
        yield
    except RuntimeError as error:
        if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1 and _is_loss(error)):
            raise
        raise LostProcessError(_text(error, runner, training)) from error


def _is_loss(error: RuntimeError) -> bool:
    words = (LATE[0], *GONE)
    if isinstance(error, dist.DistError):
        words += (*LATE, *GONE_NCCL)
    return isinstance(error, dist.DistNetworkError) or any(word in str(error) for word in words)


def _text(error: RuntimeError, runner: Any, training: bool) -> str:
    said = str(error).splitlines()[0]
    said = said.split('] ', 1)[-1][:160].rstrip('.') if said.startswith('[') else said[:160].rstrip('.')
    if any(words in str(error) for words in LATE):
        text = (f'another process did not come in time ({said}).\nWhere one may take that long, raise '
                'env_cfg.dist_cfg.timeout (seconds; else 1,800 on CPUs, 600 on GPUs).')
    else:
        text = (f'another process is gone ({said}).\nWhat it said, or what the system says of it (dmesg: memory), is '
                'the reason.')
    if not training:
        return text
    try:
        latest = find_last_checkpoint(runner.work_dir)
    except SegkitError:
        return f'{text}\nNo checkpoint was saved so far.'
    return f'{text}\nThe last checkpoint is {latest}\n{how_to_resume(runner, latest)}'
