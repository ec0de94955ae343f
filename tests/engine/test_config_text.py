"""A config written as Python text is the same config when it is loaded."""
import datetime
from collections import OrderedDict
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch

from segkit.config import load_config
from segkit.config.files import run_file
from segkit.engine.config_text import as_python
from segkit.errors import ConfigError

CONFIGS = sorted((Path(__file__).parents[2] / 'configs').glob('[a-z]*/*.py'))


def alike(a: object, b: object) -> bool:
    """Equal in value, type and order of keys, all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(alike, a, b))
    return a == b


def loaded(tmp_path: Path, text: str) -> dict:
    (tmp_path / 'config.py').write_text(text)
    return run_file(tmp_path / 'config.py', {}).values.to_dict()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_each_config_comes_back(tmp_path, path):
    cfg = load_config(path, say=lambda line: None)._cfg_dict.to_dict()
    (tmp_path / 'config.py').write_text(as_python(cfg))
    assert alike(load_config(tmp_path / 'config.py', say=lambda line: None)._cfg_dict.to_dict(), cfg)


@pytest.mark.parametrize('value', [
    None, True, 0, -1.5, 1e-7, float('inf'), -float('inf'), "it's \n\"two\"", '{{fileDirname}}', 'ü', b'\x00', (),
    (1, ), (1, (2, [3])), [], {}, dict(a={}), {0: 255, 1: 0}, {(0, 128, 0): 1}, {'not a name': 1, 'lambda': 2},
    {True: 1}, {(1, float('inf')): 1, float('-inf'): (2, )},
    dict(a=dict(b=[dict(c=None), (1, 2)])), {1, 2}, set(), frozenset('ab'), range(3), 3 + 4j, list(range(300)),
    [dict(type='RandomResize', scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True)] * 3, ['word'] * 80])
def test_each_value_comes_back(tmp_path, value):
    text = as_python(dict(value=value))
    assert alike(loaded(tmp_path, text)['value'], value)
    assert all(len(line) <= 125 for line in text.splitlines())


@pytest.mark.parametrize('value, plain', [
    (np.float64(2.5), 2.5), (np.int64(3), 3), (np.bool_(True), True), (np.str_('a'), 'a'), (Path('/x/y'), '/x/y'),
    ({np.int64(3): 1, (np.int64(4), 5): 2}, {3: 1, (4, 5): 2}),
    (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]), (torch.tensor([1., 2.]), [1., 2.]),
    (OrderedDict(a=1), dict(a=1)), (dict(type=torch.nn.ReLU), dict(type='torch.nn.modules.activation.ReLU'))])
def test_what_becomes_plain(tmp_path, value, plain):
    assert alike(loaded(tmp_path, as_python(dict(value=value)))['value'], plain)


def test_the_dtype_of_mixed_precision_is_written_by_its_name(tmp_path):
    text = as_python(dict(optim_wrapper=dict(type='AmpOptimWrapper', dtype=torch.bfloat16)))
    assert loaded(tmp_path, text)['optim_wrapper']['dtype'] == 'bfloat16'


def test_nan_comes_back(tmp_path):
    assert np.isnan(loaded(tmp_path, as_python(dict(value=float('nan'))))['value'])


def circle() -> list:
    items: list = [1]
    items.append(items)
    return items


class Inside:
    class Hidden:
        pass


@pytest.mark.parametrize('value, words', [
    (lambda batch: batch, 'the function '), (dict(key=len), 'value.key was the function builtins.len'),
    (np, 'a module'), (object(), 'a object, <object'), (datetime.date(2020, 1, 2), 'a date, datetime.date(2020, 1, 2)'),
    ([dict(a=MappingProxyType({}))], 'value.0.a was a mappingproxy'),
    (circle(), 'value.1 was a list that contains itself'),
    (dict(type=lambda: 0), 'value.type was the function'), (torch.float16, 'a dtype, torch.float16'),
    (torch.nn.ReLU, 'the class torch.nn.modules.activation.ReLU'), (np.float32, 'the class numpy.float32')])
def test_what_text_cannot_hold_is_told_when_it_is_loaded(tmp_path, value, words):
    text = as_python(dict(first=1, value=value, last=dict(a=2)))
    compile(text, 'config.py', 'exec')
    assert 'first = 1\n' in text and 'last = dict(a=2)\n' in text
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, text)
    assert words in str(error.value) and 'put it back into this file' in str(error.value)


def test_a_long_list_is_written_in_rows():
    text = as_python(dict(indices=list(range(100000))))
    assert text.count('\n') < 100000 / 10
    assert eval(text.partition('=')[2]) == list(range(100000))


def test_first_line_and_order():
    assert as_python(dict(b=1, a=2), 'said first') == '# said first\nb = 1\na = 2\n'
