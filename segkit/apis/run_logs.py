"""The numbers that a run logged, read from segkit's run folder or from a log of MMSegmentation's."""
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Union

from segkit.engine.run_folder import MetricsTable
from segkit.errors import DataError

TIMES = ('time', 'data_time')
UNPLOTTED = ('iter', 'step', 'epoch', 'mode')
SCORES = ('mIoU', 'mAcc', 'aAcc', 'mDice', 'mFscore', 'mPrecision', 'mRecall')
CLASS_SCORES = ('IoU.', 'Acc.', 'Dice.', 'Fscore.', 'Precision.', 'Recall.')
END = 2**62  # beyond any iteration


@dataclass
class RunLog:
    """What a run logged.

    Attributes:
        source: The file or folder, as it was given.
        rows: Iteration, counted from 1, to name to value.
    """
    source: str
    rows: dict[int, dict[str, float]] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Everything that was logged, sorted."""
        return sorted({name for row in self.rows.values() for name in row})

    def series(self, name: str) -> tuple[list[int], list[float]]:
        """Iterations at which ``name`` was logged, ascending, and its values."""
        points = [(iteration, self.rows[iteration][name]) for iteration in sorted(self.rows)
                  if name in self.rows[iteration]]
        return [x for x, _ in points], [y for _, y in points]

    def add(self, rows: Iterable[tuple[int, dict[str, float]]]) -> None:
        """Put further rows behind those that are there.

        Where iterations go back, a run went on from an earlier checkpoint or began anew: what was logged from there on
        was done again, and is forgotten.
        """
        latest = max(self.rows, default=0)
        for iteration, values in rows:
            if iteration < latest:
                self.rows = {at: row for at, row in self.rows.items() if at < iteration}
            latest = iteration
            self.rows.setdefault(iteration, {}).update(values)


def read_log(source: Union[str, Path]) -> RunLog:
    """Read a run's log.

    A folder is read in this order: ``metrics.csv`` (segkit); ``vis_data/scalars.json`` in it or in the folders of its
    starts (MMSegmentation 1.x, one a start, joined); ``*.log.json`` (0.x, joined). Losses and times are means: here
    since the line before, in MMSegmentation's files of the last ten iterations or so. Scores of 0.x are fractions
    there and become per cent, as they are in 1.x and here. What a validation took is called ``val/time`` and
    ``val/data_time``.

    Args:
        source: A run folder, or one of these files.

    Raises:
        DataError: If there is no log, or it is no such file.
    """
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f'{source}: no such file or folder.\nGive a run folder, or a metrics.csv, scalars.json or '
                        '.log.json file.')
    files = [path] if path.is_file() else _files_in(path)
    if not files:
        raise DataError(f'{source}: no log in this folder; expected metrics.csv, vis_data/scalars.json or '
                        '*.log.json.\nIs it a run folder (work_dirs/...)?')
    log = RunLog(str(source))
    for file in files:
        log.add(_rows(file))
    if not log.rows:
        raise DataError(f'{files[-1]}: nothing was logged in it yet.')
    return log


def _files_in(folder: Path) -> list[Path]:
    for pattern in ('metrics.csv', 'vis_data/scalars.json', '*/vis_data/scalars.json', '*.log.json'):
        found = sorted(folder.glob(pattern))  # starts are named by their time
        if found:
            return found
    return []


def _rows(file: Path) -> Iterator[tuple[int, dict[str, float]]]:
    if file.suffix == '.csv':
        try:
            table = MetricsTable(file, resumed_at=END)
            return iter([(at, {k: float(v) for k, v in row.items()}) for at, row in sorted(table.rows.items())])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{file} is no metrics.csv of a run: expected a column 'iter' and numbers.") from error
    return _json_rows(file)


def _json_rows(file: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """The lines of a JSON log; the last one may be cut short, where a run was killed or is writing it."""
    lines = file.read_text(encoding='utf-8', errors='replace').splitlines()
    last = 0  # the latest iteration of the training
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            if number == len(lines) and number > 1:
                return
            raise DataError(f'{file}, line {number}: expected a JSON object a line, as scalars.json and .log.json have '
                            'them.')
        old = 'mode' in line
        if not old and 'step' not in line:
            continue  # the head of a 0.x log: environment and config
        trained = line['mode'] == 'train' if old else 'iter' in line
        position = int(line['iter'] if old else line['step'])
        if trained and old and position < last:
            raise DataError(f'{file}, line {number}: iterations begin again at {position} behind {last}, so they are '
                            'counted within epochs.\nOnly logs of iteration-based runs can be read.')
        if trained:
            last = position
        elif old:  # here 'iter' is the number of validated batches in most versions
            position = last
        else:  # where the log counts epochs, a validation's step is one
            position = max(position, last)
        yield position, _values(line, trained, old)


def _values(line: dict, trained: bool, old: bool) -> dict[str, float]:
    found = {}
    for name, value in line.items():
        if name in UNPLOTTED or isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if not trained and (name in TIMES or old and name in ('lr', 'memory')):
            if name in TIMES:
                found[f'val/{name}'] = float(value)
            continue
        percent = old and not trained and (name in SCORES or name.startswith(CLASS_SCORES))
        found[name] = float(value) * (100 if percent else 1)
    return found
