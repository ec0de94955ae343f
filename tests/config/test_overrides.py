"""Reading --cfg-options and telling what changed."""
import pytest

from segkit.config.overrides import SHORTCUTS, check_number, effect, parse
from segkit.errors import ConfigError


@pytest.mark.parametrize('text, value', [
    ('1', 1), ('1e-3', 1e-3), ('true', True), ('None', None), ('BN', 'BN'), ('/a/b c', '/a/b c'),
    ('(64, 32)', (64, 32)), ('[1,2]', [1, 2]), ('1,2', [1, 2]), ('a,b', ['a', 'b']),
    ('[a.txt,b.txt]', ['a.txt', 'b.txt']),
    ("dict(type='BN', eps=1e-3)", dict(type='BN', eps=1e-3)), ("{'a': [1, (2, 3)]}", {'a': [1, (2, 3)]}),
    ('x=y', 'x=y'), ('', ''),
])
def test_values(text, value):
    got = parse([f'k={text}'])['k']
    assert got == value and type(got) is type(value)


def test_an_item_without_a_value_is_refused():
    with pytest.raises(ConfigError, match='expected KEY=VALUE'):
        parse(['model.backbone.depth'])


def test_effect_counts_what_the_runner_reads():
    before = dict(model=dict(a=1, b=[1, 2]), note=1)
    assert effect(before, dict(model=dict(a=1, b=[1, 3]), note=2)) == ['model.b']
    assert effect(before, dict(model=dict(a=1, b=[1, 2]), note=2)) == []


@pytest.mark.parametrize('hook, moved', [
    (dict(type='CheckpointHook', by_epoch=False, interval=9), True),
    (dict(type='CheckpointHook', by_epoch=False, interval=8), False),
    (dict(type='CheckpointHook', interval=9), False), (None, False),
])
def test_val_interval_moves_checkpoints_that_come_with_validations(hook, moved):
    places = SHORTCUTS['val_interval'](dict(train_cfg=dict(val_interval=9), default_hooks=dict(checkpoint=hook)))
    assert places == [('train_cfg', 'val_interval')] + [('default_hooks', 'checkpoint', 'interval')] * moved


def test_a_decimal_comma_is_named():
    cfg = dict(optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)), model=dict(type='EncoderDecoder'))
    for value in ([0, '01'], [0, 5]):
        with pytest.raises(ConfigError, match="a decimal point is '.'"):
            check_number(cfg, 'optim_wrapper.optimizer.lr', 0.1, value)
    flip = dict(train_dataloader=dict(dataset=dict(pipeline=[dict(type='RandomFlip', prob=0.5)])))
    check_number(flip, 'train_dataloader.dataset.pipeline.0.prob', 0.5, [0.5, 0.2])  # takes either
    check_number(cfg, 'optim_wrapper.optimizer.lr', (1, 2), [1, 2])


@pytest.mark.parametrize('items', [['a=1', 'a=2'], ['a=1', 'b=2', '+a=2'], ['a=(1, 2)', 'a=[1, 2]']])
def test_two_values_of_one_key_are_refused(items):
    with pytest.raises(ConfigError, match='two values: '):
        parse(items)
    assert parse(['a=1', 'a=1']) == dict(a=1)


@pytest.mark.parametrize('text', ['(1,2', '[64,', '64,64)', "[dict(type='a')", "dict(type='a'", '[(1, 2]', '[[1, 2]'])
def test_brackets_that_do_not_match_are_refused(text):
    with pytest.raises(ConfigError, match='the brackets of '):
        parse([f'k={text}'])


@pytest.mark.parametrize('text, value', [
    ("'(a'", '(a'), ('a(b', 'a(b'), ("['(', 'b']", ['(', 'b']), ('~/a (1)', '~/a (1)'),
])
def test_brackets_inside_text_are_text(text, value):
    assert parse([f'k={text}'])['k'] == value


def test_a_comma_behind_a_number_is_named():
    cfg = dict(optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)), model=dict(type='EncoderDecoder'))
    with pytest.raises(ConfigError, match='a comma behind it makes a list: 0.001,'):
        check_number(cfg, 'optim_wrapper.optimizer.lr', 0.1, [0.001])
