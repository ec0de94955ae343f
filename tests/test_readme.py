"""What README says can be typed: files exist, flags exist."""
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]


def commands() -> list[str]:
    text = '\n'.join(re.findall(r'```(?:bash|text)\n(.*?)```', README, re.S)).replace('\\\n', ' ')
    return [line.removeprefix('$ ') for line in text.splitlines() if re.match(r'(\$ )?python tools/', line)]


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.name)
def test_every_file_named_exists(page: Path):
    text = page.read_text()
    named = set(re.findall(r'\b((?:configs|tools|docs|segkit|tests)/[\w./-]+\.(?:py|sh|md|jpg|png))\b', text))
    named |= {str((page.parent / link).resolve().relative_to(ROOT)) for link in re.findall(r'\]\(([\w./-]+)\)', text)}
    assert named or page.name != 'README.md'
    for name in named:
        assert (ROOT / name).exists(), name


@pytest.mark.slow
def test_every_flag_exists():
    helps = {}
    for command in commands():
        tool = command.split()[1]
        if tool not in helps:
            helps[tool] = subprocess.run([sys.executable, str(ROOT / tool), '--help'], capture_output=True, text=True,
                                         check=True, cwd=ROOT).stdout
        for flag in re.findall(r'(?<= )--[a-z-]+', command):
            assert flag in helps[tool], f'{tool} has no {flag}'
    assert {'tools/train.py', 'tools/test.py', 'tools/predict.py'} <= set(helps)


def shown_helps() -> list[tuple[str, str]]:
    """Each tool whose --help a page shows, and what it shows."""
    pattern = r'```text\n\$ python (\S+) --help\n(.*?)```'
    return [shown for page in PAGES for shown in re.findall(pattern, page.read_text(), re.S)]


@pytest.mark.parametrize('tool, shown', shown_helps(), ids=lambda text: text.split()[0])
def test_a_help_that_is_shown_is_the_tool_s(tool: str, shown: str):
    said = subprocess.run([sys.executable, str(ROOT / tool), '--help'], capture_output=True, text=True, check=True,
                          cwd=ROOT).stdout
    # Widths differ by terminal, and this heading by the version of Python.
    assert said.replace('optional arguments:', 'options:').split() == shown.split()


def test_make_targets_exist():
    targets = set(re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.M))
    assert set(re.findall(r'\bmake ([a-z-]+)', README)) <= targets


def test_nobody_is_sent_to_another_project_of_this_name():
    for page in PAGES:
        assert 'pip install segkit' not in page.read_text()
