from segkit.datasets.progress import show_progress


def test_lines_without_carriage_returns_where_there_is_no_terminal(capsys):
    assert list(show_progress(range(200), 'scenes')) == list(range(200))
    out = capsys.readouterr().out
    assert '\r' not in out and 3 <= len(out.splitlines()) <= 6 and '200/200 scenes' in out


def test_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr('sys.stdout.isatty', lambda: True)
    list(show_progress('abcd', 'files'))
    out = capsys.readouterr().out
    assert '\r' in out and out.endswith('s\n') and '4/4 files' in out
