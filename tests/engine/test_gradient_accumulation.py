"""optim_wrapper.accumulative_counts: what is equal to a larger batch, when the optimizer steps, what is exchanged."""
import os
import socket
from contextlib import contextmanager

import pytest
import torch
from mmengine.hooks import Hook
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from segkit.engine import AmpOptimWrapper

# Nothing in the network looks at more than one image, and nothing is drawn in it.
APART = dict(model__backbone__norm_eval=True, model__decode_head__norm_eval=True,
             model__decode_head__dropout_ratio=0.0, param_scheduler=None, val_cfg=None, val_dataloader=None,
             val_evaluator=None)
FOUR_AT_ONCE = dict(train_dataloader__batch_size=4, train_cfg__max_iters=2, **APART)
ONE_BY_ONE = dict(train_dataloader__batch_size=1, train_cfg__max_iters=8, optim_wrapper__accumulative_counts=4, **APART)


def overrides(changes):
    return {('+' + key if key.endswith(('norm_eval', 'accumulative_counts')) else key): value
            for key, value in changes.items()}


def weights(path):
    return torch.load(path, weights_only=True)['state_dict']


def difference(a, b):
    return max((a[key] - b[key]).abs().max().item() for key in a if a[key].is_floating_point())


def test_four_batches_of_one_are_one_batch_of_four(run, tmp_path):
    run('four', **overrides(FOUR_AT_ONCE)).train()
    run('one', **overrides(ONE_BY_ONE)).train()
    four, one = weights(tmp_path / 'four/iter_2.pth'), weights(tmp_path / 'one/iter_8.pth')
    start = weights_at_start(run)
    assert difference(four, start) > 0.01
    assert difference(four, one) < 1e-6


def weights_at_start(run):
    runner = run('start', **overrides(FOUR_AT_ONCE))
    runner.call_hook('before_run')
    runner._init_model_weights()
    return {key: value.clone() for key, value in runner.model.state_dict().items()}


def test_a_mean_over_valid_pixels_is_not_the_same(run, tmp_path):
    """Each batch has a mean of its own; the mean of those means weighs a pixel in a batch with much void more."""
    uneven = dict(train_dataloader__dataset__pipeline__2__crop_size=(64, 64), model__data_preprocessor__size=(64, 64))
    valid = {'+model__decode_head__loss_decode': dict(type='CrossEntropyLoss', avg_non_ignore=True)}
    for name, more in (('all', {}), ('valid', valid)):
        run(f'{name}_four', **overrides(FOUR_AT_ONCE), **uneven, **more).train()
        run(f'{name}_one', **overrides(ONE_BY_ONE), **uneven, **more).train()
    found = {name: difference(*(weights(tmp_path / f'{name}_{end}') for end in ('four/iter_2.pth', 'one/iter_8.pth')))
             for name in ('all', 'valid')}
    assert found['all'] < 1e-6 and found['valid'] > 1e-5


class Steps(Hook):
    """The iterations at which the weights moved, and the learning rate of each."""

    def __init__(self):
        self.moved, self.rates, self.before = [], [], None

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        weight = runner.model.decode_head.conv_seg.weight.detach().clone()
        if self.before is None or not torch.equal(weight, self.before):
            self.moved.append(runner.iter + 1)
        self.before = weight

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if self.before is None:
            self.before = runner.model.decode_head.conv_seg.weight.detach().clone()
        self.rates.append(runner.optim_wrapper.param_groups[0]['lr'])


@pytest.mark.parametrize('kind', ['OptimWrapper', 'AmpOptimWrapper'])
def test_optimizer_steps_every_nth_time_and_at_the_end(run, kind, recwarn):
    runner = run(optim_wrapper__type=kind, **overrides(dict(optim_wrapper__accumulative_counts=4)))
    steps = Steps()
    runner.register_hook(steps)
    runner.train()
    assert steps.moved == [4, 6]
    # Schedules count iterations, whether the optimizer steps or not.
    assert steps.rates == pytest.approx([(0.01 - 1e-4) * (1 - i / 5)**0.9 + 1e-4 for i in range(6)], abs=1e-9)
    assert not any('lr_scheduler' in str(w.message) or 'scheduler.step' in str(w.message) for w in recwarn)


@pytest.mark.parametrize('clip', [None, dict(max_norm=0.01)])
@pytest.mark.parametrize('kind', ['OptimWrapper', 'AmpOptimWrapper'])
def test_gradients_are_means_of_what_was_gathered(kind, clip):
    """Seven losses four by four: a mean of four, then of the three that are left; clipped as a whole, once."""
    from mmengine.optim import OptimWrapper
    torch.manual_seed(0)
    model = nn.Linear(3, 1, bias=False)
    inputs = torch.randn(7, 3)
    optim = dict(OptimWrapper=OptimWrapper, AmpOptimWrapper=AmpOptimWrapper)[kind](
        optimizer=torch.optim.SGD(model.parameters(), lr=1.0), accumulative_counts=4, clip_grad=clip)
    optim.initialize_count_status(model, 0, 7)
    moves, before = [], model.weight.detach().clone()
    for row in inputs:
        optim.update_params((model.weight * row).sum())
        if optim.should_update():
            moves.append((before - model.weight).flatten().detach())
            before = model.weight.detach().clone()
    expected = [inputs[:4].mean(0), inputs[4:].mean(0)]
    if clip:
        expected = [grad * min(1, 0.01 / grad.norm()) for grad in expected]
    torch.testing.assert_close(torch.stack(moves), torch.stack(expected), rtol=1e-4, atol=1e-6)


def train_in_process(rank, port, folder):
    """Two processes, two images each, one at a time."""
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.distributed.init_process_group('gloo', rank=rank, world_size=2)
    from mmengine.optim import OptimWrapper
    torch.manual_seed(0)
    model = DistributedDataParallel(nn.Linear(3, 2))
    exchanged = []
    plain = model.no_sync

    @contextmanager
    def no_sync():
        exchanged[-1] = False
        with plain():
            yield

    model.no_sync = no_sync
    optim = OptimWrapper(optimizer=torch.optim.SGD(model.parameters(), lr=0.5), accumulative_counts=2)
    optim.initialize_count_status(model, 0, 4)
    gen = torch.Generator().manual_seed(1)
    data = torch.randn(4, 2, 3, generator=gen)  # iterations, processes
    for batch in data:
        exchanged.append(True)
        with optim.optim_context(model):
            loss = model(batch[rank]).square().sum()
        optim.update_params(loss)
    torch.save(dict(weight=model.module.weight.detach(), exchanged=exchanged), folder / f'{rank}.pth')
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_processes_exchange_gradients_only_where_the_optimizer_steps(in_processes, tmp_path):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    in_processes(train_in_process, port, tmp_path)
    results = [torch.load(tmp_path / f'{rank}.pth') for rank in range(2)]
    assert all(result['exchanged'] == [False, True, False, True] for result in results)
    assert torch.equal(results[0]['weight'], results[1]['weight'])
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optim = torch.optim.SGD(model.parameters(), lr=0.5)
    data = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(1))
    for four in data.view(2, 4, 3):
        (model(four).square().sum() / 4).backward()
        optim.step()
        optim.zero_grad()
    torch.testing.assert_close(results[0]['weight'], model.weight.detach(), rtol=1e-5, atol=1e-6)
