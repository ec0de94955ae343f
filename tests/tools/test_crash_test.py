"""tools/benchmarks/crash_test.py: a short one, and that a difference is seen."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
PAGE = """# Crash test

<!-- figures: tools/benchmarks/crash_test.py -->
OF ONE PROCESS, OLD
<!-- end of figures -->

<!-- figures: tools/benchmarks/crash_test.py --amp --processes 2 -->
OF TWO PROCESSES
<!-- end of figures -->
"""


def crash_test(*args):
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    return subprocess.run([sys.executable, str(ROOT / 'tools/benchmarks/crash_test.py'), *map(str, args)],
                          capture_output=True, text=True, env=environment, timeout=900)


@pytest.mark.slow
def test_two_kills_change_nothing(tmp_path, monkeypatch):
    page = tmp_path / 'report.md'
    page.write_text(PAGE)
    done = crash_test('--kills', 2, '--iters-per-kill', 6, '--work-dir', tmp_path / 'runs', '--report', page)
    assert done.returncode == 0, done.stdout + done.stderr
    report = page.read_text()
    assert 'bit for bit' in report and 'OF ONE PROCESS, OLD' not in report
    assert report.count('| none |') == 9
    assert report.count('OF TWO PROCESSES') == report.count('## 1 process\n') == 1
    kills = report[:report.index('<!-- end of figures -->')].splitlines()[-2:]
    assert [line.split('|')[1].strip() for line in kills] == ['1', '2']

    # What compares is not blind: a weight, a row and a score that differ are named.
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks'))
    from crash_test_compare import compare
    whole, other = tmp_path / 'runs/uninterrupted', tmp_path / 'runs/other'
    shutil.copytree(tmp_path / 'runs/killed', other)
    path = other / 'iter_18.pth'
    file = torch.load(path, weights_only=True)
    file['state_dict']['decode_head.conv_seg.bias'][0] += 1e-7
    file['optimizer']['state'][0]['momentum_buffer'].view(-1)[0] += 1e-7
    torch.save(file, path)
    Path(f'{path}.sha256').unlink(missing_ok=True)
    for name in ('metrics.csv', 'vis_data/scalars.json'):
        lines = (other / name).read_text().splitlines(keepends=True)
        (other / name).write_text(''.join(lines[:-1]))
    found = {name: difference for name, _, difference in compare(whole, other, 18) if difference}
    assert list(found) == ['weights and buffers at iteration 18', 'optimizer state at iteration 18',
                           'rows of metrics.csv', 'rows of scalars.json']
    assert 'decode_head.conv_seg.bias' in found['weights and buffers at iteration 18']


@pytest.mark.parametrize('args, words', [
    (['--kills', '0'], '--kills and --processes are at least 1'),
    (['--work-dir', str(ROOT / 'tools')], 'is not empty; name a new folder'),
    (['--report', str(ROOT / 'nowhere/page.md')], 'there is no folder'),
])
def test_command_line_is_checked(args, words):
    done = crash_test(*args)
    assert done.returncode == 2
    assert words in done.stderr and 'Traceback' not in done.stderr
