"""Files of a run folder: replaced at once, so that a reader or a kill never meets half a file; one table grows."""
import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import cv2
import numpy as np


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file under another name and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + '.part')
    unfinished.write_bytes(data)
    os.replace(unfinished, path)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write an (H, W, 3) uint8 RGB picture in the format that the name ends with."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 90] if path.suffix == '.jpg' else []
    write_bytes(path, cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)[1].tobytes())


def write_confusion(folder: Path, report: Any, draw: Any) -> list[Path]:
    """Write a confusion matrix as a table and as pictures of the counts and of shares of each true class.

    Args:
        folder: Where to.
        report: Of the evaluation: ``confusion`` (K, K) and its text ``confusion_csv()``.
        draw: The visualizer, which knows the classes.

    Returns:
        The files.
    """
    files = [folder / name for name in ('confusion_matrix.csv', 'confusion_matrix.png',
                                        'confusion_matrix_normalized.png')]
    write_bytes(files[0], report.confusion_csv().encode())
    write_picture(files[1], draw.draw_confusion_matrix(report.confusion))
    write_picture(files[2], draw.draw_confusion_matrix(report.confusion, normalize=True))
    return files


class MetricsTable:
    """The numbers of a run, one row an iteration, kept in a CSV file.

    Args:
        path: The file. What is in it is kept up to the iteration ``resumed_at``; later rows are forgotten, since
            those iterations are done again.
        resumed_at: Iterations that were done before; 0 starts an empty table.
    """

    def __init__(self, path: Path, resumed_at: int = 0) -> None:
        self.path = path
        self.rows: dict[int, dict[str, str]] = {}
        self._columns: Optional[dict] = None  # those of the file, once this table has written it
        if resumed_at and path.exists():
            text = path.read_text()
            whole = text[:text.rfind('\n') + 1]  # a kill may leave half a row at the end
            for row in csv.DictReader(io.StringIO(whole)):
                iteration = int(row.pop('iter'))
                if iteration <= resumed_at:
                    self.rows[iteration] = {name: value for name, value in row.items() if value}

    def add(self, iteration: int, values: Mapping[str, float]) -> None:
        """Put values into the row of an iteration; a row behind the others is appended to the file.

        The file is written anew only where a row or the columns change, which a validation does: otherwise a run would
        write its whole table once for each row of it.
        """
        new = iteration > max(self.rows, default=-1)
        row = self.rows.setdefault(iteration, {})
        row.update({name: f'{value:.6g}' for name, value in values.items()})
        appended = new and self._columns is not None and row.keys() <= self._columns.keys()
        if not appended:
            self._columns = dict.fromkeys(self.names())
        text = io.StringIO()
        writer = csv.DictWriter(text, ['iter', *self._columns], lineterminator='\n')
        if appended:
            writer.writerow(dict(iter=iteration, **row))
            with open(self.path, 'a') as file:
                file.write(text.getvalue())
            return
        writer.writeheader()
        writer.writerows(dict(iter=key, **self.rows[key]) for key in sorted(self.rows))
        write_bytes(self.path, text.getvalue().encode())

    def series(self, name: str) -> tuple[list[int], list[float]]:
        """Iterations and values of a column, without its empty fields."""
        points = [(key, float(self.rows[key][name])) for key in sorted(self.rows) if name in self.rows[key]]
        return [x for x, _ in points], [y for _, y in points]

    def names(self) -> list[str]:
        """Columns that hold something: rates, losses, training accuracy, scores, times."""
        return sorted(dict.fromkeys(name for row in self.rows.values() for name in row), key=_place)


def _place(name: str) -> tuple:
    """What columns are sorted by, whatever a run happened to record first. lr_x2 stands before lr_x10."""
    marks = (name.startswith('lr'), 'loss' in name, 'acc_seg' in name, not name.endswith('time'))
    return marks.index(True) if True in marks else len(marks), '.' in name, len(name), name
