"""How the tools end."""
import subprocess
import sys

import pytest

from segkit.apis.cli import message_of, run
from segkit.errors import ConfigError, DataError


def ended(main, argv, capsys):
    with pytest.raises(SystemExit) as left:
        run(main, argv)
    return left.value.code, capsys.readouterr().err


def fails(error):

    def main(argv):
        raise error

    return main


def test_user_s_error_is_its_message_and_status_2(capsys):
    code, err = ended(fails(ConfigError('model.x: no.\nNearest: model.y')), [], capsys)
    assert (code, err) == (2, 'error: model.x: no.\nNearest: model.y\n')


def test_debug_shows_the_trace(capsys):
    code, err = ended(fails(ConfigError('model.x: no.')), ['--debug'], capsys)
    assert code == 2 and 'Traceback' in err and err.endswith('error: model.x: no.\n')


def test_at_most_four_lines(capsys):
    assert ended(fails(DataError('\n'.join('abcdefg'))), [], capsys)[1] == 'error: a\nb\nc\nd\n'


def test_interrupt_has_no_trace(capsys):
    assert ended(fails(KeyboardInterrupt()), [], capsys) == (130, 'stopped by Ctrl-C\n')


def test_defect_keeps_its_trace():
    with pytest.raises(ZeroDivisionError):
        run(fails(ZeroDivisionError()), [])


def test_error_of_a_loader_process_is_its_message():
    import torch

    class Broken(torch.utils.data.Dataset):

        def __len__(self):
            return 1

        def __getitem__(self, i):
            try:
                raise ValueError('inner')
            except ValueError as error:
                raise DataError('mask.png has label 37 on 5 pixels.\nCorrect the mask.') from error

    with pytest.raises(DataError) as caught:
        next(iter(torch.utils.data.DataLoader(Broken(), num_workers=1)))
    assert 'Traceback' in str(caught.value)
    assert message_of(caught.value) == 'mask.png has label 37 on 5 pixels.\nCorrect the mask.'


def test_path_that_cannot_be_written_is_the_user_s_to_mend(tmp_path, capsys):
    (tmp_path / 'file').touch()
    code, err = ended(lambda argv: (tmp_path / 'file/folder').mkdir(), [], capsys)
    assert code == 2 and err.startswith(f'error: {tmp_path}/file is a file; a folder was expected there.')
    code, err = ended(lambda argv: open(tmp_path / 'none/file', 'w'), [], capsys)
    assert code == 2 and err.startswith(f'error: {tmp_path}/none/file: No such file or directory.')


def test_other_error_of_the_system_is_a_defect():
    with pytest.raises(ConnectionRefusedError):
        run(fails(ConnectionRefusedError(111, 'refused')), [])


BROKEN = """
import os, sys
from segkit.apis.cli import run
def main(argv):
    sys.stdin.read()
    if argv:
        read, write = os.pipe()
        os.close(read)
        os.write(write, b'x')
    while True:
        print('x' * 1000)
run(main)
"""


@pytest.mark.parametrize('whose, status', [([], 0), (['own'], 1)])
def test_a_broken_pipe_is_no_error_where_it_is_that_of_the_reader(whose, status):
    tool = subprocess.Popen([sys.executable, '-c', BROKEN, *whose], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    if not whose:
        tool.stdout.close()
    err = tool.communicate()[1] if whose else (tool.stdin.close(), tool.stderr.read())[1]
    assert (tool.wait(), 'BrokenPipeError' in err) == (status, bool(whose))


GROUPED = """
import atexit, sys
import torch, torch.distributed as dist
from segkit.apis.cli import run
from segkit.errors import ConfigError

def main(argv):
    if argv[0] == 'grouped':
        dist.init_process_group('gloo', init_method=f'file://{argv[1]}', rank=0, world_size=1)
    sys.stdout.write('half a line')
    raise ConfigError('model.x: no.')

atexit.register(print, ', ended in order')
run(main)
"""


@pytest.mark.parametrize('kind, out', [('grouped', 'half a line'), ('alone', 'half a line, ended in order\n')])
def test_a_process_of_a_group_leaves_at_once_with_its_status(tmp_path, kind, out):
    # Ended in order, gloo's threads abort it now and then: another status, and C++'s words behind ours.
    done = subprocess.run([sys.executable, '-c', GROUPED, kind, tmp_path / 'init'], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, out, 'error: model.x: no.\n')
