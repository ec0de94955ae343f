"""Text configs run as MMEngine runs them, with variables put in as they run."""
import pytest
from mmengine.config import Config

from segkit.config.files import assign, run_file
from segkit.errors import ConfigError


@pytest.fixture
def chain(tmp_path):
    (tmp_path / 'base.py').write_text(
        'crop = (512, 512)\nnorm = dict(type="SyncBN", requires_grad=True)\n'
        'pipeline = [dict(type="Crop", size=crop), dict(type="Flip")]\n'
        'model = dict(type="M", size=crop, head=dict(norm=norm, k=1), gone=dict(a=1))\n')
    (tmp_path / 'child.py').write_text(
        '_base_ = ["./base.py"]\nimport os\nhalf = tuple(c // 2 for c in _base_.crop)\n'
        'model = dict(head=dict(k=2), gone=dict(_delete_=True, b=half), name="{{fileBasename}}",\n'
        '             first={{_base_.pipeline}}, env="{{$SEGKIT_NOT_SET:fallback}}")\n')
    return tmp_path / 'child.py'


def test_merges_as_mmengine_does(chain):
    ours, theirs = run_file(chain, {}).values, Config.fromfile(str(chain))
    assert ours.to_dict() == theirs._cfg_dict.to_dict()
    assert ours['model']['gone'] == dict(b=(256, 256))
    assert ours['model']['env'] == 'fallback'


def test_a_variable_moves_what_is_built_from_it(chain):
    values = run_file(chain, {'crop': (64, 64), 'norm.type': 'BN'}).values
    assert values['model']['size'] == (64, 64)
    assert values['pipeline'][0]['size'] == (64, 64)
    assert values['model']['gone'] == dict(b=(32, 32))
    assert values['model']['head']['norm'] == dict(type='BN', requires_grad=True)


def test_origins_and_unread_names(chain):
    loaded = run_file(chain, {})
    assert [p.name for p in loaded.origins['model']] == ['base.py', 'child.py']
    assert [name for name, _, _ in loaded.unread] == ['model', 'model']


@pytest.mark.parametrize('text, words', [
    ('a = [1,\n', ['broken.py:1']),
    ('a = 1\nb = a + "x"\n', ['broken.py:2', 'TypeError']),
    ('_base_ = "nothing.py"\n', ['not found', 'nothing.py']),
    ('_base_ = "broken.py"\n', ['broken.py', 'is its own base']),
    ('name = "a"\n_base_ = [f"{name}.py"]\n', ['broken.py:2', '_base_ must be a path']),
    ('_base_ = 3\n', ['broken.py:1', '_base_ must be a path', 'It is 3']),
])
def test_a_broken_file_is_named_with_its_line(tmp_path, text, words):
    path = tmp_path / 'broken.py'
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        run_file(path, {})
    assert all(word in str(error.value) for word in words)


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / 'latin.py').write_bytes('a = "\xe4"'.encode('latin-1'))
    with pytest.raises(ConfigError, match='latin.py: is not a text file in UTF-8'):
        run_file(tmp_path / 'latin.py', {})


def test_two_bases_may_not_set_one_key(tmp_path):
    for name in 'ab':
        (tmp_path / f'{name}.py').write_text('x = 1\n')
    (tmp_path / 'c.py').write_text('_base_ = ["a.py", "b.py"]\n')
    with pytest.raises(ConfigError, match='two of its bases set x'):
        run_file(tmp_path / 'c.py', {})


def test_assign_leaves_the_other_values():
    tree = dict(a=[dict(b=1, c=2), dict(b=3)])
    assert assign(tree, ['a', '0', 'b'], 9, 'a.0.b') == dict(a=[dict(b=9, c=2), dict(b=3)])
    assert assign(dict(a=dict(x=1)), ['a'], dict(y=2), 'a') == dict(a=dict(x=1, y=2))
    with pytest.raises(ConfigError, match='not a position'):
        assign(dict(a=[1]), ['a', '1'], 0, 'a.1')
