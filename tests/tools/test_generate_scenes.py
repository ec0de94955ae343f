import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*args: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(ROOT / 'tools/dataset_converters/generate_scenes.py'), *args],
                          capture_output=True, text=True, cwd=ROOT, env={'PYTHONPATH': str(ROOT), 'PATH': '/usr/bin'})


def test_it_makes_scenes_once(tmp_path):
    out = str(tmp_path / 'scenes')
    first = run(out, '--train', '3', '--val', '2', '--size', '40', '60', '--seed', '1')
    assert first.returncode == 0, first.stderr
    assert '5/5 scenes' in first.stdout and '3 scenes to train on, 2 to validate' in first.stdout
    again = run(out, '--train', '3', '--val', '2', '--size', '40', '60', '--seed', '1')
    assert 'already' in again.stdout and len(list(Path(out, 'JPEGImages').iterdir())) == 5


def test_a_mistake_is_a_message_and_status_2(tmp_path):
    done = run(str(tmp_path / 'scenes'), '--train', '0')
    assert done.returncode == 2 and 'Traceback' not in done.stderr and 'train=0' in done.stderr
