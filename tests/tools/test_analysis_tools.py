"""The files in tools/analysis: each starts, explains itself with an example, and answers a mistake with status 2."""
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = sorted(Path(__file__).parents[2].joinpath('tools/analysis').glob('*.py'))


def start(tool: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(tool), *arguments], capture_output=True, text=True, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize('tool', TOOLS, ids=lambda path: path.stem)
def test_help_has_an_example_and_a_mistake_ends_with_2(tool):
    shown = start(tool, '--help')
    assert shown.returncode == 0 and 'example:' in shown.stdout and f'python tools/analysis/{tool.name}' in shown.stdout
    wrong = start(tool, '--no-such-option')
    assert wrong.returncode == 2 and wrong.stderr.startswith('error: ') and len(wrong.stderr.splitlines()) <= 4
