"""Files of a run folder."""
import csv

import cv2
import numpy as np

from segkit.engine.run_folder import MetricsTable, write_bytes, write_picture


def read(path) -> list[dict]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_one_row_an_iteration_with_empty_fields(tmp_path):
    table = MetricsTable(tmp_path / 'metrics.csv')
    table.add(10, dict(lr=0.01, loss=2.5))
    table.add(20, dict(lr=0.005, loss=1.25))
    table.add(20, dict(mIoU=33.3333333))
    assert read(tmp_path / 'metrics.csv') == [
        dict(iter='10', lr='0.01', loss='2.5', mIoU=''), dict(iter='20', lr='0.005', loss='1.25', mIoU='33.3333')]
    assert table.series('mIoU') == ([20], [33.3333]) and table.names() == ['lr', 'loss', 'mIoU']


def test_a_resumed_run_has_no_gap_and_no_double_line(tmp_path):
    path = tmp_path / 'metrics.csv'
    whole, first = MetricsTable(tmp_path / 'whole.csv'), MetricsTable(path)
    for iteration in range(10, 60, 10):
        whole.add(iteration, dict(loss=1 / iteration))
    for iteration in range(10, 50, 10):  # killed after 40; the last checkpoint is of 25
        first.add(iteration, dict(loss=1 / iteration if iteration <= 25 else 99))
    first.add(45, dict(mIoU=99))  # an iteration that the second start does not log
    second = MetricsTable(path, resumed_at=25)
    for iteration in range(30, 60, 10):
        second.add(iteration, dict(loss=1 / iteration))
    assert path.read_text() == (tmp_path / 'whole.csv').read_text()


def test_a_new_run_starts_an_empty_table(tmp_path):
    MetricsTable(tmp_path / 'metrics.csv').add(10, dict(loss=1))
    assert MetricsTable(tmp_path / 'metrics.csv').rows == {}
    assert MetricsTable(tmp_path / 'other.csv', resumed_at=5).rows == {}


def test_a_row_is_appended_where_the_columns_stay(tmp_path):
    table = MetricsTable(tmp_path / 'metrics.csv')
    table.add(10, dict(loss=1, lr=2))
    place = (tmp_path / 'metrics.csv').stat().st_ino
    table.add(20, dict(lr=4, loss=3))  # in another order
    table.add(30, dict(loss=5))
    assert (tmp_path / 'metrics.csv').stat().st_ino == place
    assert (tmp_path / 'metrics.csv').read_text() == 'iter,lr,loss\n10,2,1\n20,4,3\n30,,5\n'
    table.add(20, dict(mIoU=6))
    assert (tmp_path / 'metrics.csv').read_text() == 'iter,lr,loss,mIoU\n10,2,1,\n20,4,3,6\n30,,5,\n'


def test_the_columns_order_does_not_depend_on_what_came_first(tmp_path):
    names = ['lr', 'lr_x2', 'lr_x10', 'loss', 'aux.loss_ce', 'decode.loss_ce', 'decode.acc_seg', 'mIoU', 'time',
             'data_time']
    for order in (names, names[::-1]):
        table = MetricsTable(tmp_path / 'metrics.csv')
        for iteration, name in enumerate(order):
            table.add(iteration, {name: 1})
        assert (tmp_path / 'metrics.csv').read_text().splitlines()[0].split(',') == ['iter', *names]


def test_half_a_row_is_forgotten(tmp_path):
    (tmp_path / 'metrics.csv').write_text('iter,loss,lr\n10,1,2\n20,3.')
    assert MetricsTable(tmp_path / 'metrics.csv', resumed_at=20).rows == {10: dict(loss='1', lr='2')}


def test_files_are_replaced_whole(tmp_path):
    write_bytes(tmp_path / 'new' / 'a.txt', b'1')
    write_bytes(tmp_path / 'new' / 'a.txt', b'2')
    assert (tmp_path / 'new' / 'a.txt').read_bytes() == b'2' and len(list((tmp_path / 'new').iterdir())) == 1


def test_pictures_are_rgb(tmp_path):
    picture = np.full((20, 30, 3), (200, 20, 10), np.uint8)
    for name in ('a.png', 'a.jpg'):
        write_picture(tmp_path / name, picture)
        assert np.abs(cv2.imread(str(tmp_path / name))[..., ::-1].astype(int) - picture).max() < 5
