"""AmpOptimWrapper on a CPU, and on a GPU where there is one."""
import pytest
import torch
from torch import nn

from segkit.engine import AmpOptimWrapper
from segkit.errors import ConfigError


def wrapper(**kwargs):
    model = nn.Linear(4, 2)
    return model, AmpOptimWrapper(optimizer=torch.optim.SGD(model.parameters(), lr=0.1), **kwargs)


@pytest.mark.skipif(torch.cuda.is_available(), reason='no GPU is what this is about')
def test_bfloat16_on_a_cpu():
    model, optim = wrapper()
    with optim.optim_context(model):
        out = model(torch.ones(3, 4))
    assert out.dtype == torch.bfloat16
    before = model.weight.detach().clone()
    optim.update_params(out.float().sum())
    # Sum over three rows of ones: each weight's gradient is 3, unscaled.
    assert torch.allclose(before - model.weight, torch.full_like(before, 0.3))


@pytest.mark.skipif(torch.cuda.is_available(), reason='no GPU is what this is about')
def test_float16_on_a_cpu_is_refused():
    with pytest.raises(ConfigError, match='float16 needs a CUDA device'):
        wrapper(dtype='float16')


@pytest.mark.parametrize('kwargs', [dict(dtype='float8'), dict(loss_scale='static')])
def test_unknown_values(kwargs):
    with pytest.raises(ConfigError, match='expected'):
        wrapper(**kwargs)


def test_state_comes_back():
    model, optim = wrapper()
    state = optim.state_dict()
    assert 'loss_scaler' in state
    wrapper()[1].load_state_dict(state)
    plain = {k: v for k, v in state.items() if k != 'loss_scaler'}
    wrapper()[1].load_state_dict(plain)  # trained without --amp so far
    assert 'loss_scaler' in state  # the caller's dict is left whole


def test_gradients_accumulate_and_are_clipped():
    model, optim = wrapper(accumulative_counts=2, clip_grad=dict(max_norm=1.0))
    optim.initialize_count_status(model, 0, 2)
    before = model.weight.detach().clone()
    for step in range(2):
        with optim.optim_context(model):
            loss = 100 * model(torch.ones(1, 4)).float().sum()
        optim.update_params(loss)
        assert torch.equal(before, model.weight) == (step == 0)
    moved = torch.cat([(before - model.weight).flatten(), 0 * model.bias])
    assert moved.norm() <= 0.1 + 1e-6


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_float16_on_a_gpu():
    model, optim = wrapper()
    model.cuda()
    with optim.optim_context(model):
        out = model(torch.ones(3, 4, device='cuda'))
    assert out.dtype == torch.float16
    before = model.weight.detach().clone()
    optim.update_params(out.float().sum())
    assert torch.allclose(before - model.weight, torch.full_like(before, 0.3), atol=1e-3)
