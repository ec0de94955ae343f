from segkit.datasets.progress import show_progress


def test_lines_without_carriage_returns_where_there_is_no_terminal(capsys):
    assert list(show_progress(range(200), 'scenes')) == list(range(200))
    out = capsys.readouterr().out
    assert '\r' not in out and 3 <= len(out.splitlines()) <= 6 and '200/200 scenes' in out
    assert out.startswith('50/200 scenes, 0:00 (min:s) left\n')


def test_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr('sys.stdout.isatty', lambda: True)
    list(show_progress('abcd', 'files'))
    out = capsys.readouterr().out
    assert '\r' in out and out.endswith('s\n') and '4/4 files' in out


def test_what_was_done_before_is_passed_over_and_does_not_count_as_speed(capsys, monkeypatch):
    times = iter(range(1000))
    monkeypatch.setattr('time.time', lambda: next(times))
    assert list(show_progress(range(100), 'masks', before=60)) == list(range(60, 100))
    out = capsys.readouterr().out.splitlines()
    # one second each, and one for the look at the clock before the first
    assert out[0] == '75/100 masks, 0:27 (min:s) left' and '100/100 masks' in out[-1]
    assert list(show_progress(range(3), 'masks', before=3)) == []
    assert '3/3 masks' in capsys.readouterr().out
