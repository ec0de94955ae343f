"""Console: plain lines where output is kept, one rewritten line on a terminal, MMEngine's chatter left out."""
import logging
import subprocess
import sys

import pytest

from segkit.engine.console import ERASE, Console


@pytest.fixture
def logger():
    logger = logging.Logger('test')
    logger.addHandler(Console())
    return logger


def terminal(monkeypatch, is_one):
    monkeypatch.setattr('sys.stdout.isatty', lambda: is_one, raising=False)


def test_plain_lines_without_carriage_returns(logger, capsys, monkeypatch):
    terminal(monkeypatch, False)
    logger.info('first')
    logger.info('iter 1', extra=dict(live=True))
    logger.info('iter 2', extra=dict(live=True))
    logger.warning('careful')
    assert capsys.readouterr().out == 'first\niter 1\niter 2\nwarning: careful\n'


def test_live_line_on_a_terminal(logger, capsys, monkeypatch):
    terminal(monkeypatch, True)
    logger.info('iter 1', extra=dict(live=True))
    logger.handlers[0].live('iter 2')
    logger.info('done')
    assert capsys.readouterr().out == f'{ERASE}iter 1{ERASE}iter 2{ERASE}done\n'


def test_live_line_fits_the_terminal(logger, capsys, monkeypatch):
    terminal(monkeypatch, True)
    monkeypatch.setenv('COLUMNS', '20')
    logger.handlers[0].live('x' * 50)
    assert capsys.readouterr().out == ERASE + 'x' * 19


def test_live_says_nothing_elsewhere(logger, capsys, monkeypatch):
    terminal(monkeypatch, False)
    logger.handlers[0].live('iter 1')
    assert capsys.readouterr().out == ''


READER_GOES = """
import logging, sys
from segkit.engine.console import Console
logger = logging.Logger('test')
logger.addHandler(Console())
logger.addHandler(logging.FileHandler(sys.argv[1]))
sys.stdin.read()
for number in range(200):
    logger.info('line %d', number)
print('more of somebody else')
"""


def test_a_reader_that_goes_ends_nothing_but_the_lines(tmp_path):
    """`train.py ... | head -2`: no word about it on stderr, status 0, and the log file is whole."""
    run = subprocess.Popen([sys.executable, '-c', READER_GOES, str(tmp_path / 'log')], text=True,
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run.stdout.close()
    run.stdin.close()
    assert run.stderr.read() == '' and run.wait() == 0
    run.stderr.close()
    assert len((tmp_path / 'log').read_text().splitlines()) == 200


def test_information_of_mmengine_is_left_out(logger, capsys):
    theirs = {'__name__': 'mmengine.runner.runner', 'logger': logger}
    exec("logger.info('hooks')\nlogger.warning('something')", theirs)
    through_print_log = {'__name__': 'mmengine.logging.logger', 'logger': logger}
    exec('def print_log(text):\n    logger.info(text)', through_print_log)
    through_print_log['print_log']('from our code')
    assert capsys.readouterr().out == 'warning: something\nfrom our code\n'
