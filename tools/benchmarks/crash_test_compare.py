"""What an interrupted run left behind, compared with an uninterrupted one, value by value."""
import csv
import json
from pathlib import Path
from typing import Any

import torch

from segkit.checkpoint import load_file

# Times, memory and the share of waiting are the machine's, not the run's.
OF_THE_MACHINE = ('time', 'data_time', 'memory', 'data_share')


def compare(whole: Path, crashed: Path, iterations: int) -> list[tuple[str, int, str]]:
    """Compare two run folders.

    Returns:
        For each thing that was compared its name, how many values it has, and the first difference; '' where none is.
    """
    rows = []
    files = [load_file(folder / f'iter_{iterations}.pth') for folder in (whole, crashed)]
    for key, name in (('state_dict', 'weights and buffers'), ('ema_state_dict', 'trained weights beside the average'),
                      ('optimizer', 'optimizer state'), ('param_schedulers', 'schedules')):
        if any(key in file for file in files):
            rows.append(_row(f'{name} at iteration {iterations}', *(file.get(key) for file in files)))
    best = [sorted(folder.glob('best_*.pth')) for folder in (whole, crashed)]
    rows.append(_row('names of the best weights', *([path.name for path in paths] for paths in best)))
    for a, b in zip(*best):
        a, b = load_file(a), load_file(b)
        rows.append(_row('best weights', a['state_dict'], b['state_dict']))
        rows.append(_row('their iteration and scores', *({k: v for k, v in one['meta'].items() if k in
                                                          ('iter', 'best_score', 'metrics')} for one in (a, b))))
    for name, read in (('metrics.csv', _table), ('vis_data/scalars.json', _scalars)):
        paths = [folder / name for folder in (whole, crashed)]
        if any(path.exists() for path in paths):
            rows.append(_row(f'rows of {paths[0].name}', *map(read, paths)))
    return rows


def _row(name: str, a: Any, b: Any) -> tuple[str, int, str]:
    differences: list[str] = []
    return name, _walk(a, b, '', differences), differences[0] if differences else ''


def _walk(a: Any, b: Any, place: str, differences: list[str]) -> int:
    """Compare two values of a checkpoint or a table; the number of single values in them."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        if a.shape != b.shape or a.dtype != b.dtype or not torch.equal(a, b):
            far = (a.double() - b.double()).abs().max().item() if a.shape == b.shape else 'another shape'
            differences.append(f'{place}: {far}')
        return a.numel()
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [key for key in (*a, *b) if key not in a or key not in b]:
            differences.append(f'{place}.{key} is in one of them only')
        return sum(_walk(a[key], b[key], f'{place}.{key}', differences) for key in a if key in b)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b):
            differences.append(f'{place}: {len(a)} and {len(b)} entries')
        return sum(_walk(x, y, f'{place}[{i}]', differences) for i, (x, y) in enumerate(zip(a, b)))
    if a != b and not (a != a and b != b):  # two NaN are the same
        differences.append(f'{place}: {a!r} and {b!r}')
    return 1


def _table(path: Path) -> list[dict]:
    with open(path) as file:
        return [{k: v for k, v in row.items() if k not in OF_THE_MACHINE} for row in csv.DictReader(file)]


def _scalars(path: Path) -> list[dict]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in OF_THE_MACHINE} for row in rows]
