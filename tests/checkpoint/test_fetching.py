"""Files are fetched once."""
import hashlib
import http.server
import socket
import threading
import time
from pathlib import Path

import pytest
import torch

from segkit import checkpoint as ckpt
from segkit.errors import CheckpointError


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    for name in ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / 'hub' / 'checkpoints'


@pytest.fixture
def server(tmp_path):
    """A web server of this machine over a folder of its own: (address, folder)."""
    folder = tmp_path / 'www'
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):

        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{httpd.server_address[1]}', folder
        httpd.shutdown()


def test_downloads_once_and_checks_the_hash(cache, server):
    address, folder = server
    torch.save(dict(w=torch.ones(2)), folder / 'x.pth')
    digest = hashlib.sha256((folder / 'x.pth').read_bytes()).hexdigest()[:8]
    (folder / 'x.pth').rename(folder / f'net-{digest}.pth')
    assert ckpt.load_file(f'{address}/net-{digest}.pth')['w'].tolist() == [1, 1]
    (folder / f'net-{digest}.pth').unlink()
    assert ckpt.fetch(f'{address}/net-{digest}.pth') == cache / f'net-{digest}.pth'


def test_another_file_than_promised_is_not_kept(cache, server):
    address, folder = server
    (folder / 'net-0123abcd.pth').write_bytes(b'an error page')
    with pytest.raises(CheckpointError, match='sha256'):
        ckpt.fetch(f'{address}/net-0123abcd.pth')
    assert list(cache.iterdir()) == []


def test_not_found_is_an_error(cache, server):
    with pytest.raises(CheckpointError, match='404'):
        ckpt.fetch(f'{server[0]}/none.pth')


def test_the_short_names(cache):
    cache.mkdir(parents=True)
    names = {
        'torchvision://resnet18': 'resnet18-f37072fd.pth',
        'torchvision://resnet50': 'resnet50-0676ba61.pth',
        'open-mmlab://resnet18_v1c': 'resnet18_v1c-b5776b93.pth',
        'open-mmlab://resnet50_v1c': 'resnet50_v1c-2cccc1ad.pth',
        'open-mmlab://resnet101_v1c': 'resnet101_v1c-e67eebb6.pth',
    }
    for name, file in names.items():
        (cache / file).touch()
        assert ckpt.fetch(name) == cache / file
    with pytest.raises(CheckpointError, match='Nearest: .*resnet50_v1c'):
        ckpt.fetch('open-mmlab://resnet50_v1x')
    with pytest.raises(CheckpointError, match='known are'):
        ckpt.fetch('s3://bucket/x.pth')


@pytest.mark.parametrize('how', ['refused', 'silent', 'name lookup hangs'])
def test_offline_answers_within_two_seconds(cache, monkeypatch, how):
    waits, done = [], []

    def connect(address, timeout=None):
        if how == 'refused':
            raise OSError('Network is unreachable')
        if how == 'silent':
            waits.append(timeout)
            raise TimeoutError('timed out')
        time.sleep(20)
        done.append(True)
        raise TimeoutError('timed out')

    monkeypatch.setattr(socket, 'create_connection', connect)
    with pytest.raises(CheckpointError) as error:
        ckpt.load_file('open-mmlab://resnet50_v1c')
    if how == 'silent':
        assert waits and max(waits) < 2
    assert not done  # whoever hangs is not waited for
    text = str(error.value)
    assert str(cache / 'resnet50_v1c-2cccc1ad.pth') in text
    assert 'model.backbone.init_cfg=None' in text and 'model.pretrained=None' in text
    assert text.count('\n') < 4
