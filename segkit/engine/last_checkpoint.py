"""The newest checkpoint of a run folder, the newest one that is whole, and the one that another run starts from."""
import re
from collections.abc import Callable
from pathlib import Path
from typing import Optional

from segkit import checkpoint as files
from segkit.errors import CheckpointError, ConfigError, DamagedCheckpointError

POINTER = 'last_checkpoint'  # the file that names the newest one
DAMAGED = 'damaged'  # the folder where a resumed run puts what it could not go on from
SHOWN = 6
# Files that people name as load_from, by segkit or another program; those that cannot be read say so themselves.
FILE_SUFFIXES = ('.pth', '.pt', '.ckpt', '.pkl', '.pickle', '.bin', '.safetensors', '.tar', '.npz', '.npy', '.h5',
                 '.hdf5', '.caffemodel', '.params', '.onnx', '.zip', '.gz')


def find_last_checkpoint(work_dir: str) -> str:
    """The newest checkpoint of a run folder; whether it is whole is not looked at.

    Raises:
        ConfigError: If there is none.
    """
    return str(_candidates(Path(work_dir))[0])


def find_whole_checkpoint(work_dir: str, say: Callable[[str], None]) -> str:
    """The newest checkpoint of a run folder that is whole, and the one named from now on.

    Newer ones that are damaged are moved to ``damaged/`` beside them: so they are no longer met as the newest, and
    the run can write files of their names again. Where each is damaged, nothing is moved.

    Args:
        work_dir: The run folder.
        say: Called with a line for each that is damaged, and where the one that was named last is gone.

    Raises:
        ConfigError: If there is none.
        CheckpointError: If there is none that is whole, or one cannot be read for another reason than damage.
    """
    folder = Path(work_dir)
    found, damaged = _candidates(folder), []
    for path in found:
        try:
            files.verify(path)
        except DamagedCheckpointError as error:
            damaged.append((path, error))
            continue
        break
    else:
        listed = '; '.join(_reason(*one) for one in damaged[:SHOWN])
        raise CheckpointError(
            f'--resume: {f"each of the {len(found)} checkpoints" if found[1:] else "the only checkpoint"} in {folder} '
            f'is damaged:\n{listed}{"; ..." if len(damaged) > SHOWN else ""}\n'
            'Copy a whole one there (one that you changed yourself counts without its .sha256), start from other '
            'weights\nwith load_from, or anew without --resume.')
    named = _named(folder)
    if named is not None and not any(one.name == named.name for one in found):
        say(f'{folder / POINTER} names {named}, which is gone; going on from {path}')
    for old, error in damaged:
        files.move(old, old.parent / DAMAGED)
        say(f'{_reason(old, error)}; moved to {DAMAGED}/, going on from {path}')
    if named is None or named.name != path.name:
        files.write_text(folder / POINTER, str(path))
    return str(path)


def is_run_folder(source: Optional[str]) -> bool:
    """Whether ``load_from`` means a run's folder rather than a file.

    Of what is not there, all is one but a name that ends as files of weights do: a run may be called ``run.v2``.
    """
    if source is None or '://' in str(source):
        return False
    path = Path(source).expanduser()
    return path.is_dir() or (path.suffix.lower() not in FILE_SUFFIXES and not path.exists())


def find_start(folder: str, say: Callable[[str], None]) -> str:
    """The newest whole checkpoint of another run's folder, for ``load_from``; nothing in the folder is changed.

    Args:
        folder: The other run's folder, as a phase names the one before it.
        say: Called with a line for each newer one that is damaged.

    Raises:
        ConfigError: If the folder or a checkpoint in it is missing.
        CheckpointError: If none is whole, or one cannot be read for another reason than damage.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise ConfigError(f'load_from: {place} does not exist: this run starts from the last checkpoint of the run '
                          f'there.\nTrain that one first (tools/train.py with the config {place.name}.py), or name '
                          'the file to start from:\n--cfg-options load_from=FILE')
    reasons = []
    for path in _candidates(place, 'load_from'):
        try:
            files.verify(path)
        except DamagedCheckpointError as error:
            reasons.append(_reason(path, error))
            continue
        for reason in reasons:
            say(f'load_from: {reason}; starting from {path}')
        return str(path)
    raise CheckpointError(f'load_from: no checkpoint in {place} is whole:\n{"; ".join(reasons[:SHOWN])}')


def _candidates(folder: Path, asked_by: str = '--resume') -> list[Path]:
    """Checkpoints to go on from: the one named last, those before it, newest first, then those behind it.

    Raises:
        ConfigError: If there is none.
    """
    named = _named(folder)
    first, pattern, number, folders = [], r'(?:iter|epoch)_(\d+)', None, [folder]
    if named is not None:
        # In a copied or moved folder the name still leads to the old place, so a file beside it comes first.
        first = [path for path in (folder / named.name, named) if path.is_file()][:1]
        folders = dict.fromkeys([folder, named.parent])
        found = re.search(r'\d+(?=\D*$)', named.stem)
        if found:  # names of a person's own, as filename_tmpl gives them
            number = int(found[0])
            pattern += f'|{re.escape(named.stem[:found.start()])}(\\d+){re.escape(named.stem[found.end():])}'
    numbered: dict[str, tuple[int, Path]] = {}
    for path in (path for place in folders for path in place.glob('*.pth')):
        match = re.fullmatch(pattern, path.stem)
        if match and path.is_file() and (named is None or path.name != named.name):
            numbered.setdefault(path.name, (int(next(filter(None, match.groups()))), path))
    newest_first = sorted(numbered.values(), key=lambda pair: pair[0], reverse=True)
    behind = [pair for pair in newest_first if number is not None and pair[0] > number]
    before = [pair for pair in newest_first if pair not in behind]
    candidates = first + [path for _, path in before] + [path for _, path in reversed(behind)]
    if not candidates:
        raise ConfigError(f'{asked_by}: no checkpoint in {folder} (looked for {POINTER}, iter_*.pth, epoch_*.pth).\n'
                          + ('Give the folder of the run with --work-dir, or leave --resume out to start anew.'
                             if asked_by == '--resume' else 'Train that run first, or name the file to start from.'))
    return candidates


def _named(folder: Path) -> Optional[Path]:
    """What the file ``last_checkpoint`` names; None where there is no such file, or nothing in it."""
    pointer = folder / POINTER
    text = pointer.read_text(encoding='utf-8', errors='replace').strip() if pointer.is_file() else ''
    return Path(text) if text else None


def _reason(path: Path, error: Exception) -> str:
    text = str(error).splitlines()[0].replace(str(path), path.name)
    return text[:160].rstrip('.')


def iteration_of(work_dir: str) -> Optional[int]:
    """The number in the name of a run folder's newest checkpoint; None where there is none."""
    try:
        newest = find_last_checkpoint(work_dir)
    except ConfigError:
        return None
    found = re.search(r'(\d+)$', Path(newest).stem)
    return int(found[1]) if found else None
