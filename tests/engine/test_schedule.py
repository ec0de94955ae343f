"""Ends of schedules."""
import pytest

from segkit.engine.schedule import fill_ends
from segkit.errors import ConfigError

ITERS = dict(type='IterBasedTrainLoop', max_iters=100)
EPOCHS = dict(type='EpochBasedTrainLoop', max_epochs=7)


def test_missing_end_is_the_training_s():
    cfg = [dict(type='LinearLR', begin=0, end=10, by_epoch=False), dict(type='PolyLR', begin=10, by_epoch=False)]
    filled = fill_ends(cfg, ITERS)
    assert [s['end'] for s in filled] == [10, 100]
    assert 'end' not in cfg[1]  # the config itself stays as it was written


def test_stated_end_stays():
    assert fill_ends(dict(type='PolyLR', end=101, by_epoch=False), ITERS)['end'] == 101


def test_epochs():
    assert fill_ends(dict(type='PolyLR'), EPOCHS)['end'] == 7


def test_schedule_of_each_optimizer():
    filled = fill_ends(dict(a=[dict(type='PolyLR', by_epoch=False)], b=dict(type='PolyLR', by_epoch=False)), ITERS)
    assert filled['a'][0]['end'] == filled['b']['end'] == 100


def test_schedule_that_would_never_move():
    with pytest.raises(ConfigError, match='counts epochs, but train_cfg counts iterations'):
        fill_ends(dict(type='PolyLR', end=100), ITERS)


def test_iterations_in_a_training_of_epochs():
    with pytest.raises(ConfigError, match='states no end'):
        fill_ends(dict(type='PolyLR', by_epoch=False), EPOCHS)


def test_built_schedules_are_left_alone():
    built = object()
    assert fill_ends([built], ITERS) == [built]
