"""analyze_logs.py: what is read from segkit's and MMSegmentation's logs, and what is said of it."""
import json
from pathlib import Path

import numpy as np
import pytest

from segkit.apis import analyze_logs
from segkit.apis.cli import run
from segkit.apis.run_logs import read_log
from segkit.errors import ConfigError, DataError
from segkit.visualization import figures

# Written by onedl-mmsegmentation 1.4.2: 12 iterations of a small FCN on generated scenes, logged every second
# iteration, validated every fifth and at the end.
PEER = Path(__file__).parents[1] / 'data' / 'mmseg_scalars.json'

# The form of a 0.x log: a head, training lines, validations that count their own batches.
OLD = [
    dict(env_info='...', config='model = dict()', mmseg_version='0.30.0'),
    dict(mode='train', epoch=1, iter=50, lr=0.01, memory=900, data_time=0.1, loss=3.0, time=0.4),
    dict(mode='train', epoch=1, iter=100, lr=0.009, memory=900, data_time=0.2, loss=2.0, time=0.6),
    dict(mode='val', epoch=1, iter=1449, lr=0.009, aAcc=0.91, mIoU=0.7612, **{'IoU.dog': 0.5}),
]


def write(path: Path, lines: list) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(map(json.dumps, lines)) + '\n')
    return path


def test_mmsegmentation_1_x():
    log = read_log(PEER)
    assert log.series('mIoU') == ([5, 10, 12], [6.769999980926514] * 3)
    iterations, losses = log.series('decode.loss_ce')
    assert iterations == [2, 4, 6, 8, 10, 12] and losses[0] == 2.0296566486358643
    assert log.series('time')[0] == iterations, 'the time of a validation is not that of a training step'
    assert log.series('val/time')[0] == [5, 10, 12]
    assert 'iter' not in log.names() and 'step' not in log.names()


def test_mmsegmentation_0_x_scores_become_per_cent(tmp_path):
    log = read_log(write(tmp_path / '20200101.log.json', OLD))
    assert log.series('mIoU') == ([100], [pytest.approx(76.12)]) and log.series('IoU.dog')[1] == [50.0]
    assert log.series('loss') == ([50, 100], [3.0, 2.0]) and log.series('lr')[0] == [50, 100]


def test_run_folder_of_segkit(tmp_path):
    (tmp_path / 'metrics.csv').write_text(
        'iter,lr,loss,mIoU,time,data_time\n2,0.1,3,,0.5,0.1\n3,,,20.5,,\n4,0.05,1,,0.7,')
    write(tmp_path / 'vis_data/scalars.json', [dict(loss=9, iter=2, step=2)])
    log = read_log(tmp_path)
    assert log.series('loss') == ([2], [3.0]), 'the last row was cut short by a kill'
    assert log.series('mIoU') == ([3], [20.5])


def test_starts_of_a_resumed_run_are_joined(tmp_path):
    def rows(start, stop, loss):
        return [dict(loss=loss, iter=i, step=i) for i in range(start, stop + 1, 10)]
    write(tmp_path / '20240101/vis_data/scalars.json', [*rows(10, 60, 1.0), dict(mIoU=5, step=60)])
    write(tmp_path / '20240102/vis_data/scalars.json', rows(50, 80, 2.0))  # went on from iteration 40
    log = read_log(tmp_path)
    assert log.series('loss') == ([10, 20, 30, 40, 50, 60, 70, 80], [1.0] * 4 + [2.0] * 4)
    assert log.series('mIoU')[0] == [], 'that validation was of a part that was done again'


def test_one_file_in_which_a_run_began_anew(tmp_path):
    lines = [dict(loss=1, iter=i, step=i) for i in (10, 20, 30)] + [dict(loss=2, iter=i, step=i) for i in (10, 20)]
    assert read_log(write(tmp_path / 'scalars.json', lines)).series('loss') == ([10, 20], [2.0, 2.0])


def test_validations_that_count_epochs_stand_behind_their_training(tmp_path):
    lines = [dict(loss=1, iter=100, step=100, epoch=1), dict(mIoU=3, step=1), dict(loss=1, iter=200, step=200, epoch=2),
             dict(mIoU=4, step=2)]
    assert read_log(write(tmp_path / 'scalars.json', lines)).series('mIoU') == ([100, 200], [3.0, 4.0])


