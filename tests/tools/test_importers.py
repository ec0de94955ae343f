"""tools/benchmarks/importers.py: what its page says, and the key lists of its random files."""
import re
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / 'tools/benchmarks'))
import importers  # noqa: E402
from importer_cases import deeplab_v2, gluoncv_names, mobilenet, toolbox  # noqa: E402
from importer_cases.measure import Row  # noqa: E402
from importer_cases.page import START, page  # noqa: E402

from segkit.apis.importers import SOURCES  # noqa: E402
from segkit.apis.importers.proof import LARGEST, Difference  # noqa: E402

PAGE = (ROOT / 'docs/importers.md').read_text()


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith('| ')]
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]


def test_the_page_has_every_case_and_none_computes_something_else():
    table, wrong = PAGE.partition(START)[2].split('## What a wrong reading would give')
    named = {cells[0] for cells in rows(table)}
    cases = [case.name for case in (*importers.all_cases(), *mobilenet.cases(Path('x')))]
    assert set(cases) <= named
    shares = [float(cells[5]) for cells in rows(table)[1:] if cells[5]]
    assert len(shares) > 10 and max(shares) <= LARGEST
    # Each of the wrong readings is one that the right one is told from.
    assert len(rows(wrong)) > 1 and min(float(cells[2]) for cells in rows(wrong)[1:]) > 100 * LARGEST


def test_every_source_is_on_the_page():
    assert set(re.findall(r'^\| `([a-z0-9-]+)` \|', PAGE, re.M)) == set(SOURCES)


def test_page():
    case, one = deeplab_v2.CASES[0], Difference('decode_head', 0.002, 4.0, 0.9999)
    text = page(f'Mine.\n\n{START}EARLIER', [Row(case, (5, 4), [one, one], 'MXNet 1')], gluoncv_names.CASES[-1:],
                [(case, 'another', one)], 'torch 2', 'a machine', 'python x.py --write')
    assert text.startswith('Mine.\n\n## Compared') and 'EARLIER' not in text
    assert f'| {case.name} | its arithmetic, written out | 4 of 5 | decode_head | 0.002 | 5.0e-04 | 99.990% |' in text
    assert '|  |  |  | decode_head | 0.002 |' in text and '| GluonCV on MXNet: not run |' in text
    assert f'| {case.name} | another | 5.0e-04 | 100.0% |' in text and 'torch 2; MXNet 1.' in text
    assert '\nMade by `python x.py --write` on a machine; torch 2' in text


def test_the_page_names_the_command_that_gives_its_rows(monkeypatch):
    cases = [*importers.all_cases(), *mobilenet.cases(Path('x'))]
    found = [Row(case, (1, 1), [], '') for case in cases]
    monkeypatch.setenv('SEGKIT_DATA', 'somewhere')
    made = importers.command(found, None)
    assert f'Made by `{made}` on ' in PAGE and '--gluoncv PYTHON --mmseg PYTHON --write' in made
    monkeypatch.delenv('SEGKIT_DATA')
    few = [row for row in found if row.case.python is None]
    assert importers.command(few, ["Google's"]) == (
        "python tools/benchmarks/importers.py --only 'Google'\"'\"'s' --write")


@pytest.mark.parametrize('write, keys, numbers', [
    # Tensors and parameters of the sources, counted in their own code, with 21 classes (the toolbox: 19).
    (deeplab_v2.write, 632, 44_048_532), (gluoncv_names.write, 319, 42_127_850), (toolbox.write, None, 63_226_854),
    (lambda path: toolbox.write(path, pspnet=True), None, 70_437_350)])
def test_random_files_have_the_sources_sizes(monkeypatch, write, keys, numbers):
    saved = []
    monkeypatch.setattr(torch, 'save', lambda weights, path: saved.append(weights))
    monkeypatch.setattr(torch, 'randn', lambda shape, generator: torch.zeros(1).expand(shape))
    write(None)
    weights, = saved
    trained = [value.numel() for key, value in weights.items() if 'running' not in key and 'num_batches' not in key]
    assert sum(trained) == numbers and (keys is None or len(weights) == keys)
