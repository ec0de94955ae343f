"""When a run's own files are written (that a refused start writes none: tests/apis/test_train.py)."""


def test_files_are_written_when_all_is_built(run, tmp_path, capsys):
    runner = run(train_cfg__max_iters=2)
    names = ('config.py', 'environment.txt', 'vis_data/config.py')
    assert not any((tmp_path / 'run' / name).exists() for name in names)
    runner.train()
    assert all((tmp_path / 'run' / name).exists() for name in names)
    first = (tmp_path / 'run/config.py').read_text()
    assert 'replaces its files' not in capsys.readouterr().out

    # A validation alone replaces nothing of the run's, and does not say so.
    run(train_cfg__max_iters=2, load_from=str(tmp_path / 'run/iter_2.pth')).val()
    assert 'replaces its files' not in capsys.readouterr().out
    assert (tmp_path / 'run/iter_2.pth').exists()

    run(train_cfg__max_iters=1).train()
    assert f'{tmp_path}/run holds a run at iteration 2; --resume goes on from it; this run replaces' in (
        capsys.readouterr().out)
    assert (tmp_path / 'run/config.py').read_text() != first and (tmp_path / 'run/earlier/iter_2.pth').exists()
