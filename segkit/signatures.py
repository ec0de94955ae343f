"""What a class's signature asks for: which keywords, and what kind of value for each."""
import difflib
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Optional, Union

ONE = {int: 'a whole number', float: 'a number', bool: 'True or False', str: 'text', dict: 'a dict',
       list: 'a list', tuple: 'a list', Sequence: 'a list', type(None): 'None', Callable: 'a function'}
SEVERAL = {int: 'whole numbers', float: 'numbers', str: 'texts', dict: 'dicts'}
ORDER = dict(crop_size='(h, w)', size='(h, w)', stride='(h, w)', scale='(w, h)')  # of two numbers behind a keyword
PACKAGE = 'segkit'  # whose annotations are kept true; those of other packages are not relied on


def accepted_keywords(target: Callable) -> Optional[frozenset[str]]:
    """The keywords ``target`` takes, following ``**kwargs`` up its method resolution order.

    Returns:
        The names, or None where anything is taken (the last ``**kwargs`` leads to no further signature).
    """
    if not inspect.isclass(target):
        parameters = inspect.signature(target).parameters.values()
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            return None
        return frozenset(p.name for p in parameters)
    names: set[str] = set()
    for cls in target.__mro__:
        init = cls.__dict__.get('__init__')
        if init is None or cls is object:
            continue
        try:
            parameters = list(inspect.signature(init).parameters.values())[1:]
        except (TypeError, ValueError):  # a class written in C without a signature
            return None
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return frozenset(names)
    return None if any('__init__' in vars(cls) for cls in target.__mro__ if cls is not object) else frozenset(names)


@cache
def wanted_types(target: Any) -> dict[str, Any]:
    """The annotation of each keyword of a class of this package, following the method resolution order.

    A keyword that a class of another package takes before one of this package does has None.
    """
    hints: dict[str, Any] = {}
    for cls in target.__mro__ if inspect.isclass(target) else ():
        init = cls.__dict__.get('__init__')
        if not inspect.isfunction(init):
            continue
        ours = cls.__module__.startswith(PACKAGE + '.')
        for name, hint in (typing.get_type_hints(init) if ours else dict.fromkeys(inspect.signature(init).parameters)
                           ).items():
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


def misfits(target: Any, values: dict[str, Any]) -> list[str]:
    """What can be wrong with the keywords of a call, one line each.

    Args:
        target: What is called: of another class than this package's only the names of its keywords are compared.
        values: The keywords with their values.
    """
    taken, hints, found = accepted_keywords(target), wanted_types(target), []
    for key, value in values.items():
        hint = hints.get(key)
        if taken is not None and key not in taken:
            near = difflib.get_close_matches(key, taken, n=3)
            found.append(f'{key}: {target.__name__} has no such argument'
                         + (f'; nearest: {", ".join(near)}.' if near else '.'))
        elif hint is not None and (not fits(value, hint) or value is None and not _takes_none(hint)):
            shown = repr(value)
            found.append(f'{key}: expected {in_words(hint, key)}; got {shown[:77] + "..." * (len(shown) > 77)}.')
    return found


def text_for_truth(target: Any, values: dict[str, Any]) -> list[str]:
    """The keywords that are either True or False to a class of this package and are given a text, which counts as True.

    Args:
        target: The class.
        values: Its keywords with their values.
    """
    hints = wanted_types(target)
    return [key for key, value in values.items()
            if isinstance(value, str) and hints.get(key) in (bool, Optional[bool])]


def in_words(hint: Any, key: str = '') -> str:
    """A hint as a message shows it: ``a whole number or two whole numbers (h, w)``.

    Args:
        hint: The annotation.
        key: The keyword's name, which tells in what order two numbers stand.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        plain = [one for one in inner if typing.get_origin(one) or one in ONE]  # objects are not typed into a config
        return ' or '.join(dict.fromkeys(in_words(one, key) for one in sorted(plain or inner, key=_comes_last)))
    if hint in ONE:
        return ONE[hint]
    if origin in (list, tuple, Sequence) and inner:
        several = SEVERAL.get(inner[0], 'lists' if typing.get_origin(inner[0]) in (list, tuple, Sequence) else 'values')
        if key in ORDER and inner[0] in (int, float):
            return f'two {several} {ORDER[key]}'
        return f'two {several}' if inner[1:] == inner[:1] else f'a list of {several}'
    return inspect.formatannotation(hint).replace('collections.abc.', '').replace('typing.', '')


def meant(value: Any, hint: Any, key: str = '') -> str:
    """What a value of the wrong kind most likely means, as one would write it; empty where that is open.

    Args:
        value: What came.
        hint: The annotation that it does not fit.
        key: The keyword's name.
    """
    if isinstance(value, float) and value.is_integer() and fits(int(value), hint):
        return str(int(value))
    if isinstance(value, str) and value.isdecimal() and fits(int(value), hint):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and key in ORDER and fits((value, value), hint):
        return f'({value}, {value})'
    return ''


def _takes_none(hint: Any) -> bool:
    inner = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    return any(one in (None, type(None), Any) for one in inner)


def _comes_last(hint: Any) -> bool:
    return hint is type(None)
