"""Cores that a process may use."""
import os
import subprocess
import sys

import pytest

from segkit.cores import usable_cores


@pytest.mark.skipif(not hasattr(os, 'sched_setaffinity'), reason='no affinity on this system')
def test_a_process_bound_to_one_core_has_one():
    code = ('import os; from segkit.cores import usable_cores; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);'
            'print(usable_cores())')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == '1\n'


def test_elsewhere_it_is_all_cores(monkeypatch):
    monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
    monkeypatch.setattr(os, 'cpu_count', lambda: 6)
    assert usable_cores() == 6
    monkeypatch.setattr(os, 'cpu_count', lambda: None)
    assert usable_cores() == 1
