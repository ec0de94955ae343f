import sys

import pytest

from segkit.config.custom_imports import import_custom
from segkit.errors import ConfigError


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda text: (tmp_path / 'mine_for_test.py').write_text(text)
    sys.modules.pop('mine_for_test', None)


def refused(**value):
    with pytest.raises(ConfigError) as error:
        import_custom(value)
    assert len(str(error.value).splitlines()) <= 4
    return str(error.value)


def test_imports_a_list_or_one_name(module):
    module('import sys\nsys.imported_for_test = sys.__dict__.get("imported_for_test", 0) + 1\n')
    import_custom(dict(imports=['mine_for_test']))
    import_custom(dict(imports='mine_for_test'))
    assert sys.__dict__.pop('imported_for_test') == 1
    import_custom(None)


def test_a_module_that_is_not_there():
    assert "there is no module 'not_there_for_test' here" in refused(imports=['not_there_for_test'])
    assert "no module 'not_there_for_test'" in refused(imports=['not_there_for_test.deeper'])


def test_a_module_in_the_folder_that_the_tool_is_run_in(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'path', [path for path in sys.path if path not in ('', str(tmp_path))])
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'beside_for_test.py').write_text('')
    import_custom(dict(imports=['beside_for_test']))
    assert sys.modules.pop('beside_for_test').__file__ == str(tmp_path / 'beside_for_test.py')


@pytest.mark.parametrize('line, place', [
    ('from segkit.models.losses import accuracy', 'segkit.ops.pixel_accuracy'),
    ('from segkit.models.segmentors import BaseSegmentor', 'segkit.models.segmentors.EncoderDecoder'),
    ('from segkit.models.utils import resize', 'docs/migrate.md lists'),
    ('from segkit.models import no_such_thing', 'docs/migrate.md lists'),
])
def test_a_name_that_is_elsewhere_here(module, line, place):
    module(f'{line}\n')
    assert place in refused(imports=['mine_for_test'])


def test_what_a_module_imports_is_told_apart_from_the_module(module):
    module('import no_such_library\n')
    text = refused(imports=['mine_for_test'])
    assert 'mine_for_test does not import' in text and 'no_such_library' in text and 'PYTHONPATH' not in text


def test_a_module_written_for_mmsegmentation_is_told_what_to_change(module, monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmseg', None)  # as if it were not installed, wherever this runs
    module('from mmseg.registry import MODELS\n')
    text = refused(imports=['mine_for_test'])
    assert 'segkit.registry for mmseg.registry' in text and 'docs/migrate.md' in text


def test_failures_that_are_allowed_are_said(module):
    with pytest.warns(UserWarning, match='not_there_for_test failed to import'):
        import_custom(dict(imports=['not_there_for_test'], allow_failed_imports=True))


@pytest.mark.parametrize('value', [dict(imprts=['a']), dict(imports=[1]), dict(imports={'a'}), ['a']])
def test_another_form(value):
    with pytest.raises(ConfigError, match=r"custom_imports takes imports=\['module', ...\]"):
        import_custom(value)
