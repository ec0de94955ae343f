"""The newest checkpoint of a run folder."""
import re
from pathlib import Path
from typing import Optional

from segkit.errors import ConfigError


def find_last_checkpoint(work_dir: str) -> str:
    """The newest checkpoint of a run folder.

    Raises:
        ConfigError: If there is none.
    """
    folder = Path(work_dir)
    pointer = folder / 'last_checkpoint'
    if pointer.is_file():
        named = Path(pointer.read_text().strip())
        # In a copied or moved folder the name still leads to the old place, so a file beside it comes first.
        for path in (folder / named.name, named):
            if path.is_file():
                return str(path)
    numbered = [(int(m[1]), p) for p in folder.glob('*.pth') if (m := re.fullmatch(r'(?:iter|epoch)_(\d+)', p.stem))]
    if numbered:
        return str(max(numbered)[1])
    raise ConfigError(f'--resume: no checkpoint in {folder} (looked for last_checkpoint, iter_*.pth, epoch_*.pth).\n'
                      'Give the folder of the run with --work-dir, or leave --resume out to start anew.')


def iteration_of(work_dir: str) -> Optional[int]:
    """The number in the name of a run folder's newest checkpoint; None where there is none."""
    try:
        newest = find_last_checkpoint(work_dir)
    except ConfigError:
        return None
    found = re.search(r'(\d+)$', Path(newest).stem)
    return int(found[1]) if found else None
