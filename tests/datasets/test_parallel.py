import multiprocessing
import os
import signal
import time
from functools import partial

import pytest

from segkit.datasets import parallel
from segkit.datasets.parallel import in_pieces, map_in_order
from segkit.errors import DataError


def process_and(number):
    return number, os.getpid()


def fail_at_three(number):
    if number == 3:
        raise DataError('three')
    return number


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize('processes', [1, 3])
def test_in_order_and_in_so_many_processes(processes):
    found = list(map_in_order(process_and, iter(range(40)), processes))
    assert [number for number, _ in found] == list(range(40))
    pids = {pid for _, pid in found}
    assert pids == {os.getpid()} if processes == 1 else os.getpid() not in pids and len(pids) <= processes
    assert list(map_in_order(process_and, [], processes)) == []


@pytest.mark.parametrize('processes', [1, 2])
def test_an_error_arrives_behind_what_was_done_before_it(processes):
    found = []
    with pytest.raises(DataError, match='^three$'):
        for one in map_in_order(fail_at_three, range(9), processes):
            found.append(one)
    assert found == [0, 1, 2]


def test_pieces_are_taken_as_they_are_needed():
    taken = []
    pieces = (taken.append(i) or i for i in range(1000))
    results = map_in_order(process_and, pieces, 2)
    next(results)
    assert len(taken) < 10
    results.close()


def test_a_process_that_was_ended_is_told():
    with pytest.raises(DataError, match='One of 2 processes was ended by the system.*\nWith fewer processes .*--nproc'):
        list(map_in_order(die, range(4), 2))


def tell_and_sleep(pipe, number):
    os.write(pipe, f'{os.getpid()}\n'.encode())  # one write a line, since two processes do
    time.sleep(600)


def sleep_in_two(pipe):
    list(map_in_order(partial(tell_and_sleep, pipe), range(4), 2))


def test_processes_end_with_a_killed_parent():
    ours, theirs = os.pipe()
    parent = multiprocessing.get_context('fork').Process(target=sleep_in_two, args=(theirs,))
    parent.start()
    os.close(theirs)
    with os.fdopen(ours) as lines:
        pids = [int(lines.readline()) for _ in range(2)]
    parent.kill()
    parent.join()
    end = time.time() + 30
    while any(os.path.exists(f'/proc/{pid}') and 'Z' not in state_of(pid) for pid in pids) and time.time() < end:
        time.sleep(0.1)
    assert not [pid for pid in pids if os.path.exists(f'/proc/{pid}') and 'Z' not in state_of(pid)]


def state_of(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rpartition(')')[2].split()[0]
    except OSError:
        return 'Z'


def test_pieces():
    assert list(in_pieces(iter(range(5)), 2)) == [[0, 1], [2, 3], [4]]
    assert list(in_pieces([], 2)) == []


@pytest.mark.parametrize('asked, cores, system, wanted', [
    (None, 1, 'linux', 1), (None, 3, 'linux', 3), (None, 99, 'linux', 16), (1, 3, 'linux', 1), (0, 3, 'linux', 1),
    (4, 1, 'linux', 4), (4, 8, 'darwin', 1), (None, 8, 'win32', 1)])
def test_how_many_processes_there_will_be(monkeypatch, asked, cores, system, wanted):
    monkeypatch.setattr(parallel, 'usable_cores', lambda: cores)
    monkeypatch.setattr(parallel.sys, 'platform', system)
    assert parallel.process_count(asked) == wanted
