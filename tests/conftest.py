"""Fixtures every test may use."""
import contextlib
import email.utils
import gc
import http.server
import multiprocessing
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

# A shell's background job is started with Ctrl-C ignored, and so would be every process that a test stops with it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    """Keep Python's garbage collector off what was imported and collected: it stays to the end anyway.

    torch.export has it look through everything again and again. Freezing, and looking more rarely, save 4 % of the
    suite's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


@pytest.fixture(autouse=True)
def segkit_scope():
    """Registries build in segkit's scope, as they do inside a run."""
    from mmengine.registry import DefaultScope
    with DefaultScope.overwrite_default_scope('segkit'):
        yield


# Processes of multiprocessing's forkserver are forks of one that has imported these, so that no test waits for it.
multiprocessing.set_forkserver_preload(['torch', 'torch._dynamo', 'matplotlib.figure', 'pytest', 'segkit.apis.train',
                                        'segkit.engine', 'segkit.evaluation', 'segkit.models'])


def _as_started_anew(rank, environment, function, args):
    """A fork has its parent's state of random numbers and the forkserver's environment, a new process has neither."""
    import numpy as np
    import torch
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    np.random.seed()
    torch.seed()
    function(rank, *args)


@pytest.fixture(scope='session')
def in_processes():
    """Run a function of a rank and more in several processes, which are no forks of this one; 5 minutes at most.

    What Python and torch read when they are imported (TMPDIR, OMP_NUM_THREADS) is the forkserver's.
    """
    import torch
    start_method = 'spawn' if torch.cuda.is_available() else 'forkserver'  # a fork cannot use CUDA

    def run(function, *args, nprocs=2):
        started = torch.multiprocessing.start_processes(_as_started_anew, (dict(os.environ), function, args), nprocs,
                                                        join=False, start_method=start_method)
        end = time.monotonic() + 300
        while not started.join(timeout=5):
            if time.monotonic() > end:
                for process in started.processes:
                    process.kill()
                pytest.fail(f'{function.__name__}: processes {started.pids()} had not ended after 5 minutes')

    return run


def _as_launched(rank, main, argv, processes, port, said):
    import torch
    torch.set_num_threads(1)
    if processes > 1:
        argv = [*argv, '--launcher', 'pytorch']
        ranks = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=processes, LOCAL_WORLD_SIZE=processes, MASTER_PORT=port)
        os.environ.update({name: str(value) for name, value in ranks.items()}, MASTER_ADDR='127.0.0.1')
    with open(f'{said}{rank}', 'w') as out, contextlib.redirect_stdout(out):
        main(argv)


@pytest.fixture
def launched(in_processes, tmp_path_factory):
    """Run main of a tool in a process of its own, or in several as a launcher does; what the first printed is returned.

    Each has one thread. dist_train.sh and dist_test.sh have tests of their own; this is for what the processes do.
    """
    def run(main, argv, processes=2):
        said = tmp_path_factory.mktemp('launched') / 'rank'
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        try:
            in_processes(_as_launched, main, [*map(str, argv)], processes, port, str(said), nprocs=processes)
        except BaseException:
            print(*(f'{path.name}: {path.read_text()}' for path in sorted(said.parent.iterdir())), sep='\n')
            raise
        return Path(f'{said}0').read_text()

    return run


@pytest.fixture(scope='session')
def data_pack() -> Path:
    """The folder of real photos, masks and weights that SEGKIT_DATA names."""
    root = os.environ.get('SEGKIT_DATA')
    if not root:
        pytest.skip('real data: SEGKIT_DATA is not set')
    return Path(root)


def pytest_collection_modifyitems(config, items):
    for item in items:
        if 'data_pack' in getattr(item, 'fixturenames', ()):
            item.user_properties.append(('real_data', True))
    if hasattr(config, 'workerinput'):  # one of several processes: files of slow tests first, so that all end together
        slow = Counter(item.path for item in items if item.get_closest_marker('slow'))
        items.sort(key=lambda item: -slow[item.path])


def pytest_terminal_summary(terminalreporter):
    """Say how many tests saw real data, so that a run without them cannot pass for a full one."""
    seen = {'passed': 0, 'failed': 0, 'skipped': 0}
    for outcome in seen:
        reports = terminalreporter.stats.get(outcome, [])
        seen[outcome] = sum(('real_data', True) in getattr(r, 'user_properties', ()) for r in reports)
    terminalreporter.write_line(
        f'real-data tests: {seen["passed"] + seen["failed"]} ran, {seen["skipped"]} skipped')