def test_table_has_first_last_and_best(tmp_path, capsys):
    write(tmp_path / 'a/vis_data/scalars.json', [dict(mIoU=v, step=s) for s, v in ((5, 10), (10, 30), (15, 20))] + [
        dict(loss=v, iter=s, step=s) for s, v in ((16, 4.0), (18, float('nan')), (20, 2.5))])
    analyze_logs.main([str(tmp_path / 'a'), str(PEER), '--keys', 'mIoU', 'loss'])
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert ['mIoU', 'a', '3', '10 at 5', '20 at 15', '30 at 10'] in rows
    assert ['loss', 'a', '3', '4 at 16', '2.5 at 20', '2.5 at 20'] in rows
    assert ['loss', 'mmseg_scalars.json', '6', '2.8416 at 2', '2.758 at 12', '2.758 at 12'] in rows


def test_a_key_that_one_run_lacks(tmp_path, capsys):
    file = write(tmp_path / 'x.log.json', OLD[:2])
    analyze_logs.main([str(file), str(PEER), '--keys', 'mIoU', '--out', str(tmp_path / 'c.png')])
    assert 'not logged' in capsys.readouterr().out and (tmp_path / 'c.png').is_file()


def test_curves_are_the_values(tmp_path, monkeypatch):
    seen = {}

    def curves(panels, heading):
        seen.update(panels=panels, heading=heading)
        return np.zeros((2, 2, 3), np.uint8)
    monkeypatch.setattr(figures, 'curves', curves)
    old = write(tmp_path / 'old/1.log.json', OLD)
    analyze_logs.main([str(PEER), str(old), '--keys', 'mIoU', 'loss', '--legend', 'new score', 'new loss', 'old score',
                       'old loss', '--title', 'both', '--out', str(tmp_path / 'c.png')])
    assert seen['heading'] == 'both' and list(seen['panels']) == ['mIoU', 'loss']
    assert seen['panels']['mIoU']['old score'] == ([100], [pytest.approx(76.12)])
    assert list(seen['panels']['loss']) == ['new loss', 'old loss']
    assert seen['panels']['loss']['new loss'][0] == [2, 4, 6, 8, 10, 12]


def test_heading_is_drawn():
    line = dict(loss=dict(a=([1, 2], [3.0, 2.0])))
    plain, headed = figures.curves(line), figures.curves(line, 'A heading')
    assert (headed[:30] < 100).sum() > (plain[:30] < 100).sum() + 200


def test_times(tmp_path, capsys):
    analyze_logs.main([str(write(tmp_path / 'b/1.log.json', OLD)), '--time'])
    out = capsys.readouterr().out
    assert ('0.5000 s an iteration (mean), 0.5000 s (median), 0.4000 to 0.6000 s (at 100), of 2 logged values, '
            '30.0 % of it waiting for data') in out


def test_names_of_runs_are_short_and_differ():
    assert analyze_logs.run_names(['w/a', 'w/b/vis_data/scalars.json']) == ['a', 'b']
    assert analyze_logs.run_names(['x/a', 'y/a']) == ['x/a', 'y/a']


@pytest.mark.parametrize('lines, words', [
    (['nothing'], 'line 1: expected a JSON object'), ([], 'nothing was logged'),
    ([json.dumps(one) for one in [*OLD, dict(mode='train', epoch=2, iter=50, loss=1)]], 'counted within epochs')])
def test_files_that_are_no_log(tmp_path, lines, words):
    (tmp_path / 'a.log.json').write_text('\n'.join(lines))
    with pytest.raises(DataError, match=words):
        read_log(tmp_path)


def test_csv_of_something_else(tmp_path):
    (tmp_path / 'metrics.csv').write_text('a,b\n1,2\n')
    with pytest.raises(DataError, match="column 'iter'"):
        read_log(tmp_path)


@pytest.mark.parametrize('arguments, words', [
    (['nowhere'], 'no such file or folder'), (['.'], 'no log in this folder'),
    ([str(PEER), '--keys', 'miou'], r'Nearest: mIoU.\nLogged: aAcc, aux'),
    ([str(PEER), '--keys', 'mIoU', 'loss', '--legend', 'a', 'b', 'c'], 'expected 1 names, one a run, or 2'),
    ([str(PEER), '--out', 'curves.txt'], 'ends in .png or .jpg')])
def test_mistakes(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ConfigError, DataError), match=words):
        analyze_logs.main(arguments)
    with pytest.raises(SystemExit) as left:
        run(analyze_logs.main, arguments)
    assert left.value.code == 2 and len(capsys.readouterr().err.splitlines()) <= 4
