"""Checkpoints: read without running code, written whole, compared key by key, fetched once."""
import hashlib
import http.server
import os
import pickle
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch import nn

from segkit import checkpoint as ckpt
from segkit.errors import CheckpointError


class Evil:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def legacy_and_zip(obj, path: Path) -> list[Path]:
    paths = [path.with_suffix('.zip.pth'), path.with_suffix('.old.pth')]
    for file, new in zip(paths, (True, False)):
        torch.save(obj, file, _use_new_zipfile_serialization=new)
    return paths


class TestReading:

    def test_a_malicious_pickle_does_not_run(self, tmp_path):
        trace = tmp_path / 'it_ran'
        for evil, name in ((Evil(os.system, f'touch {trace}'), 'system'),
                           (Evil(exec, f'open({str(trace)!r}, "w")'), 'exec'),
                           (Evil(getattr, torch.Tensor, 'numpy'), 'getattr'),
                           (Evil(getattr, HistoryBuffer, '__init__'), 'getattr'),
                           (Evil(getattr, HistoryBuffer, 'update'), 'getattr')):
            for path in legacy_and_zip(dict(state_dict=dict(w=torch.zeros(1)), meta=evil), tmp_path / name):
                with pytest.raises(CheckpointError) as error:
                    ckpt.load_file(path)
                assert not trace.exists()
                assert name in str(error.value)
                assert 'unsafe=True' in str(error.value)
                assert str(error.value).count('\n') < 4

    def test_unsafe_is_what_the_caller_says(self, tmp_path):
        path = tmp_path / 'own.pth'
        torch.save(dict(meta=Evil(Path, 'x')), path)
        with pytest.raises(CheckpointError, match='pathlib'):
            ckpt.load_file(path)
        assert ckpt.load_file(path, unsafe=True)['meta'] == Path('x')

    def test_the_allowance_ends_with_the_reading(self, tmp_path):
        path = tmp_path / 'hub.pth'
        torch.save(dict(history=HistoryBuffer([1.0], [1])), path)
        ckpt.load_file(path)
        with pytest.raises(pickle.UnpicklingError):
            torch.load(path, weights_only=True)

    def test_what_mmengine_writes_is_read(self, tmp_path):
        hub = MessageHub.get_instance('test-checkpoint')
        for i in range(3):
            hub.update_scalar('train/loss', 1.0 / (i + 1))
            hub.update_scalar('train/acc', np.float32(i))
        hub.update_info('iter', 3)
        hub.update_info('best', np.float64(71.5))
        weights = nn.Linear(2, 3).state_dict()
        saved = dict(meta=dict(dataset_meta=dict(classes=('a', 'b'), palette=[[0, 0, 0], [1, 2, 3]]), iter=3),
                     state_dict=weights, message_hub=hub.state_dict())
        for path in legacy_and_zip(saved, tmp_path / 'iter_3.pth'):
            loaded = ckpt.load_file(path)
            assert loaded['meta']['dataset_meta']['palette'][1] == [1, 2, 3]
            assert torch.equal(ckpt.state_dict_of(loaded)['weight'], weights['weight'])
            loss = loaded['message_hub']['log_scalars']['train/loss']
            assert loss.mean(3) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
            assert loaded['message_hub']['runtime_info']['best'] == 71.5

    def test_numpy_of_either_age_is_read(self, tmp_path):
        text = pickle.dumps(dict(a=np.arange(3.0), b=np.int64(4)), protocol=2)
        other = text.replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
        for name, raw in (('new', text), ('old', other)):
            path = tmp_path / f'{name}.pth'
            torch.save(dict(x=1), path, _use_new_zipfile_serialization=False)
            # the legacy format is a row of pickles, the third one being the object
            head = path.read_bytes()
            body = pickle.dumps(dict(x=1), protocol=2)
            assert body in head
            path.write_bytes(head.replace(body, raw, 1))
            assert ckpt.load_file(path)['a'].tolist() == [0, 1, 2], name

    @pytest.mark.parametrize('content', [b'', b'<html>404</html>', b'PK\x03\x04 cut short'])
    def test_damaged_files_are_named(self, tmp_path, content):
        path = tmp_path / 'cut.pth'
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match='cut.pth') as error:
            ckpt.load_file(path)
        assert 'weights_only' not in str(error.value)
        assert str(error.value).count('\n') < 4

    def test_a_truncated_checkpoint_is_named(self, tmp_path):
        path = tmp_path / 'half.pth'
        torch.save(dict(w=torch.zeros(5000)), path)
        path.write_bytes(path.read_bytes()[:9000])
        with pytest.raises(CheckpointError, match='half.pth'):
            ckpt.load_file(path)

    def test_no_dict_is_an_error(self, tmp_path):
        torch.save([1, 2], tmp_path / 'list.pth')
        with pytest.raises(CheckpointError, match='holds a list'):
            ckpt.load_file(tmp_path / 'list.pth')

    def test_a_missing_file_names_the_nearest(self, tmp_path):
        torch.save(dict(), tmp_path / 'iter_2000.pth')
        with pytest.raises(CheckpointError, match='iter_2000.pth'):
            ckpt.load_file(tmp_path / 'iter_200.pth')
        with pytest.raises(CheckpointError, match='folder'):
            ckpt.load_file(tmp_path / 'nowhere' / 'x.pth')

    def test_weights_are_found_and_unwrapped(self):
        w = torch.ones(2)
        for saved in (dict(w=w), dict(state_dict=dict(w=w)), dict(model=dict(w=w), epoch=3),
                      dict(state_dict={'module.w': w})):
            assert list(ckpt.state_dict_of(saved)) == ['w']
        with pytest.raises(CheckpointError, match='epoch'):
            ckpt.state_dict_of(dict(epoch=3))

    def test_real_weights_are_read(self, data_pack):
        loaded = ckpt.load_file(data_pack / 'weights' / 'deeplabv3_mnv2_pascal_trainval.pth')
        assert len(ckpt.state_dict_of(loaded)) == 326


