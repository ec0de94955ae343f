"""One file of a source, and what its network gives."""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from torch import Tensor

Reference = Callable[[Tensor], dict[str, Tensor]]


@dataclass(frozen=True)
class Case:
    """A row of docs/importers.md.

    Attributes:
        name: What it is.
        source: SOURCE of import_weights.py.
        write: Writes the file to a path.
        compared: With what, in words.
        reference: From the file's weights, a function from an image (1, 3, H, W) as the network sees it to the scores
            of each head; None for the one that the importer itself builds from a package.
        options: Further words of the command line.
        python: The program that this case needs beside ours: 'gluoncv' or 'mmseg'; None for none.
        size: Height and width of the image.
    """

    name: str
    source: str
    write: Callable[[Path], Any]
    compared: str
    reference: Optional[Callable[[Mapping[str, Tensor]], Reference]] = None
    options: Sequence[str] = ()
    python: Optional[str] = None
    size: tuple[int, int] = (128, 192)
    suffix: str = '.pth'