TINY_CONFIG = """
_meta = dict(classes=('ground', 'green', 'red'), palette=[[0, 0, 0], [0, 200, 0], [200, 0, 0]])
_load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
_folders = dict(img_path='JPEGImages', seg_map_path='SegmentationClass')
default_scope = 'segkit'
model = dict(
    type='EncoderDecoder', num_classes=3, norm_cfg=dict(type='SyncBN', requires_grad=True),
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[120.] * 3, std=[60.] * 3, bgr_to_rgb=True, size=(32, 32)),
    backbone=dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, output_stride=16),
    decode_head=dict(type='ASPPHead', in_index=3, channels=8, dropout_ratio=0.1),
    test_cfg=dict(mode='whole'))
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=True, sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='BaseSegDataset', data_root='DATA', metainfo=_meta, ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=_folders,
        pipeline=[*_load, dict(type='RandomCrop', crop_size=(32, 32)), dict(type='RandomFlip', prob=0.5),
                  dict(type='PackSegInputs')]))
val_dataloader = dict(
    batch_size=1, num_workers=0, persistent_workers=True, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BaseSegDataset', data_root='DATA', metainfo=_meta, ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=_folders, pipeline=[*_load, dict(type='PackSegInputs')]))
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9),
                     paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.))))
param_scheduler = [dict(type='PolyLR', eta_min=1e-4, power=0.9, begin=0, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=6, val_interval=3)
val_cfg = dict(type='ValLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'), logger=dict(type='ProgressHook', interval=2),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2),
    visualization=dict(type='SegVisualizationHook'), report=None)
visualizer = dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
log_processor = dict(by_epoch=False)
env_cfg = dict(mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='nccl'))
tta_model = dict(type='SegTTAModel')
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0.0, 1.0)],
        [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]])]
"""


def _make_tiny_config(tmp_path: Path) -> Path:
    import cv2
    import numpy as np
    rng = np.random.RandomState(0)
    root = tmp_path / 'data'
    for folder in ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'):
        (root / folder).mkdir(parents=True)
    colours = np.array([[40, 40, 40], [40, 200, 60], [220, 50, 70]] + [[0, 0, 0]] * 253, np.uint8)
    for split, numbers in (('train', range(7)), ('val', range(7, 12))):
        for i in numbers:
            height, width = rng.randint(40, 70, 2)
            mask = np.zeros((height, width), np.uint8)
            for label, size in ((1, 20), (2, 12)):
                y, x = rng.randint(5, 20, 2)
                mask[y:y + size, x:x + size] = label
            mask[:2] = 255
            image = colours[mask] + rng.randint(0, 30, (height, width, 3)).astype(np.uint8)
            cv2.imwrite(str(root / f'JPEGImages/im{i:02d}.jpg'), image)
            cv2.imwrite(str(root / f'SegmentationClass/im{i:02d}.png'), mask)
        (root / f'ImageSets/Segmentation/{split}.txt').write_text(''.join(f'im{i:02d}\n' for i in numbers))
    path = tmp_path / 'tiny.py'
    path.write_text(TINY_CONFIG.replace('DATA', str(root)))
    return path


@pytest.fixture
def tiny_config(tmp_path) -> Path:
    """A config file that trains a network of 8 channels on twelve generated images in VOC layout, in seconds."""
    return _make_tiny_config(tmp_path)


@pytest.fixture(scope='session')
def tiny_config_once(tmp_path_factory) -> Path:
    """The same for tests that only read it and its images."""
    return _make_tiny_config(tmp_path_factory.mktemp('tiny'))


@pytest.fixture
def web_server(tmp_path, monkeypatch):
    """A web server of this machine that can send the rest of a file.

    ``address`` and ``folder`` are its own; ``seen`` collects (path, Range header) of the requests; ``limit`` is how
    many bytes of a body are sent before the connection breaks, ``tag`` the entity tag of each file, '' for none.
    """
    server = SimpleNamespace(folder=tmp_path / 'www', seen=[], limit=None, tag='"one"')
    server.folder.mkdir()
    for name in ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)

    class Handler(http.server.BaseHTTPRequestHandler):

        def do_GET(self):
            path, asked = server.folder / self.path.lstrip('/'), self.headers.get('Range')
            server.seen.append((self.path, asked))
            if not path.is_file():
                self.send_error(404)
                return
            content, changed = path.read_bytes(), email.utils.formatdate(path.stat().st_mtime, usegmt=True)
            same = asked and self.headers.get('If-Range') == (server.tag or changed)
            begin = int(asked.removeprefix('bytes=').rstrip('-')) if same else 0
            if begin >= len(content) and same:
                self.send_error(416)
                return
            self.send_response(206 if same else 200)
            if same:
                self.send_header('Content-Range', f'bytes {begin}-{len(content) - 1}/{len(content)}')
            self.send_header('Content-Length', str(len(content) - begin))
            self.send_header('Last-Modified', changed)
            if server.tag:
                self.send_header('ETag', server.tag)
            self.end_headers()
            self.wfile.write(content[begin:][:server.limit])

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        server.address = f'http://127.0.0.1:{httpd.server_address[1]}'
        yield server
        httpd.shutdown()
