"""Biases in front of a normalisation, which the heads of some systems have."""
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bias_asked_for() -> Iterator[None]:
    """Build mmcv's ConvModules without its warning of an unnecessary bias, where a config asks for one."""
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Unnecessary conv bias')
        yield
