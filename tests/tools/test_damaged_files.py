"""Damaged copies of images and masks: each loads, or gives the error that names it; nothing crashes or hangs."""
import faulthandler
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / 'tools' / 'benchmarks'


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import damaged_files
    yield damaged_files
    for name in ('damaged_files', 'damage'):
        sys.modules.pop(name)


def verdicts(tool, report):
    faults = [outcome for outcome in report.outcomes if outcome.verdict == tool.FAULT]
    assert not faults, faults[0]
    assert max(outcome.seconds for outcome in report.outcomes) < tool.HANG
    assert report.growth < 400e6
    right = ('more bytes behind the end', 'pixels only, checksums right', 'wrong EXIF', 'another size in the header',
             'start of another format')
    for outcome in report.outcomes:  # a wrong checksum never loads, and libpng has not seen it
        if outcome.format == '.png' and outcome.kind not in right:
            assert outcome.verdict == tool.REFUSED and not outcome.noise, outcome
    return Counter(outcome.verdict for outcome in report.outcomes)


def test_generated_files(tool, tmp_path):
    report = tool.load_copies(tool.generated_pairs(tmp_path / 'whole'), 228, 0, tmp_path)
    count = verdicts(tool, report)
    assert sum(count.values()) == 228 and count[tool.REFUSED] > 100 and count[tool.SAME] > 10
    assert {outcome.kind for outcome in report.outcomes} == set(tool.KINDS)
    assert 'Of 228 copies' in tool.page(report, 'x')
    assert tool.table(report).count('**all**') == 2


@pytest.mark.slow
def test_2000_copies_of_real_files(tool, data_pack, tmp_path):
    report = tool.load_copies(tool.real_pairs(data_pack), 2000, 0, tmp_path)
    count = verdicts(tool, report)
    assert sum(count.values()) == 2000 and count[tool.REFUSED] > 1200


def test_a_process_that_dies_is_a_finding_and_the_rest_is_still_loaded(tool, tmp_path, monkeypatch):
    pairs = tool.generated_pairs(tmp_path / 'whole')[:1]
    loaded = tool._load

    def dies_once(files, plan, folder):
        for line, (_, kind, _) in zip(loaded(files, plan, folder), plan):
            if kind == 'one bit flipped':
                faulthandler.disable()  # nothing to read in the log of the tests
                os.abort()
            yield line

    monkeypatch.setattr(tool, '_load', dies_once)
    report = tool.load_copies(pairs, 5, 0, tmp_path)
    assert [o.verdict == tool.FAULT for o in report.outcomes] == [False, False, True, False, False]


def test_damage_is_seeded_and_differs(tool):
    from damage import copies
    photo = (FOLDER.parents[1] / 'docs/images/demo_predictions.jpg').read_bytes()
    once = list(copies([photo], 19, 1))
    assert once == list(copies([photo], 19, 1)) != list(copies([photo], 19, 2))
    assert sum(copy != photo for _, _, copy in once) >= 18  # a text transfer may find no line end to change
