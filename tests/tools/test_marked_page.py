"""tools/benchmarks/marked_page.py: what stands between the marks of one tool changes, and nothing else."""
from pathlib import Path

import pytest

from segkit.errors import ConfigError

FOLDER = Path(__file__).parents[2] / 'tools/benchmarks'
PAGE = """# Ours

By hand.

<!-- figures: tools/a.py -->
old a
<!-- end of figures -->
Between.
<!-- figures: tools/a.py --amp -->
old b
<!-- end of figures -->
Behind.
"""


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import marked_page
    return marked_page


@pytest.mark.parametrize('name, old', [('tools/a.py', 'old a'), ('tools/a.py --amp', 'old b')])
def test_only_its_own_part_changes(tool, tmp_path, name, old):
    page = tmp_path / 'page.md'
    page.write_text(PAGE)
    tool.put(page, name, 'new\n\n| \\1 |', 'Not needed')
    assert page.read_text() == PAGE.replace(old, 'new\n\n| \\1 |')


@pytest.mark.parametrize('before', [
    'By hand.\n',
    '<!-- figures: tools/b.py -->\nno end\n',
    '<!-- figures: tools/b.py -->\nno end\n\n<!-- figures: tools/a.py -->\nof another\n<!-- end of figures -->\n',
])
def test_without_its_marks_the_part_comes_last_and_is_found_the_next_time(tool, tmp_path, before):
    page = tmp_path / 'page.md'
    page.write_text(before)
    tool.put(page, 'tools/b.py', 'first', 'Not needed')
    assert page.read_text() == f'{before}\n<!-- figures: tools/b.py -->\nfirst\n<!-- end of figures -->\n'
    tool.put(page, 'tools/b.py', 'second', 'Not needed')
    assert page.read_text() == f'{before}\n<!-- figures: tools/b.py -->\nsecond\n<!-- end of figures -->\n'


def test_a_page_that_is_not_there_is_made(tool, tmp_path):
    tool.put(tmp_path / 'page.md', 'tools/b.py', 'figures', 'Its title')
    assert (tmp_path / 'page.md').read_text() == (
        '# Its title\n\n<!-- figures: tools/b.py -->\nfigures\n<!-- end of figures -->\n')


def test_a_page_without_a_folder_is_refused(tool, tmp_path):
    assert tool.folder_of(tmp_path / 'page.md') == tmp_path
    with pytest.raises(ConfigError, match='there is no folder .*nowhere; make it, or name another page'):
        tool.folder_of(tmp_path / 'nowhere/page.md')
