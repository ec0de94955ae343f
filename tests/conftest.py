"""Fixtures every test may use."""
import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def segkit_scope():
    """Registries build in segkit's scope, as they do inside a run."""
    from mmengine.registry import DefaultScope
    DefaultScope.get_instance(f'test-{os.getpid()}', scope_name='segkit')


@pytest.fixture(scope='session')
def data_pack() -> Path:
    """The folder of real photos, masks and weights that SEGKIT_DATA names."""
    root = os.environ.get('SEGKIT_DATA')
    if not root:
        pytest.skip('real data: SEGKIT_DATA is not set')
    return Path(root)
