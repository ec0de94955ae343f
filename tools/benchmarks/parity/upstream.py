"""The config files, and which of them are the same to a comparison."""
import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from answering import Answering

from parity.work import Work
from segkit.errors import ConfigError

METHODS = ('deeplabv3', 'deeplabv3plus', 'pspnet', 'fcn')
CHUNK = 20


def find_files(configs: Path, only: Optional[Sequence[str]]) -> list[str]:
    """The files of the four methods, as METHOD/NAME.py.

    Args:
        configs: The folder with one folder a method.
        only: Patterns, as for a shell, of what is in a name; None takes all.

    Raises:
        ConfigError: If there are none.
    """
    found = [path for method in METHODS for path in sorted((configs / method).glob('*.py'))]
    if not found:
        raise ConfigError(f"--configs: no files in {configs}/{METHODS[0]} and its neighbours.\nGive the folder that "
                          "MMSegmentation's wheel has as mmseg/.mim/configs; make parity unpacks it.")
    names = [f'{path.parent.name}/{path.name}' for path in found]
    if only is None:
        return names
    for pattern in only:
        if not fnmatch.filter(names, f'*{pattern}*'):
            raise ConfigError(f'--only {pattern}: none of the {len(found)} files has a name like that.')
    return [name for name in names if any(fnmatch.fnmatch(name, f'*{pattern}*') for pattern in only)]


def read_files(configs: Path, names: list[str], peer: Answering, own: Answering, work: Work) -> dict[str, dict]:
    """What both sides read in each file.

    Returns:
        For each name what segkit says (``key`` and ``run``, two digests; or ``error``), and ``alike``, whether the
        model that the peer reads there is the same.
    """
    told: dict[str, Any] = {name: work.get('read', name.replace('/', '-')) for name in names}
    missing = [name for name in names if told[name] is None]
    for start in range(0, len(missing), CHUNK):
        part = missing[start:start + CHUNK]
        request = dict(do='read', files=[str(configs / name) for name in part])
        peer.send(request)
        for name, ours, theirs in zip(part, own.ask(request), peer.receive()):
            ours['alike'] = ours.get('key') == theirs.get('key')
            told[name] = work.put('read', name.replace('/', '-'), ours)
        print(f'read {start + len(part)} of {len(missing)} files', flush=True)
    return told


def groups(told: dict[str, dict], by: str) -> dict[str, list[str]]:
    """Names of files with an equal digest, by that digest."""
    found: dict[str, list[str]] = {}
    for name, one in told.items():
        if by in one:
            found.setdefault(one[by], []).append(name)
    return found
