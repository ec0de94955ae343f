"""tools/benchmarks/marked_page.py: what stands between the marks of one tool changes, and nothing else."""
import shlex
import shutil
import sys
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
    there = set(sys.modules)
    import marked_page
    yield marked_page
    for name in set(sys.modules) - there:
        if str(FOLDER) in str(getattr(sys.modules[name], '__file__', '')):
            del sys.modules[name]


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


def test_what_cannot_be_written_is_refused(tool, tmp_path):
    tool.check(tmp_path / 'page.md')
    (tmp_path / 'picture.png').write_bytes(b'\x89PNG\r\n')
    for name, words in (('nowhere/page.md', 'there is no folder .*nowhere; make it, or name another page'),
                        ('', 'is a folder; name a page in it'), ('picture.png', 'is no text in UTF-8')):
        with pytest.raises(ConfigError, match=words):
            tool.check(tmp_path / name)


@pytest.mark.parametrize('page, benchmark, options', [
    ('crash_test.md', 'crash_test', []), ('crash_test.md', 'crash_test', ['--amp', '--processes', '2']),
    ('distributed.md', 'distributed_equality', []), ('packed.md', 'packed', [])])
def test_pages_of_the_repository_have_a_place_for_the_figures(tool, tmp_path, page, benchmark, options):
    import importlib
    made = importlib.import_module(benchmark)
    name = shlex.join([made.MARKS, *made.way(made.parse_args(options))]) if benchmark == 'crash_test' else made.MARKS
    copy = Path(shutil.copy(FOLDER.parents[1] / 'docs' / page, tmp_path))
    before = copy.read_text()
    tool.put(copy, name, 'NEW', 'Not needed')
    after = copy.read_text()
    assert after.count('NEW') == 1 and len(after) < len(before)
    assert after.count('<!-- ') == before.count('<!-- ')
