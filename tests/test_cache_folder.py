"""Where results are kept, and users without a home folder."""
import os
import pwd
from pathlib import Path

from segkit.cache_folder import cache_folder


def unknown(number):
    raise KeyError(number)


def test_xdg_comes_first_then_the_home_folder(monkeypatch):
    monkeypatch.setenv('HOME', '/home/someone')
    monkeypatch.setenv('XDG_CACHE_HOME', '/cache')
    assert cache_folder('masks') == Path('/cache/segkit/masks')
    monkeypatch.setenv('XDG_CACHE_HOME', '')
    assert cache_folder('masks') == Path('/home/someone/.cache/segkit/masks')
    monkeypatch.delenv('XDG_CACHE_HOME')
    assert cache_folder('masks') == Path('/home/someone/.cache/segkit/masks')


def test_a_user_id_that_the_system_does_not_know(monkeypatch):
    for name in ('HOME', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, 'getpwuid', unknown)
    assert os.path.expanduser('~') == '~' and cache_folder('masks') is None
    monkeypatch.setenv('XDG_CACHE_HOME', '/cache')
    assert cache_folder('masks') == Path('/cache/segkit/masks')
