"""For any config: an override acts at its place and nowhere else, or is refused."""
import copy
import string
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from segkit.config import load_config
from segkit.config.overrides import leaves, parse
from segkit.config.schema import keys_at
from segkit.engine.config_text import as_python
from segkit.errors import ConfigError

FEW = settings(max_examples=40, deadline=None, derandomize=True, database=None,
               suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
CONFIGS = Path(__file__).parents[2] / 'configs'
REAL = [CONFIGS / name for name in (
    'deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py', 'fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py',
    'demo/deeplabv3_r18w32-d8_1xb4-2400_scenes-128x128.py')]

names = st.text('abcdef', min_size=1, max_size=4)
numbers = st.integers(-1000, 1000)
atoms = st.one_of(numbers, st.text('xyz', max_size=5), st.booleans())
trees = st.recursive(atoms, lambda inner: st.one_of(
    st.dictionaries(names, inner, min_size=1, max_size=3), st.lists(inner, min_size=1, max_size=3),
    st.tuples(inner, inner)), max_leaves=8)
configs = st.fixed_dictionaries(dict(
    model=st.dictionaries(names, trees, min_size=1, max_size=3), visualizer=st.dictionaries(names, trees, max_size=2),
    custom_hooks=st.lists(st.dictionaries(names, trees, min_size=1, max_size=2), min_size=1, max_size=3)))
literals = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(),
              st.binary(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3),
                            st.lists(inner, max_size=3).map(tuple)), max_leaves=10)


def load(path: Path, *options: str) -> dict:
    return load_config(path, list(options), say=lambda line: None, check=False)._cfg_dict.to_dict()


def file_of(folder: Path, cfg: dict) -> Path:
    path = folder / 'mine.py'
    path.write_text(as_python({'default_scope': 'segkit', **cfg}))
    return path


@cache
def real(path: Path) -> dict:
    return load(path)


def put(cfg: Any, path: tuple, value: Any) -> Any:
    """A copy of ``cfg`` with ``value`` at ``path``; the plain way, to compare with."""
    if not path:
        return value
    key, *rest = path
    if cfg is None or isinstance(cfg, dict):
        cfg = cfg or {}
        return {**cfg, key: put(cfg.get(key), tuple(rest), value)}
    items = list(cfg)
    items[int(key)] = put(items[int(key)], tuple(rest), value)
    return type(cfg)(items)


def another(draw: Any, old: Any) -> Any:
    """A value of the same kind: a word for a number is refused."""
    kind = {bool: st.booleans(), int: numbers, float: st.floats(0, 1), str: st.text('pqr', min_size=1, max_size=4)}
    return draw(kind.get(type(old), numbers))


@FEW
@given(literals)
def test_any_literal_comes_through_the_command_line(value):
    got = parse([f'key={value!r}'])['key']
    assert got == value and type(got) is type(value)


@FEW
@given(configs, st.data())
def test_an_override_acts_at_its_place_alone(tmp_path, cfg, data):
    path = data.draw(st.sampled_from(sorted(p for p, old in leaves(cfg).items() if p)))
    value = another(data.draw, leaves(cfg)[path])
    assume(not isinstance(leaves(cfg)[path], (dict, list, tuple)))
    before = load(file_of(tmp_path, cfg))
    assert load(file_of(tmp_path, cfg), f'{".".join(path)}={value!r}') == put(before, path, value)


@settings(FEW, max_examples=25)
@given(st.sampled_from(REAL), st.data())
def test_the_same_in_real_configs(path, data):
    before = real(path)
    found = {p: old for p, old in leaves(before).items() if type(old) in (bool, int, float, str) and p[-1] != 'type'}
    # Left out is what moves copies of itself on purpose: the test part follows validation's, ends follow max_iters.
    place = data.draw(st.sampled_from(sorted(
        p for p in found if not p[0].startswith('val') and p[-1] != 'max_iters' and p[0] != 'default_scope')))
    value = another(data.draw, found[place])
    assert load(path, f'{".".join(place)}={value!r}') == put(before, place, value)


@FEW
@given(configs, st.data())
def test_the_order_of_overrides_does_not_matter(tmp_path, cfg, data):
    found = leaves(cfg)
    assume(len(found) > 1)
    places = data.draw(st.lists(st.sampled_from(sorted(p for p in found if p)), min_size=2, max_size=4, unique=True))
    options = [f'{".".join(p)}={another(data.draw, found[p])!r}' for p in places
               if not isinstance(found[p], (dict, list, tuple))]
    file = file_of(tmp_path, cfg)
    assert load(file, *options) == load(file, *data.draw(st.permutations(options)))


