"""Processes started together and ended together."""
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from segkit.apis import launch

# A process of a run, without torch: RANK and report are what a tool has.
CHILD = """
import os, signal, sys, time
from segkit.apis.cli import report, run
from segkit.errors import DataError
rank = int(os.environ['RANK'])
def fail(error):
    def main(argv):
        raise error
    run(main, [])
"""
LAUNCHER = """
import os, sys
from segkit.apis import launch
launch.FAILED_SECONDS, launch.STOPPED_SECONDS = {limits}
processes = launch.Processes({folder!r})
for rank in range({count}):
    processes.start([sys.executable, '-c', {code!r}], dict(os.environ, RANK=str(rank)))
sys.exit(processes.wait())
"""


@pytest.fixture
def start(tmp_path):
    """Start a launcher whose processes run some code; ``.communicate()`` waits for it."""
    (tmp_path / 'reports').mkdir()

    def begin(code, count=2, limits=(0.5, 20.)):
        text = LAUNCHER.format(limits=limits, folder=str(tmp_path / 'reports'), count=count, code=CHILD + code)
        return subprocess.Popen([sys.executable, '-c', text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                cwd=tmp_path, env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
                                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))  # nohup ignores it

    return begin


def ended(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_success_says_nothing(start):
    assert ended(start('')) == (0, '', '')


def test_an_error_of_all_is_said_once(start):
    assert ended(start("fail(DataError('a.png: no.'))", 3)) == (2, '', 'error: a.png: no.\n')


def test_errors_that_differ_are_said_with_their_process(start):
    status, _, err = ended(start("fail(DataError(f'{rank}.png: no.'))"))
    assert status == 2
    assert sorted(err.splitlines()) == ['error in process 0: 0.png: no.', 'error in process 1: 1.png: no.']


def test_what_follows_from_an_error_is_not_said(start):
    code = "fail(DataError('a.png: no.') if rank else RuntimeError('connection closed by peer'))"
    assert ended(start(code)) == (2, '', 'error: a.png: no.\n')


def test_a_defect_keeps_the_first_trace(start):
    status, _, err = ended(start('time.sleep(rank / 2)\nfail(ZeroDivisionError(rank))', limits=(20., 20.)))
    assert status == 1 and err.count('Traceback') == 1
    assert err.endswith('ZeroDivisionError: 0\n(process 0 of 2, the first that failed)\n')


def test_a_killed_process_is_said(start):
    code = "if rank: os.kill(os.getpid(), signal.SIGKILL)\nfail(RuntimeError('connection closed'))"
    status, _, err = ended(start(code))
    assert status == 137 and err == ('error: process 1 was ended by SIGKILL. The system does that where memory runs '
                                     'out.\n')


def test_nobody_waits_for_ever_for_one_that_failed(start):
    began = time.monotonic()
    assert ended(start("fail(DataError('no')) if rank else time.sleep(100)")) == (2, '', 'error: no\n')
    assert time.monotonic() - began < 30


STOPPABLE = """
def stop(number, frame):
    time.sleep(0 if rank else 2)  # the first one saves; longer than a process that failed is waited for
    os.write(1, f'saved {rank}\\n'.encode())  # whole: print may write its end later, behind another process's words
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
os.write(1, b'ready\\n')
time.sleep(100)
"""


def when_ready(process, count=2):
    for _ in range(count):
        assert process.stdout.readline() == 'ready\n'
    return process


@pytest.mark.parametrize('number, status', [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143)])
def test_a_stop_reaches_all_and_waits_until_they_have_saved(start, number, status):
    process = when_ready(start(STOPPABLE))
    process.send_signal(number)
    got, out, _ = ended(process)
    assert got == status and sorted(out.splitlines()) == ['saved 0', 'saved 1']


def test_a_second_interrupt_ends_at_once(start):
    process = when_ready(start(STOPPABLE.replace('time.sleep(0 if rank else 2)', 'time.sleep(100)')))
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)  # two signals of one kind that are pending together count as one
    process.send_signal(signal.SIGINT)
    assert ended(process)[::2] == (130, 'ended at once by Ctrl-C\n')


