"""What checkpoints hold, and how a run goes on from it (whole runs: test_seg_runner.py)."""
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.optim import PolyLR
from torch import nn

from segkit.engine import run_state


def test_classes_of_both_ages():
    named = dict(classes=['a', 'b'], palette=[[1, 2, 3], [4, 5, 6]])
    expected = dict(named, classes=('a', 'b'))
    assert run_state.dataset_meta_of(dict(meta=dict(dataset_meta=named))) == expected
    assert run_state.dataset_meta_of(dict(meta=dict(CLASSES=named['classes'], PALETTE=named['palette']))) == expected
    assert run_state.dataset_meta_of(dict(state_dict={})) is None


def test_differences_of_classes_in_words():
    differ = run_state.other_classes
    assert differ(('Dining Table', 'tv_monitor'), ('diningtable', 'tvmonitor'), 'x.pth') is None
    assert differ(None, ('a', ), 'x.pth') is None
    assert differ(('a', 'b'), ('a', ), 'x.pth') == 'x.pth was trained on 2 classes, the dataset has 1.'
    assert differ(('a', 'b'), ('b', 'a'), 'x.pth') == "Class 0 is 'a' in x.pth and 'b' in the dataset."


def test_bare_model_inside_wrappers():
    model = nn.Linear(1, 1)
    outer, inner = nn.Module(), nn.Module()
    inner.module, outer.module = model, inner
    assert run_state.bare(outer) is model
    assert run_state.bare(model) is model


def schedule(end):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    optimizer.step()
    return PolyLR(optimizer, power=1.0, end=end, by_epoch=False)


def test_schedule_goes_on_where_it_stopped():
    first, second = schedule(11), schedule(11)
    for _ in range(4):
        first.step()
    run_state.restore_schedulers([second], [first.state_dict()])
    second.optimizer.param_groups[0]['lr'] = first.optimizer.param_groups[0]['lr']
    first.step(), second.step()
    assert second.optimizer.param_groups[0]['lr'] == first.optimizer.param_groups[0]['lr'] == pytest.approx(0.5)


def test_the_batch_in_words():
    assert run_state.batch_text(4, 2, 1) == '2 processes x 2 images x 1 accumulated'
    assert run_state.batch_text(4, 1, 2) == '1 process x 4 images x 2 accumulated'
    assert run_state.batch_text(4, None, 2) == '4 images an iteration x 2 accumulated'  # an older checkpoint


def test_log_state_is_plain_and_comes_back():
    hub = MessageHub('a-hub')
    for i in range(150):
        hub.update_scalar('train/loss', float(i))
    hub.update_info('best_score', 5.0)
    state = run_state._log_state(hub)
    assert len(state['log_scalars']['train/loss']) == run_state.KEPT_SCALARS
    assert len(run_state._log_state(hub, 120)['log_scalars']['train/loss']) == 120  # all of a longer interval
    fresh = MessageHub('b-hub')
    fresh.update_info('best_score', 6.0)
    run_state.restore_log(fresh, state)
    assert fresh.get_scalar('train/loss').mean(10) == hub.get_scalar('train/loss').mean(10) == 144.5
    assert fresh.get_info('best_score') == 6.0  # what this run has said already is newer
    run_state.restore_log(fresh, dict(log_scalars={'train/lr': HistoryBuffer([3.0], [1])}))
    assert fresh.get_scalar('train/lr').current() == 3.0
