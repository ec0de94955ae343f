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


def test_a_dtype_of_torch_is_taken():
    assert wrapper(dtype=torch.bfloat16)[1].cast_dtype is torch.bfloat16


@pytest.mark.parametrize('kwargs', [dict(dtype='float8'), dict(dtype=torch.float64), dict(loss_scale='static')])
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


@pytest.fixture
def scaled(monkeypatch):
    """Build a model and a wrapper that scales its loss, as with float16 on CUDA; the scaler is torch's, on the CPU."""
    scaler = torch.amp.GradScaler

    def build(**kwargs):
        model, optim = wrapper(**kwargs)
        scale = 1024.0 if optim._fixed_scale is None else optim._fixed_scale
        optim.loss_scaler = scaler('cpu', init_scale=scale, growth_interval=2)
        return model, optim

    return build


def update(optim, model, factor=1.0):
    optim.update_params(factor * model(torch.ones(1, 4)).sum())


def test_scaled_gradients_accumulate_and_are_clipped_as_they_are_unscaled(scaled):
    moves = []
    for build in (wrapper, scaled):
        torch.manual_seed(0)
        model, optim = build(accumulative_counts=2, clip_grad=dict(max_norm=0.5))
        optim.initialize_count_status(model, 0, 4)
        start = model.weight.detach().clone()
        for _ in range(4):
            update(optim, model)
        moves.append(start - model.weight.detach())
    torch.testing.assert_close(*moves)


def test_overflow_skips_the_step_and_halves_the_scale(scaled):
    model, optim = scaled()
    before = model.weight.detach().clone()
    update(optim, model, float('inf'))
    assert torch.equal(model.weight, before)
    assert optim.loss_scaler.get_scale() == 512.0
    update(optim, model)
    assert not torch.equal(model.weight, before)


def test_scale_goes_on_where_it_was(scaled):
    """Grown once, and one step on the way to the next growth."""
    model, optim = scaled()
    for _ in range(3):
        update(optim, model)
    state = optim.state_dict()
    assert state['loss_scaler']['scale'] == 2048.0 and state['loss_scaler']['_growth_tracker'] == 1
    other, resumed = scaled()
    resumed.load_state_dict(state)
    assert resumed.loss_scaler.get_scale() == 2048.0
    update(resumed, other)
    update(optim, model)
    assert resumed.loss_scaler.get_scale() == optim.loss_scaler.get_scale() == 4096.0


def test_fixed_scale_stays_what_the_config_says(scaled):
    _, dynamic = scaled()
    model, fixed = scaled(loss_scale=128.0)
    fixed.load_state_dict(dynamic.state_dict())
    for _ in range(3):
        update(fixed, model)
        assert fixed.loss_scaler.get_scale() == 128.0


def test_run_goes_on_without_amp():
    """The scaler's state is in the file; a plain wrapper passes it over."""
    from mmengine.optim import OptimWrapper
    model, optim = wrapper()
    update(optim, model)
    OptimWrapper(optimizer=torch.optim.SGD(model.parameters(), lr=0.1)).load_state_dict(optim.state_dict())


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