@pytest.mark.skipif(sys.platform != 'linux', reason='asks Linux for it')
def test_processes_stop_where_their_launcher_was_killed(start):
    process = when_ready(start(STOPPABLE))
    process.kill()
    assert sorted(process.stdout.read().splitlines()) == ['saved 0', 'saved 1']
    process.wait()


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """A train.py that prints what it was started with; returns the ranks' lines, in order."""
    (tmp_path / 'train.py').write_text(
        "import os, sys\nkeys = 'RANK LOCAL_RANK WORLD_SIZE LOCAL_WORLD_SIZE MASTER_ADDR SEGKIT_COMMAND'.split()\n"
        "text = ' '.join([*(os.environ.get(k, '-') for k in keys), *sys.argv[1:]])\n"
        "open(os.environ['SEEN'] + os.environ.get('RANK', ''), 'w').write(text)\n")
    for name in launch.VARIABLES:
        monkeypatch.setenv(name, 'x')
        monkeypatch.delenv(name)
    monkeypatch.setenv('SEEN', str(tmp_path / 'seen'))
    monkeypatch.setattr(launch, 'FOLDER', tmp_path)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def run(*args):
        status = launch.main(['train', 'tools/dist_train.sh', *args])
        assert status == 0
        return [path.read_text() for path in sorted(tmp_path.glob('seen*'))]

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def test_one_machine(tool):
    assert tool('a b.py', '2', '--amp') == [
        f"{rank} {rank} 2 2 127.0.0.1 tools/dist_train.sh 'a b.py' 2 --amp a b.py --launcher pytorch --amp"
        for rank in (0, 1)]


def test_second_machine(tool, monkeypatch, capsys):
    for name, value in dict(NNODES='2', NODE_RANK='1', MASTER_ADDR='gpu1').items():
        monkeypatch.setenv(name, value)
    assert tool('a.py', '2') == [
        f'{rank + 2} {rank} 4 2 gpu1 NNODES=2 NODE_RANK=1 MASTER_ADDR=gpu1 tools/dist_train.sh a.py 2 a.py '
        '--launcher pytorch' for rank in (0, 1)]
    assert capsys.readouterr().out == 'machine 1 of 2 (0 to 1): 2 of 4 processes, meeting at gpu1:29500\n'


def test_help_is_shown_once(tool):
    assert tool('a.py', '2', '--help') == ['- - - - - - --help']


@pytest.mark.parametrize('args, environment, said', [
    (['a.py', 'two'], {}, 'expected CONFIG and the number of processes on this machine, at least 1; got a.py two.'),
    (['a.py', '0'], {}, 'at least 1; got a.py 0.'),
    (['a.py', '1'], dict(NNODES='2'), 'set MASTER_ADDR'),
    (['a.py', '1'], dict(NNODES='2', NODE_RANK='2', MASTER_ADDR='x'), 'of NNODES=2 machines the last one is 1'),
    (['a.py', '1'], dict(NNODES='none'), "NNODES: expected a whole number, at least 1, got 'none'"),
    (['a.py', '1'], dict(PORT='99999'), 'PORT: expected 1 to 65535'),
])
def test_what_cannot_be_is_refused(tool, monkeypatch, capsys, args, environment, said):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as left:
        tool(*args)
    assert left.value.code == 2 and said in capsys.readouterr().err


def test_a_port_in_use_names_another(tool, monkeypatch, capsys):
    with socket.socket() as taken:
        taken.bind(('', 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv('PORT', str(port))
        with pytest.raises(SystemExit):
            tool('a.py', '2')
        err = capsys.readouterr().err
        assert f'port {port} of this machine is in use' in err and err.endswith(' tools/dist_train.sh a.py 2\n')
        # Without PORT one machine takes whatever is free, and never the port that machines meet at.
        monkeypatch.delenv('PORT')
        monkeypatch.setattr(launch, 'DEFAULT_PORT', port)
        assert len(tool('a.py', '2')) == 2


@pytest.mark.parametrize('tool, args, right', [
    ('train', '2 D', 'x.sh D 2'), ('train', '2 D --amp', 'x.sh D 2 --amp'), ('test', '2 D C --tta', 'x.sh D C 2 --tta'),
    ('test', 'D 2 C --tta', 'x.sh D C 2 --tta'), ('test', '2 C', 'x.sh C 2'),
])
def test_a_number_in_the_wrong_place_is_put_right(tool, args, right, capsys):
    with pytest.raises(SystemExit) as left:
        launch.main([tool, 'x.sh', *args.split()])
    err = capsys.readouterr().err
    assert left.value.code == 2 and 'comes behind CONFIG' in err and err.endswith(f'\n{right}\n')
