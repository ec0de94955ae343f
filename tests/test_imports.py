"""Who may import whom."""
import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / 'segkit'
ALLOWED = {
    'errors': set(),
    'left_out': set(),
    'signatures': set(),
    'registry': {'errors', 'left_out', 'signatures'},
    'palette': set(),
    'cache_folder': set(),
    'cores': set(),
    'downloading': {'errors'},
    'launchers': {'errors'},
    'ops': {'errors'},
    'structures': {'errors'},
    'checkpoint': {'errors', 'downloading'},
    'config': {'errors', 'registry', 'signatures'},
    'models': {'errors', 'registry', 'structures', 'ops', 'checkpoint'},
    'datasets': {'errors', 'registry', 'structures', 'palette', 'cache_folder', 'cores'},
    'evaluation': {'errors', 'registry', 'ops'},
    'visualization': {'errors', 'registry', 'structures', 'palette'},
    'engine': {'errors', 'registry', 'structures', 'ops', 'checkpoint', 'launchers', 'cache_folder', 'cores'},
}
# Rooms inside models that reach each other through registries only.
APART = {'backbones', 'decode_heads', 'losses'}
FILES = sorted(p for p in PACKAGE.rglob('*.py') if p.relative_to(PACKAGE).parts[0] != 'apis')


def imported(path: Path) -> list[str]:
    """Every module a file imports, at any depth of nesting."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import'
            found += [f'{node.module}.{alias.name}' for alias in node.names]
    return found


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_know_only_the_rooms_below(path: Path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix('.py')
    if room == '__init__':
        allowed = set()
    else:
        assert room in ALLOWED, f'{room} is a new room: say here what it may import'
        allowed = ALLOWED[room] | {room}
    for name in imported(path):
        assert not name.startswith('mmcv.ops'), f'{path} imports mmcv.ops'
        if name.startswith('segkit.'):
            other = name.split('.')[1]
            assert other in allowed | {'__version__'}, f'{path} imports segkit.{other}'
        inner = path.relative_to(PACKAGE).parts
        if len(inner) > 2 and inner[1] in APART and name.startswith('segkit.models.'):
            assert name.split('.')[2] not in APART - {inner[1]}, f'{path} imports {name}'


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_torchvision_is_imported_lazily(path: Path):
    top = [n for n in ast.parse(path.read_text()).body if isinstance(n, (ast.Import, ast.ImportFrom))]
    names = [a.name for n in top if isinstance(n, ast.Import) for a in n.names]
    names += [n.module for n in top if isinstance(n, ast.ImportFrom)]
    assert not any(name.split('.')[0] == 'torchvision' for name in names)


def test_importing_segkit_does_not_load_torch():
    code = "import sys, segkit; print('torch' in sys.modules, segkit.__version__)"
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True,
                         cwd=PACKAGE.parent).stdout.split()
    assert out[0] == 'False'
