"""Reading --cfg-options and telling what changed."""
import pytest

from segkit.config.overrides import effect, parse
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
