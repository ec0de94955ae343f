"""Overrides that undo one another are refused; a rule with an exception is not."""
import pytest

from segkit.config.reached import Reached
from segkit.errors import ConfigError


def record(*overrides):
    reached = Reached('--cfg-options')
    for key, places, value in overrides:
        for place in places.split():
            reached.note(key, value, place, value)
    return reached


TWO = 'train.data_root val.data_root'


@pytest.mark.parametrize('overrides', [
    [('max_iters', 'train_cfg.max_iters', 20), ('train_cfg.max_iters', 'train_cfg.max_iters', 60)],
    [('val.data_root', 'val.data_root', 'a'), ('data_root', TWO, 'b')],
    [('data_root', TWO, 'a'), ('train.data_root', 'train.data_root', 'b'), ('val.data_root', 'val.data_root', 'b')],
    [('model.backbone.depth', 'model.backbone.depth', 50), ('model.backbone', 'model.backbone', dict(depth=18))],
    [('hooks.0.momentum', 'hooks.0.momentum', 0.1), ('hooks', 'hooks', [dict(momentum=0.2)])],
    [('model.depth', 'model.depth', 50), ('model', 'model', dict(_delete_=True, type='x'))],
])
def test_nothing_left(overrides):
    with pytest.raises(ConfigError) as error:
        record(*overrides).refuse_lost()
    text = str(error.value)
    assert len(text.splitlines()) == 2 and 'Give one of them' in text
    assert f'--cfg-options {overrides[0][0]}={overrides[0][2]!r}' in text
    assert f' {overrides[-1][0]}={overrides[-1][2]!r}' in text


@pytest.mark.parametrize('overrides', [
    [('max_iters', 'train_cfg.max_iters', 20), ('train_cfg.max_iters', 'train_cfg.max_iters', 20)],
    [('data_root', TWO, 'a'), ('val.data_root', 'val.data_root', 'b')],
    [('model.backbone', 'model.backbone', dict(type='ResNet', depth=18)),
     ('model.backbone.depth', 'model.backbone.depth', 50)],
    [('hooks', 'hooks', [dict(momentum=0.2)]), ('hooks.0.momentum', 'hooks.0.momentum', 0.1)],
    [('model.depth', 'model.depth', 50), ('model', 'model', dict(type='x'))],
    [('hooks.0.momentum', 'hooks.0.momentum', 0.2), ('hooks', 'hooks', [dict(momentum=0.2)])],
    [('model.test_cfg', 'model.test_cfg', {}), ('model.test_cfg.mode', 'model.test_cfg.mode', 'slide')],
])
def test_something_left(overrides):
    record(*overrides).refuse_lost()


def test_who_gave_a_key():
    reached = record(('max_iters', 'train_cfg.max_iters', 20), ('model', 'model', dict(backbone=dict(depth=18))))
    assert reached.key_of(('train_cfg', 'max_iters')) == 'max_iters'
    assert reached.key_of(('model', 'backbone', 'depth')) == reached.key_of(('model', 'backbone')) == 'model'
    assert reached.key_of(('model', 'backbone', 'type')) is None and reached.key_of(('train_cfg', 'type')) is None
    assert reached.label('max_iters', 'train_cfg.max_iters') == '--cfg-options max_iters: '
    assert reached.label('model', 'model') == '--cfg-options '
