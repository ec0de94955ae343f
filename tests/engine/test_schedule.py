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


PLATEAU = dict(type='ReduceOnPlateauLR', monitor='mIoU')


@pytest.mark.parametrize('given, training, filled', [
    ({}, ITERS, dict(rule='greater', end=10**9)), (dict(monitor='val/loss'), ITERS, dict(rule='less', end=10**9)),
    (dict(by_epoch=False, rule='less'), ITERS, dict(end=10**9)),
    (dict(by_epoch=False, begin=20, end=90), ITERS, dict(rule='greater')),
    ({}, EPOCHS, dict(rule='greater')), (dict(begin=2), EPOCHS, dict(rule='greater'))], ids=str)
def test_a_schedule_that_follows_a_score_fits_either_training(given, training, filled):
    assert fill_ends({**PLATEAU, **given}, training) == {**PLATEAU, **given, **filled, 'by_epoch': True}


@pytest.mark.parametrize('given, training, said', [
    (dict(begin=2), ITERS, 'begin of ReduceOnPlateauLR counts epochs, but train_cfg counts iterations'),
    (dict(begin=2, end=9, by_epoch=True), ITERS, 'begin and end of'),
    (dict(by_epoch=False), EPOCHS, 'counts iterations, but train_cfg counts epochs'),
    (dict(monitor='speed'), ITERS, "whether a greater 'speed' is better cannot be told")], ids=str)
def test_what_a_schedule_that_follows_a_score_cannot_count(given, training, said):
    with pytest.raises(ConfigError, match=said):
        fill_ends({**PLATEAU, **given}, training)


def test_built_schedules_are_left_alone():
    built = object()
    assert fill_ends([built], ITERS) == [built]
