"""Which keywords a class or function takes."""
import inspect
from collections.abc import Callable
from typing import Optional


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
