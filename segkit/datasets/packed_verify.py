"""Reading every record of a pack, to see whether it is what was packed; no registered class lives here."""
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Optional

from segkit.datasets.packed_file import open_pack, pack_in_use
from segkit.datasets.packed_pages import DamagedPackError
from segkit.datasets.packed_records import IMAGE, MASK
from segkit.datasets.packed_storage import address
from segkit.datasets.parallel import in_pieces, map_in_order
from segkit.datasets.progress import show_progress

AT_ONCE = 64  # samples that a process checks before it answers


def damaged_records(path: str, processes: Optional[int] = None) -> list[str]:
    """What is wrong with the records of a pack, each by its address; empty if every byte is as it was packed.

    Args:
        path: The pack.
        processes: As for :func:`map_in_order`.

    Raises:
        DataError: If the file is no pack that can be opened.
    """
    pack = open_pack(path)
    numbers = [number for number in range(len(pack)) if number not in pack.left_out]
    bar, found = iter(show_progress(numbers, 'samples checked')), []
    for faults in map_in_order(partial(_faults, path), in_pieces(numbers, AT_ONCE), processes):
        found += faults
        for _ in islice(bar, AT_ONCE):
            pass
    next(bar, None)
    return found


def _faults(path: str, numbers: Sequence[int]) -> list[str]:
    pack, found = pack_in_use(path), []
    for number in numbers:
        for kind, name in zip((IMAGE, MASK) if pack.facts.masks else (IMAGE,), pack.names(number)):
            try:
                pack.read(number, kind)
            except (DamagedPackError, OSError) as error:
                found.append(f'{address(path, number, kind, name)}: {error}')
    return found