class TestWriting:

    def test_written_whole(self, tmp_path):
        path = tmp_path / 'new' / 'a.pth'
        ckpt.write_atomic(dict(w=torch.arange(3)), path)
        assert ckpt.load_file(path)['w'].tolist() == [0, 1, 2]
        assert [p.name for p in path.parent.iterdir()] == ['a.pth']

    def test_a_failure_leaves_what_was_there(self, tmp_path, monkeypatch):
        path = tmp_path / 'a.pth'
        ckpt.write_atomic(dict(w=1), path)

        def full(obj, file):
            file.write(b'half of it')
            raise OSError('No space left on device')

        monkeypatch.setattr(torch, 'save', full)
        with pytest.raises(CheckpointError, match='No space left'):
            ckpt.write_atomic(dict(w=2), path)
        assert ckpt.load_file(path)['w'] == 1
        assert [p.name for p in tmp_path.iterdir()] == ['a.pth']


class Small(nn.Module):

    def __init__(self, num_classes=11, stem='stem'):
        super().__init__()
        self.backbone = nn.Module()
        if stem == 'stem':
            self.backbone.stem = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
        else:
            self.backbone.conv1 = nn.Conv2d(3, 4, 7, bias=False)
        self.decode_head = nn.Module()
        self.decode_head.conv_seg = nn.Conv2d(4, num_classes, 1)


class TestKeys:

    def test_equal_keys_are_copied(self):
        source, target = Small(), Small()
        assert ckpt.load_weights(target, source.state_dict()).ok
        assert torch.equal(source.backbone.stem[0].weight, target.backbone.stem[0].weight)

    def test_a_difference_copies_nothing_and_is_listed(self):
        source, target = Small(), Small()
        before = target.backbone.stem[1].weight.clone()
        weights = dict(source.state_dict(), extra=torch.zeros(1))
        weights['backbone.stem.1.weight'] = torch.full((4,), 7.0)
        del weights['decode_head.conv_seg.bias']
        with pytest.raises(CheckpointError) as error:
            ckpt.load_weights(target, weights, source='x.pth')
        text = str(error.value)
        assert 'x.pth' in text and '1 missing: decode_head.conv_seg.bias' in text and '1 unexpected: extra' in text
        assert torch.equal(target.backbone.stem[1].weight, before)
        report = ckpt.load_weights(target, weights, strict=False)
        assert (report.missing, report.unexpected) == (['decode_head.conv_seg.bias'], ['extra'])
        assert target.backbone.stem[1].weight.tolist() == [7, 7, 7, 7]
        assert ckpt.load_weights(target, weights, allow_missing=['decode_head.'], allow_unexpected=['extra']).ok

    def test_old_files_without_batch_counts_fit(self):
        weights = {k: v for k, v in Small().state_dict().items() if 'num_batches' not in k}
        assert ckpt.load_weights(Small(), weights).ok

    @pytest.mark.parametrize('source,target,cause', [
        (Small(21).state_dict(), Small(11), 'The file has 21 classes, the model 11: set model.num_classes=21'),
        (Small().backbone.state_dict(), Small(), 'a backbone alone'),
        (Small().state_dict(), Small().backbone, "begin with 'backbone.'"),
        (Small(stem='conv1').state_dict(), Small(), 'The model has a deep stem'),
        (Small().state_dict(), Small(stem='conv1'), 'The file has a deep stem'),
    ])
    def test_the_cause_is_named(self, source, target, cause):
        with pytest.raises(CheckpointError, match=cause) as error:
            ckpt.load_weights(target, source)
        assert str(error.value).count('\n') < 4


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


class TestFetching:

    def test_downloads_once_and_checks_the_hash(self, cache, server):
        address, folder = server
        torch.save(dict(w=torch.ones(2)), folder / 'x.pth')
        digest = hashlib.sha256((folder / 'x.pth').read_bytes()).hexdigest()[:8]
        (folder / 'x.pth').rename(folder / f'net-{digest}.pth')
        assert ckpt.load_file(f'{address}/net-{digest}.pth')['w'].tolist() == [1, 1]
        (folder / f'net-{digest}.pth').unlink()
        assert ckpt.fetch(f'{address}/net-{digest}.pth') == cache / f'net-{digest}.pth'

    def test_another_file_than_promised_is_not_kept(self, cache, server):
        address, folder = server
        (folder / 'net-0123abcd.pth').write_bytes(b'an error page')
        with pytest.raises(CheckpointError, match='sha256'):
            ckpt.fetch(f'{address}/net-0123abcd.pth')
        assert list(cache.iterdir()) == []

    def test_not_found_is_an_error(self, cache, server):
        with pytest.raises(CheckpointError, match='404'):
            ckpt.fetch(f'{server[0]}/none.pth')

    def test_the_short_names(self, cache):
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
    def test_offline_answers_within_two_seconds(self, cache, monkeypatch, how):
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
