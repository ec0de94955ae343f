"""Errors that a user can act on.

Every message says what was expected, what came and what to do, in at most four lines, and names the
config key or the file. The command-line tools print it without a stack trace and exit with status 2.
"""
import inspect
from collections.abc import Sequence
from types import FunctionType

LIBRARIES = ('segkit', 'mmengine', 'mmcv', 'torch', 'builtins')  # whose methods are not the user's


class SegkitError(Exception):
    """Something the user can put right."""


class ConfigError(SegkitError):
    """A config file, an override or a registered name that cannot be used."""


class DataError(SegkitError):
    """An image, a mask, a list of samples or a folder that cannot be used."""


class CheckpointError(SegkitError):
    """A checkpoint that cannot be read or does not fit the model."""


class LostProcessError(SegkitError):
    """Another process of the run that is gone or does not answer; what that one says is the reason."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint whose bytes are not those that were written."""


def refuse_uncalled(cls: type, methods: dict[str, str], called: Sequence[str] = ()) -> None:
    """Refuse a subclass with a method that MMSegmentation would call and segkit does not.

    Its code would never run, and nothing would say so. Meant for ``__init_subclass__``.

    Args:
        cls: The new class; methods that it has from a class of the user's count too.
        methods: Name of a method -> what to write instead.
        called: Methods that segkit calls in their place; a class that has one of these too serves both toolboxes.

    Raises:
        ConfigError: Naming the first of these methods that the class has.
    """
    own = {name: value for base in reversed(cls.__mro__) if base.__module__.split('.')[0] not in LIBRARIES
           for name, value in vars(base).items()}
    if any(name in own for name in called):
        return
    for name, instead in methods.items():
        if isinstance(own.get(name), (FunctionType, classmethod, staticmethod)):
            raise ConfigError(f'{cls.__module__}.{cls.__name__} has {name}(), which MMSegmentation calls and segkit '
                              f'does not.\n{instead}\ndocs/migrate.md shows the methods that are called.')


def refuse_signature(cls: type, name: str, arguments: Sequence[str], instead: str) -> None:
    """Refuse a subclass whose method cannot be called the way segkit calls it. Meant for ``__init_subclass__``.

    Args:
        cls: The new class.
        name: The method.
        arguments: What it is called with, in that order.
        instead: What to write.

    Raises:
        ConfigError: Showing both.
    """
    method = vars(cls).get(name)
    if not isinstance(method, FunctionType):
        return
    try:
        inspect.signature(method).bind(None, *arguments)
    except TypeError:
        raise ConfigError(f'{cls.__module__}.{cls.__name__}.{name}{inspect.signature(method)} is called with '
                          f'({", ".join(arguments)}).\n{instead}\ndocs/migrate.md shows how.') from None
