"""Whether this process may run the code that a file contains: only where its user said so."""
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_TRUSTS: ContextVar[bool] = ContextVar('segkit_trusts_files', default=False)
HOW = ('If you made or trust it: --unsafe-load (train.py, test.py, predict.py) or unsafe=True (init_model,\n'
       'MMSegInferencer, load_file) runs whatever code it contains.')


@contextmanager
def trusting(files: bool = True) -> Iterator[None]:
    """Let what is read inside run code where a file asks for it; nothing of this is kept in a config or checkpoint."""
    token = _TRUSTS.set(files or _TRUSTS.get())
    try:
        yield
    finally:
        _TRUSTS.reset(token)


def trusts() -> bool:
    """Whether the files that are read now were said to be trusted."""
    return _TRUSTS.get()