def misspelt(draw: Any, word: str) -> str:
    """A word with one letter added, left out, changed, or two swapped."""
    i = draw(st.integers(0, len(word) - 1))
    letter = draw(st.sampled_from(string.ascii_lowercase))
    return draw(st.sampled_from([
        word[:i] + letter + word[i:], word[:i] + word[i + 1:], word[:i] + letter + word[i + 1:],
        word[:i] + word[i + 1:i + 2] + word[i:i + 1] + word[i + 2:]]))


@settings(FEW, max_examples=60)
@given(st.sampled_from(REAL), st.data())
def test_a_misspelt_place_is_refused_and_a_key_is_named(path, data):
    cfg = real(path)
    place = data.draw(st.sampled_from(sorted(p for p in leaves(cfg) if p)))
    depth = data.draw(st.sampled_from([i for i, key in enumerate(place) if not key.isdigit()]))
    wrong = misspelt(data.draw, place[depth])
    declared = keys_at(cfg, place[:depth]) or frozenset()
    node: Any = cfg
    for key in place[:depth]:
        node = node[int(key)] if isinstance(node, (list, tuple)) else node[key]
    assume(wrong and '=' not in wrong and wrong not in declared and wrong not in node)
    key = '.'.join((*place[:depth], wrong, *place[depth + 1:]))
    try:
        load_config(path, [f'{key}=1'], say=lambda line: None)
    except ConfigError as error:
        text = str(error)
    else:
        raise AssertionError(f'{key} was accepted')
    assert key.split('.')[0] in text and len(text.splitlines()) in (2, 3, 4)
    if len(place[depth]) > 5:
        assert place[depth] in text.replace(key, ''), text


@FEW
@given(configs, st.lists(names.map('new_'.__add__), min_size=1, max_size=3), numbers)
def test_a_plus_adds(tmp_path, cfg, keys, value):
    place = ('model', *keys)
    after = load(file_of(tmp_path, cfg), f'+{".".join(place)}={value}')
    assert after.pop('added_keys') == ['.'.join(place)]
    assert after == put(load(file_of(tmp_path, cfg)), place, value)


@FEW
@given(configs, st.data())
def test_a_position_may_count_from_the_end(tmp_path, cfg, data):
    found = [(p, i) for p in leaves(cfg) for i, key in enumerate(p) if key.isdigit()]
    place, i = data.draw(st.sampled_from(sorted(found)))
    node: Any = cfg
    for key in place[:i]:
        node = node[int(key)] if isinstance(node, (list, tuple)) else node[key]
    assume(not isinstance(leaves(cfg)[place], (dict, list, tuple)))
    value = another(data.draw, leaves(cfg)[place])
    back = (*place[:i], str(int(place[i]) - len(node)), *place[i + 1:])
    file = file_of(tmp_path, cfg)
    assert load(file, f'{".".join(back)}={value!r}') == load(file, f'{".".join(place)}={value!r}')


def test_a_declared_keyword_is_known_at_a_position_from_the_end():
    step = load(REAL[0], 'train_dataloader.dataset.pipeline.-3.direction=vertical')['train_dataloader']['dataset']
    assert step['pipeline'][-3] == dict(type='RandomFlip', prob=0.5, direction='vertical')


@FEW
@given(configs, st.dictionaries(names, atoms, max_size=3))
def test_delete_replaces_the_whole_and_a_plain_dict_is_merged(tmp_path, cfg, new):
    file = file_of(tmp_path, cfg)
    before = load(file)
    assert load(file, f'model={dict(_delete_=True, **new)!r}') == {**before, 'model': new}
    assume(all(not isinstance(cfg['model'].get(key), dict) for key in new))
    assert load(file, f'model={new!r}') == {**before, 'model': {**before['model'], **new}}


FILE = '''
default_scope = 'segkit'
n = {n}
name = {name!r}
sizes = (n, 2 * n)
model = dict(a=n * 2 + 1, b=f'{{name}}_{{n}}', c=[n, dict(d=sizes)], e={{**dict(f=n - 1)}}, g=n > 3)
visualizer = dict(h=[i * n for i in range(3)])
'''
CHILD = "_base_ = ['base.py']\ncustom_hooks = [dict(a=_base_.n ** 2, b='{{_base_.name}}', c=max(_base_.sizes))]\n"


@FEW
@given(n=st.integers(-50, 50), other=st.integers(-50, 50), name=names, word=names)
def test_variables_reach_what_is_computed_from_them(tmp_path, n, other, name, word):
    (tmp_path / 'child.py').write_text(CHILD)
    (tmp_path / 'base.py').write_text(FILE.format(n=other, name=word))
    wanted = copy.deepcopy(load(tmp_path / 'child.py'))
    (tmp_path / 'base.py').write_text(FILE.format(n=n, name=name))
    got = load(tmp_path / 'child.py', f'n={other}', f'name={word!r}')
    assert got == wanted
    assert got['custom_hooks'] == [dict(a=other**2, b=word, c=max(other, 2 * other))]
