"""The measurement of packed records, and that every damage it knows is told."""
import mmap
import sys
from pathlib import Path

import pytest

from segkit.datasets.scenes import generate
from segkit.errors import ConfigError

FOLDER = Path(__file__).parents[2] / 'tools' / 'benchmarks'
PAGE = 'Before.\n<!-- figures: tools/benchmarks/packed.py -->\nFIGURES OF YESTERDAY\n<!-- end of figures -->\nBehind.\n'


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import packed
    yield packed
    for name in ('packed', 'packed_damage', 'data_pipeline', 'data_pipeline_side', 'marked_page', 'answering'):
        sys.modules.pop(name, None)


@pytest.mark.skipif(sys.platform != 'linux', reason='asks Linux what it holds of files')
def test_figures_go_between_the_marks_and_every_damage_is_told(tool, tmp_path):
    generate(str(tmp_path / 'scenes'), 6, 1, (60, 90))
    page = tmp_path / 'page.md'
    page.write_text(PAGE)
    tool.main(['--data-root', str(tmp_path / 'scenes'), '--split', 'train', '--samples', '6', '--timed', '3',
               '--blocks', '1', '--out', str(page)])
    text = page.read_text()
    assert text.startswith('Before.\n<!--') and text.endswith('-->\nBehind.\n') and 'YESTERDAY' not in text
    assert '**6 of 6** samples' in text
    damage = sys.modules['packed_damage']
    rows = [line for line in text.splitlines() if '| when it is ' in line]
    assert len(rows) == len(damage.DAMAGE) + len(damage.UNFIT) + 1
    assert damage.SILENT not in text and str(tmp_path) not in text
    assert all('PACK' in row for row in rows)


def test_a_page_without_a_folder_is_refused_before_anything_is_measured(tool, tmp_path):
    with pytest.raises(ConfigError, match='there is no folder .*nowhere; make it'):
        tool.main(['--data-root', str(tmp_path), '--out', str(tmp_path / 'nowhere' / 'page.md')])


@pytest.mark.skipif(sys.platform != 'linux', reason='asks Linux what it holds of files')
def test_what_the_system_holds_is_told_page_by_page(tool, tmp_path):
    """Of a file of which one part was written and read, and the rest never touched."""
    page, path = mmap.PAGESIZE, tmp_path / 'file'
    with open(path, 'wb') as file:
        file.write(b'x' * 3 * page)
        file.truncate(100 * page + 1)  # a hole: nothing of it is in memory until it is read
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
        states = tool.held_pages(content)
        assert len(states) == 101 and states[:3].all() and not states[50:].any()
        assert content[60 * page] == 0
        assert tool.held_pages(content)[60]
