"""Results kept between runs, and how far a run is."""
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Optional, TypeVar

T = TypeVar('T')
ROOT = Path(__file__).parents[3]
# What makes a kind of result, beside segkit itself.
MODULES = dict(read=('model_side', 'train_side', 'digests'), model=('model_side', 'inputs'),
               train=('train_side',), samples=('data_side', 'checks', 'trees'),
               checkpoint=('checkpoint', 'checkpoint_side', 'trees'))


class Work:
    """A folder of results, each of which counts only for the code that made it.

    Args:
        folder: Where they lie; made if it is not there.
        sides: What both sides run on; other versions make other results.
    """

    def __init__(self, folder: Path, sides: Sequence[dict]) -> None:
        package = ROOT / 'segkit'
        self.state = _digest([json.dumps(list(sides), sort_keys=True).encode(),
                              *(path.read_bytes() for path in sorted(package.rglob('*.py')))])
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._scratch = tempfile.TemporaryDirectory(prefix='scratch-', dir=self.folder)
        self.scratch = Path(self._scratch.name)  # of this run alone, gone when it ends

    def get(self, kind: str, key: str) -> Optional[Any]:
        """A result of an earlier run, or None."""
        path = self._path(kind, key)
        return json.loads(path.read_text()) if path.is_file() else None

    def put(self, kind: str, key: str, value: Any) -> Any:
        """Keep a result, and return it."""
        path = self._path(kind, key)
        part = path.with_suffix('.part')
        part.write_text(json.dumps(value))
        part.rename(path)
        return value

    def _path(self, kind: str, key: str) -> Path:
        made_by = [Path(__file__).with_name(f'{name}.py').read_bytes() for name in MODULES[kind]]
        return self.folder / f'{kind}-{key}-{_digest([self.state.encode(), *made_by])}.json'


def _digest(parts: Sequence[bytes]) -> str:
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return state.hexdigest()[:12]


def progress(items: Sequence[T], what: str, name: Callable[[T], str] = str) -> Iterator[T]:
    """Go through items; before each say its number, its name and about how long the rest takes."""
    began = time.monotonic()
    for done, item in enumerate(items):
        left = (time.monotonic() - began) / done * (len(items) - done) if done else 0
        rest = f', about {int(left) // 60}:{int(left) % 60:02d} left' if done else ''
        print(f'{what} {done + 1} of {len(items)}{rest}: {name(item)}', flush=True)
        yield item
