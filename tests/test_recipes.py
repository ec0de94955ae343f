"""Learning rates of the recipes, read back from the optimizer at every step."""
from pathlib import Path

import pytest
from mmengine.optim import build_optim_wrapper
from torch import nn

from segkit.config import load_config
from segkit.engine.schedule import fill_ends
from segkit.registry import PARAM_SCHEDULERS

CONFIGS = Path(__file__).parents[1] / 'configs'


class Parts(nn.Module):
    """The names that the multipliers go by."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(1, 1, 1)
        self.decode_head = nn.Conv2d(1, 1, 1)
        self.auxiliary_head = nn.Conv2d(1, 1, 1)


def rates(optim_wrapper: dict, scheduler: dict, max_iters: int) -> list[list[float]]:
    """The rate of each of Parts' six parameters at each of ``max_iters`` steps."""
    model = Parts()
    wrapper = build_optim_wrapper(model, optim_wrapper)
    scheduler = PARAM_SCHEDULERS.build(
        fill_ends(scheduler, dict(max_iters=max_iters)), default_args=dict(optimizer=wrapper.optimizer))
    of = {p: g for g in wrapper.optimizer.param_groups for p in g['params']}
    assert sum(len(g['params']) for g in wrapper.optimizer.param_groups) == len(of) == 6
    seen = []
    for _ in range(max_iters):
        seen.append([of[p]['lr'] for p in model.parameters()])
        wrapper.optimizer.step()
        scheduler.step()
    return seen


def sgd(lr: float) -> dict:
    return dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=lr, momentum=0.9))


# MMEngine's form is 1 - i / (end - 1); `end = max_iters + 1` makes it the papers' 1 - i / N.
@pytest.mark.slow
@pytest.mark.parametrize('base, eta_min, max_iters, end, expected', [
    (7e-3, 0, 30000, None, {0: 7e-3, 15000: 3.751095e-3, 29999: 0}),
    (0.01, 1e-4, 20000, None, {0: 0.01, 10000: 5.405040e-3, 19999: 1e-4}),
    (7e-3, 0, 30000, 30001, {1: 6.999790e-3, 15000: 3.751207e-3, 29999: 6.541674e-7}),
    (2.5e-4, 0, 20000, 20001, {1: 2.499887e-4, 10000: 1.339717e-4, 19999: 3.365217e-8}),
    (0.01, 1e-4, 20000, 20001, {10000: 5.405279e-3, 19999: 1.013326e-4}),
])
def test_poly_rates(base, eta_min, max_iters, end, expected):
    scheduler = dict(type='PolyLR', power=0.9, eta_min=eta_min, begin=0, by_epoch=False)
    if end is not None:
        scheduler['end'] = end
    seen = rates(sgd(base), scheduler, max_iters)
    for step, rate in expected.items():
        assert seen[step][0] == pytest.approx(rate, rel=2e-6, abs=1e-12), step


@pytest.mark.parametrize('name', ['demo/deeplabv3_r18w32-d8_1xb4-2400_scenes-128x128.py',
                                  'deeplabv3/deeplabv3_r18-d16_1xb4-1600_camvid-256x256.py'])
def test_heads_learn_ten_times_as_fast_at_every_step(name):
    cfg = load_config(CONFIGS / name, ['max_iters=50'])
    for i, (w, b, *heads) in enumerate(rates(cfg.optim_wrapper, cfg.param_scheduler[0], 50)):
        assert w == b
        assert heads == pytest.approx([10 * w] * 4, rel=1e-6, abs=1e-12), i
