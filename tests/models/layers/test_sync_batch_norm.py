"""SyncBatchNorm: plain batch norm in one process, one batch over several."""
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from mmcv.cnn import ConvModule, build_norm_layer
from mmengine.registry import DefaultScope
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from segkit.models.layers import SyncBatchNorm

SHARDS = (2, 3)  # samples of each process, unequal on purpose


def make_batch() -> tuple[torch.Tensor, torch.Tensor]:
    gen = torch.Generator().manual_seed(0)
    # A mean of 3000 with a deviation of 1: float32 sums of squares would lose the variance.
    x = torch.randn(sum(SHARDS), 4, 5, 3, generator=gen) + torch.tensor([0., 3000., -5., 1.]).view(1, 4, 1, 1)
    return x, torch.randn(x.shape, generator=gen)


def make_norm(cls: type, **kwargs) -> nn.Module:
    norm = cls(4, **{'momentum': 0.3, **kwargs})
    if norm.affine:
        with torch.no_grad():
            norm.weight.copy_(torch.tensor([0.5, 1.5, -2.0, 1.0]))
            norm.bias.copy_(torch.tensor([0.1, 0.0, 3.0, -1.0]))
    return norm


CASES = dict(affine=dict(), plain=dict(affine=False), average=dict(momentum=None),
             stateless=dict(track_running_stats=False))


def run_step(norm: nn.Module, x: torch.Tensor, grad: torch.Tensor) -> dict:
    x = x.clone().requires_grad_()
    out = norm(x)
    out.backward(grad)
    return dict(out=out.detach(), dx=x.grad, stats=dict(norm.named_buffers()),
                grads={k: p.grad for k, p in norm.named_parameters()})


def run_process(rank: int, port: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=len(SHARDS))
    x, grad = (t.split(SHARDS)[rank] for t in make_batch())
    result = {case: run_step(make_norm(SyncBatchNorm, **kwargs), x, grad) for case, kwargs in CASES.items()}
    result['bf16'] = make_norm(SyncBatchNorm)(x.bfloat16()).detach()
    # DistributedDataParallel refuses torch's own class on CPU.
    model = DistributedDataParallel(nn.Sequential(nn.Identity(), make_norm(SyncBatchNorm)))
    result['ddp'] = run_step(model, x, grad)['grads']
    if rank == 0:  # evaluation must not wait for the other process
        result['eval'] = make_norm(SyncBatchNorm).eval()(x).detach()
    torch.save(result, folder / f'{rank}.pth')
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope='module')
def processes(in_processes, tmp_path_factory) -> list[dict]:
    """What each of the processes computed on its shard."""
    folder = tmp_path_factory.mktemp('ranks')
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    in_processes(run_process, port, folder, nprocs=len(SHARDS))
    return [torch.load(folder / f'{rank}.pth') for rank in range(len(SHARDS))]


@pytest.mark.parametrize('case', CASES)
def test_shards_give_what_the_whole_batch_gives(processes, case):
    whole = run_step(make_norm(nn.BatchNorm2d, **CASES[case]).double(), *(t.double() for t in make_batch()))
    close = dict(rtol=2e-4, atol=2e-4)  # float32 around 3000 has steps of 2.4e-4
    for name in ('out', 'dx'):
        parts = torch.cat([result[case][name] for result in processes])
        torch.testing.assert_close(parts.double(), whole[name], **close)
    for name, expected in whole['grads'].items():
        total = sum(result[case]['grads'][name] for result in processes)
        torch.testing.assert_close(total.double(), expected, rtol=2e-4, atol=2e-3)
    for result in processes:
        for name, expected in whole['stats'].items():
            torch.testing.assert_close(result[case]['stats'][name].double(), expected.double(), **close)


def test_data_parallel_takes_it_and_averages_its_gradients(processes):
    whole = run_step(make_norm(nn.BatchNorm2d), *make_batch())['grads']
    for result in processes:
        torch.testing.assert_close(result['ddp']['module.1.weight'] * 2, whole['weight'], rtol=2e-4, atol=2e-3)


def test_half_precision_comes_out_as_it_went_in(processes):
    out = torch.cat([result['bf16'] for result in processes])
    assert out.dtype == torch.bfloat16
    expected = make_norm(nn.BatchNorm2d)(make_batch()[0].bfloat16().float())
    torch.testing.assert_close(out.float(), expected, rtol=1e-2, atol=5e-2)


def test_evaluation_communicates_nothing(processes):
    expected = make_norm(nn.BatchNorm2d).eval()(make_batch()[0][:SHARDS[0]])
    torch.testing.assert_close(processes[0]['eval'], expected)


def test_one_process_is_plain_batch_norm():
    ours, theirs = make_norm(SyncBatchNorm), make_norm(nn.BatchNorm2d)
    x, _ = make_batch()
    assert torch.equal(ours(x), theirs(x))
    assert torch.equal(ours.running_var, theirs.running_var)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    assert set(ours.state_dict()) == set(theirs.state_dict())


@pytest.mark.parametrize('scope', ['segkit', None])
def test_the_name_means_this_class_with_or_without_a_scope(scope, monkeypatch):
    if scope is None:
        monkeypatch.setattr(DefaultScope, 'get_current_instance', classmethod(lambda cls: None))
    name, norm = build_norm_layer(dict(type='SyncBN', requires_grad=False, momentum=0.01), 4, postfix=2)
    conv = ConvModule(3, 4, 1, norm_cfg=dict(type='SyncBN'))
    assert (name, type(norm), norm.momentum, norm.weight.requires_grad) == ('bn2', SyncBatchNorm, 0.01, False)
    assert type(conv.bn) is SyncBatchNorm


def test_one_value_per_channel_is_an_error():
    with pytest.raises(ValueError, match='more than 1 value'):
        SyncBatchNorm(4)(torch.zeros(1, 4, 1, 1))
