"""Which keywords a class or function takes, and values compared with its annotations."""
from collections.abc import Callable, Sequence
from typing import Optional, Union

import pytest
from torch import nn

from segkit.registry import BACKBONES
from segkit.signatures import accepted_keywords, fits, in_words, meant, wanted_types


@pytest.mark.parametrize('value, hint, wanted', [
    (1, int, True), ('1', int, False), (1.5, int, False), (1, float, True), ('a', float, False), (True, bool, True),
    ('Flase', bool, False), (3, str, False), ((1, 2), tuple[int, int], True), ([1, 2], tuple[int, int], True),
    ((1,), tuple[int, int], False), ((1, 'a'), tuple[int, int], False), ((1, 2, 3), tuple[int, ...], True),
    ('ab', Sequence[str], False), ([[1, 2]], Sequence[Sequence[int]], True), (3, Sequence[int], False),
    ((), Sequence, True), (dict(a=1), dict, True), ('BN', Optional[dict], False), (None, int, True),
    (64, Union[int, tuple[int, int]], True), ('64', Union[int, tuple[int, int]], False),
    (dict(), Union[dict, Callable], True), (3, 'no type', True),
])
def test_fits(value, hint, wanted):
    assert fits(value, hint) is wanted


def test_types_follow_kwargs_and_end_with_this_package():
    types = wanted_types(BACKBONES.get('ResNetV1c'))
    assert types['depth'] is int and types['norm_eval'] is bool
    assert wanted_types(dict) == {} and wanted_types(None) == {}


@pytest.mark.parametrize('hint, key, words', [
    (Union[int, tuple[int, int], None], 'x', 'a whole number or two whole numbers or None'),
    (Optional[Sequence[int]], 'size', 'two whole numbers (h, w) or None'),
    (Union[None, dict, nn.Module], 'module', 'a dict or None'),
    (Sequence[tuple[int, int]], 'x', 'a list of lists'), (Union[str, Sequence[str]], 'x', 'text or a list of texts'),
    (tuple[float, ...], 'x', 'a list of numbers'), (Sequence[Union[dict, Callable]], 'x', 'a list of values'),
])
def test_types_in_words(hint, key, words):
    assert in_words(hint, key) == words


@pytest.mark.parametrize('value, hint, key, likely', [
    (10000.0, int, 'max_iters', '10000'), (1.5, int, 'max_iters', ''),
    (128, Optional[Sequence[int]], 'size', '(128, 128)'),
    (128, Sequence[int], 'dilations', ''), ('128', int, 'depth', '128'), (True, tuple[int, int], 'size', ''),
])
def test_what_is_meant(value, hint, key, likely):
    assert meant(value, hint, key) == likely


class Base:
    def __init__(self, depth, width=1):
        pass


class Forwards(Base):
    def __init__(self, extra, **kwargs):
        super().__init__(**kwargs)


class Closed(Forwards):
    def __init__(self, only):
        super().__init__(0, depth=1)


class Open:
    def __init__(self, a, **kwargs):
        pass


class Empty:
    pass


def test_keywords_follow_kwargs_up_the_mro():
    assert accepted_keywords(Forwards) == {'extra', 'depth', 'width'}
    assert accepted_keywords(Closed) == {'only'}
    assert accepted_keywords(Open) is None
    assert accepted_keywords(Empty) == set()


def test_functions():
    assert accepted_keywords(lambda a, *, b=1: a) == {'a', 'b'}
    assert accepted_keywords(lambda a, **kwargs: a) is None
