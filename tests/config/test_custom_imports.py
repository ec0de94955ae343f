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
    assert "there is no module 'not_there_for_test'" in refused(imports=['not_there_for_test'])
    assert "no module 'not_there_for_test'" in refused(imports=['not_there_for_test.deeper'])


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
