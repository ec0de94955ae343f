"""Where what was computed once is kept for later runs."""
import os
from pathlib import Path
from typing import Optional


def cache_folder(kind: str) -> Optional[Path]:
    """The folder of one kind of results: below ``$XDG_CACHE_HOME``, or else ``~/.cache``.

    Args:
        kind: Its name, such as 'class_counts'.

    Returns:
        ``.../segkit/<kind>``, which may not exist yet; None where the user has no home folder, as a user id that a
        container was started with.
    """
    try:
        return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'segkit' / kind
    except RuntimeError:
        return None
