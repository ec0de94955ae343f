"""with_cp: blocks computed again in the backward pass change memory and time, and no number."""
import os
import socket

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from segkit.models.backbones.resnet import ResNetV1c
from segkit.models.layers import SyncBatchNorm  # noqa: F401  norm_cfg names it


def network(with_cp, depth=18, **kwargs):
    torch.manual_seed(0)
    backbone = ResNetV1c(depth, base_channels=8, stem_channels=8, output_stride=16, with_cp=with_cp,
                         norm_cfg=dict(type='SyncBN'), zero_init_residual=False, **kwargs)
    return nn.Sequential(backbone, Head(backbone.out_channels[-1]))


class Head(nn.Module):
    """Dropout behind the blocks: what it draws must not move when they are computed again."""

    def __init__(self, channels):
        super().__init__()
        self.dropout, self.conv = nn.Dropout2d(0.5), nn.Conv2d(channels, 3, 1)

    def forward(self, feats):
        return self.conv(self.dropout(feats[-1]))


def train(model, batches, **autocast):
    """Three steps; the losses, and every parameter and buffer behind them."""
    optim = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    model.train()
    for number, batch in enumerate(batches):
        torch.manual_seed(number)
        with torch.autocast('cpu', torch.bfloat16, enabled=bool(autocast)):
            loss = model(batch).float().square().mean()
        loss.backward()
        drawn = torch.rand(4)  # of the generator as the backward pass left it
        optim.step()
        optim.zero_grad()
        losses.append(torch.cat([loss.detach().view(1), drawn]))
    state = {key.removeprefix('module.'): value.clone() for key, value in model.state_dict().items()}
    return {'losses': torch.stack(losses), **state}


def data(steps=3, images=4):
    return torch.randn(steps, images, 3, 48, 48, generator=torch.Generator().manual_seed(5))


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


@pytest.mark.parametrize('depth', [18, 50])
@pytest.mark.parametrize('autocast', [False, True])
def test_three_steps_are_the_same(depth, autocast):
    options = dict(bf16=True) if autocast else {}
    plain, again = (train(network(with_cp, depth), data(), **options) for with_cp in (False, True))
    assert_same(plain, again)
    assert int(again['0.layer4.0.bn1.num_batches_tracked']) == 3


@pytest.mark.parametrize('norm', [dict(type='BN', momentum=None), dict(type='SyncBN', momentum=0.3), dict(type='IN')])
def test_other_norms(norm):
    results = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        backbone = ResNetV1c(18, base_channels=8, stem_channels=8, with_cp=with_cp, norm_cfg=norm)
        results.append(train(nn.Sequential(backbone, Head(backbone.out_channels[-1])), data()))
    assert_same(*results)


def test_two_forward_passes_before_the_backward():
    """As a network over several scales has them: each block's second computation belongs to one of the passes."""

    def steps(with_cp):
        model = network(with_cp).train()
        small, large = data(2)[0], data(2)[1][..., :32, :32]
        torch.manual_seed(0)
        (model(small).square().mean() + model(large).square().mean()).backward()
        return {**{k: p.grad for k, p in model.named_parameters()}, **dict(model.named_buffers())}

    assert_same(steps(False), steps(True))


def kept(with_cp, depth=50):
    """Bytes that the graph of a training step keeps for its backward pass, parameters apart."""
    model = network(with_cp, depth).train()
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    storages = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = model(data(1)[0]).square().mean()
    assert loss.requires_grad
    return sum(storages.values())


def test_memory_is_saved():
    plain, again = kept(False), kept(True)
    print(f'kept for the backward pass: {plain:,} bytes, computing again {again:,}')
    assert again < 0.5 * plain


def in_process(rank, port, folder):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.distributed.init_process_group('gloo', rank=rank, world_size=2)
    results = {}
    for with_cp in (False, True):
        # Small buckets: gradients are exchanged in the middle of the backward pass, between the norms' exchanges.
        model = DistributedDataParallel(network(with_cp), bucket_cap_mb=0.01, broadcast_buffers=False)
        results[with_cp] = train(model, data()[:, rank::2])
    torch.save(results, folder / f'{rank}.pth')
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_two_processes_with_synchronised_norms(in_processes, tmp_path):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    in_processes(in_process, port, tmp_path)
    for rank in range(2):
        result = torch.load(tmp_path / f'{rank}.pth')
        assert_same(result[False], result[True])


@pytest.mark.slow
@pytest.mark.parametrize('with_cp', [False, True])
def test_compiled(with_cp):
    """Without torch's code generator: its graphs, with what is computed again decided by it."""
    plain, model = train(network(False), data()), network(with_cp)
    model[0].compile(backend='aot_eager')
    for key, value in train(model, data()).items():
        assert torch.allclose(value.float(), plain[key].float(), rtol=1e-4, atol=1e-5), key
