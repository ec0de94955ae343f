"""Fixtures every test may use."""
import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def segkit_scope():
    """Registries build in segkit's scope, as they do inside a run."""
    from mmengine.registry import DefaultScope
    with DefaultScope.overwrite_default_scope('segkit'):
        yield


@pytest.fixture(scope='session')
def data_pack() -> Path:
    """The folder of real photos, masks and weights that SEGKIT_DATA names."""
    root = os.environ.get('SEGKIT_DATA')
    if not root:
        pytest.skip('real data: SEGKIT_DATA is not set')
    return Path(root)


def pytest_collection_modifyitems(items):
    for item in items:
        if 'data_pack' in getattr(item, 'fixturenames', ()):
            item.user_properties.append(('real_data', True))


def pytest_terminal_summary(terminalreporter):
    """Say how many tests saw real data, so that a run without them cannot pass for a full one."""
    seen = {'passed': 0, 'failed': 0, 'skipped': 0}
    for outcome in seen:
        reports = terminalreporter.stats.get(outcome, [])
        seen[outcome] = sum(('real_data', True) in getattr(r, 'user_properties', ()) for r in reports)
    terminalreporter.write_line(
        f'real-data tests: {seen["passed"] + seen["failed"]} ran, {seen["skipped"]} skipped')
