"""The line of a key, as far as the text of the files shows it."""
import ast
from pathlib import Path

import pytest

from segkit.config.where import where

BASE = '''
model = dict(
    a=1,
    heads=[
        dict(b=1),
        dict(
            c=2)])
common = dict(z=1)
'''
CHILD = '''
step = dict(
    d=1)
extra = dict(type='x')
model = dict(
    **extra,
    steps=[step, *[], dict(d=2)],
    **{'e': 3},
    f=[i for i in range(3)])
visualizer = _base_.common
'''


@pytest.mark.parametrize('path, place', [
    ('model.a', 'base.py:3'), ('model.heads.0.b', 'base.py:5'), ('model.heads.1.c', 'base.py:7'),
    ('model.steps.0.d', 'child.py:3'),  # through the variable
    ('model.e', 'child.py:8'), ('model.f', 'child.py:9'),
    ('model.f.1', 'child.py:9'),  # computed: the nearest that the text shows
    ('model.steps.2.d', 'child.py:7'),  # behind a star, positions cannot be told
    ('visualizer.z', 'child.py:10'), ('model.nowhere', 'child.py:5'), ('absent', None)])
def test_where(path, place):
    trees = [(Path('base.py'), ast.parse(BASE)), (Path('child.py'), ast.parse(CHILD))]
    assert where(trees, tuple(path.split('.'))) == place
