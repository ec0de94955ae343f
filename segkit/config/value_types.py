"""What a class's signature asks for: which keywords, and what kind of value for each."""
import inspect
import types
import typing
from collections.abc import Sequence
from functools import cache
from typing import Any, Union

PACKAGE = 'segkit'  # whose annotations are kept true; those of other packages are not relied on


@cache
def wanted_types(target: Any) -> dict[str, Any]:
    """The annotation of each keyword of a class of this package, following the method resolution order."""
    hints: dict[str, Any] = {}
    for cls in target.__mro__ if inspect.isclass(target) else ():
        init = cls.__dict__.get('__init__')
        if init is None or not cls.__module__.startswith(PACKAGE + '.'):
            continue
        for name, hint in typing.get_type_hints(init).items():
            hints.setdefault(name, hint)
    return hints


def required_keywords(target: Any) -> list[str]:
    """The keywords of a class of this package that have no default."""
    if not inspect.isclass(target) or not target.__module__.startswith(PACKAGE + '.'):
        return []
    return [p.name for p in inspect.signature(target).parameters.values()
            if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def fits(value: Any, hint: Any) -> bool:
    """Whether a value from a config file or the command line can be what ``hint`` says.

    Lists and tuples stand for one another, and None passes: what it means is each class's own matter. Hints that are
    no plain type are not judged.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if value is None:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if hint is type(None):
        return False
    if hint is float:
        return isinstance(value, (int, float))
    if hint in (int, bool):
        return isinstance(value, int)
    if hint is str:
        return isinstance(value, str)
    if hint is dict or origin is dict:
        return isinstance(value, dict)
    if hint in (list, tuple) or origin in (list, tuple, Sequence):
        if not isinstance(value, (list, tuple)):
            return False
        if origin is tuple and inner[-1] is not ...:
            return len(value) == len(inner) and all(map(fits, value, inner))
        return not inner or all(fits(one, inner[0]) for one in value)
    return True


def in_words(hint: Any) -> str:
    """A hint as a message shows it: ``int or tuple[int, int]``."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        return ' or '.join(in_words(one) for one in typing.get_args(hint))
    if hint is type(None):
        return 'None'
    return inspect.formatannotation(hint).replace('collections.abc.', '').replace('typing.', '')
