"""Downloads that break off and go on, or are not what was promised; tests/checkpoint/test_fetching.py has more."""
import fcntl
import hashlib
import json
import shutil
from functools import partial

import numpy as np
import pytest

from segkit.datasets.progress import show_progress
from segkit.downloading import DownloadError, digest_of, download

CONTENT = np.random.RandomState(0).bytes(3_500_000)


@pytest.fixture
def fetch(web_server, tmp_path):
    (web_server.folder / 'x.tar').write_bytes(CONTENT)
    return partial(download, f'{web_server.address}/x.tar', tmp_path / 'got/x.tar', resume=True, bar=show_progress)


def left(tmp_path):
    return sorted(path.name for path in (tmp_path / 'got').iterdir())


def test_whole_with_its_digest_and_a_bar(fetch, tmp_path, capsys):
    sha256 = fetch(f'md5:{hashlib.md5(CONTENT).hexdigest()}')
    assert (tmp_path / 'got/x.tar').read_bytes() == CONTENT and left(tmp_path) == ['x.tar']
    assert sha256 == hashlib.sha256(CONTENT).hexdigest() == digest_of(tmp_path / 'got/x.tar', 'sha256')
    said = capsys.readouterr().out
    assert '/x.tar (4 MB) to ' in said and '3/3 MB of x.tar in ' in said


@pytest.mark.parametrize('tag', ['"one"', ''])
def test_goes_on_where_it_broke_off(fetch, web_server, tmp_path, capsys, tag):
    web_server.tag, web_server.limit = tag, 1_200_000
    for there in (1_200_000, 2_400_000):
        with pytest.raises(DownloadError, match=f'ended after {there:,} of 3,500,000 bytes; what came is kept'):
            fetch()
        assert (tmp_path / 'got/x.tar.part').read_bytes() == CONTENT[:there]
        assert left(tmp_path) == ['x.tar.part', 'x.tar.part.json']
    assert fetch(f'sha1:{hashlib.sha1(CONTENT).hexdigest()}') == hashlib.sha256(CONTENT).hexdigest()
    assert left(tmp_path) == ['x.tar'] and (tmp_path / 'got/x.tar').read_bytes() == CONTENT
    assert [asked for _, asked in web_server.seen] == [None, 'bytes=1200000-', 'bytes=2400000-']
    assert '(4 MB, 2 MB are there)' in capsys.readouterr().out


def test_another_file_than_the_part_is_of_is_fetched_from_its_start(fetch, web_server, tmp_path):
    web_server.limit = 1_200_000
    with pytest.raises(DownloadError):
        fetch()
    web_server.limit, web_server.tag, other = None, '"two"', CONTENT[::-1]
    (web_server.folder / 'x.tar').write_bytes(other)
    fetch()
    assert (tmp_path / 'got/x.tar').read_bytes() == other


@pytest.mark.parametrize('case', ['a weak tag', 'no facts', 'facts of another address', 'longer than the file'])
def test_a_part_that_cannot_be_trusted_is_fetched_anew(fetch, web_server, tmp_path, case):
    web_server.limit = 1_200_000
    with pytest.raises(DownloadError):
        fetch()
    part, facts = tmp_path / 'got/x.tar.part', tmp_path / 'got/x.tar.part.json'
    part.write_bytes(b'?' * (9_000_000 if case == 'longer than the file' else 1_200_000))
    if case == 'a weak tag':  # and no date either
        facts.write_text(json.dumps(dict(json.loads(facts.read_text()), validator='')))
    if case == 'no facts':
        facts.unlink()
    if case == 'facts of another address':
        facts.write_text(facts.read_text().replace('x.tar', 'y.tar'))
    web_server.limit = None
    fetch()
    assert (tmp_path / 'got/x.tar').read_bytes() == CONTENT


def test_a_part_that_is_all_there_is_only_checked(fetch, web_server, tmp_path):
    web_server.limit = 1_200_000
    with pytest.raises(DownloadError):
        fetch()
    (tmp_path / 'got/x.tar.part').write_bytes(CONTENT)  # the process was killed before it renamed it
    fetch(f'md5:{hashlib.md5(CONTENT).hexdigest()}')
    assert (tmp_path / 'got/x.tar').read_bytes() == CONTENT and len(web_server.seen) == 1


def test_what_was_not_promised_is_not_kept(fetch, tmp_path):
    with pytest.raises(DownloadError, match='gave md5 [0-9a-f]{16}.*, not the 82b4d87ceb2ed10f that was promised'):
        fetch('md5:82b4d87ceb2ed10f6038a1cba92111cb')
    assert left(tmp_path) == []


def test_one_process_writes_a_part(fetch, web_server, tmp_path):
    (tmp_path / 'got').mkdir()
    with open(tmp_path / 'got/x.tar.part', 'wb') as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match='Another process is writing .*x.tar.part'):
            fetch()
    assert not web_server.seen


def test_no_room_is_said_before_anything_comes(fetch, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(9e9, 9e9, 2_000_000))
    with pytest.raises(DownloadError, match='x.tar needs 4 MB, and 2 are free in .*got'):
        fetch()
    assert (tmp_path / 'got/x.tar.part').stat().st_size == 0


def test_without_resuming_nothing_is_left(web_server, tmp_path):
    (web_server.folder / 'x.tar').write_bytes(CONTENT)
    web_server.limit = 1_200_000
    with pytest.raises(DownloadError, match='ended after 1,200,000 of 3,500,000 bytes.$'):
        download(f'{web_server.address}/x.tar', tmp_path / 'got/x.tar')
    assert left(tmp_path) == []
