"""Files of a run folder: replaced at once, so that a reader or a kill never meets half a file."""
import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

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
        if resumed_at and path.exists():
            for row in csv.DictReader(io.StringIO(path.read_text())):
                iteration = int(row.pop('iter'))
                if iteration <= resumed_at:
                    self.rows[iteration] = {name: value for name, value in row.items() if value}

    def add(self, iteration: int, values: Mapping[str, float]) -> None:
        """Put values into the row of an iteration and write the file."""
        row = self.rows.setdefault(iteration, {})
        row.update({name: f'{value:.6g}' for name, value in values.items()})
        names = dict.fromkeys(name for row in self.rows.values() for name in row)
        text = io.StringIO()
        writer = csv.DictWriter(text, ['iter', *names], lineterminator='\n')
        writer.writeheader()
        writer.writerows(dict(iter=key, **self.rows[key]) for key in sorted(self.rows))
        write_bytes(self.path, text.getvalue().encode())

    def series(self, name: str) -> tuple[list[int], list[float]]:
        """Iterations and values of a column, without its empty fields."""
        points = [(key, float(self.rows[key][name])) for key in sorted(self.rows) if name in self.rows[key]]
        return [x for x, _ in points], [y for _, y in points]

    def names(self) -> list[str]:
        """Columns that hold something."""
        return list(dict.fromkeys(name for row in self.rows.values() for name in row))
