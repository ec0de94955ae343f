"""A stand-in for the runner, as far as a hook looks at it."""
import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub


@pytest.fixture
def runner(tmp_path):
    """At the iteration ``iter`` (counted from 0) of 10, logging every second one."""
    saved, lines = [], []
    logger = logging.Logger('fake')
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    r = SimpleNamespace(work_dir=str(tmp_path), log_dir=str(tmp_path), test_dir=str(tmp_path / 'test'),
                        iter=0, epoch=0, max_iters=10, max_epochs=1, log_interval=2, hooks=[],
                        optim_wrapper=SimpleNamespace(), cfg={},
                        message_hub=MessageHub('fake'), logger=logger, saved=saved,
                        lines=lines, seed=0, experiment_name='fake', world_size=1, val_interval=5, val_loop=None)
    r.is_logged_iter = lambda: (r.iter + 1) % r.log_interval == 0 or r.iter + 1 == r.max_iters

    def save_checkpoint(folder, name, **kwargs):
        saved.append((name, kwargs))
        torch.save(dict(meta=kwargs['meta'], state_dict=dict(w=torch.zeros(1))), f'{folder}/{name}')

    r.save_checkpoint = save_checkpoint
    return r
