"""SegVisualizationHook: which images are drawn, and how."""
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData

from segkit.engine.hooks.seg_visualization_hook import SegVisualizationHook
from segkit.errors import DataError
from segkit.registry import HOOKS
from segkit.structures import SegDataSample


@pytest.fixture
def runner() -> SimpleNamespace:
    calls = []
    visualizer = SimpleNamespace(
        calls=calls, _vis_backends=dict(a=1),
        add_datasample=lambda name, image, **options: calls.append((name, image, options)))
    return SimpleNamespace(iter=100, visualizer=visualizer)


@pytest.fixture
def samples(tmp_path) -> list:
    out = []
    for name in 'abc':
        path = tmp_path / f'{name}.png'
        cv2.imwrite(str(path), np.full((4, 6, 3), (1, 2, 3), np.uint8))
        sample = SegDataSample(metainfo=dict(img_path=str(path)))
        sample.pred_sem_seg = PixelData(data=torch.zeros(1, 4, 6, dtype=torch.uint8))
        out.append(sample)
    return out


def test_off_by_default(runner, samples):
    hook = HOOKS.build(dict(type='SegVisualizationHook'))
    hook.after_val_iter(runner, 0, {}, samples)
    hook.after_test_iter(runner, 0, {}, samples)
    assert runner.visualizer.calls == []


def test_validation_draws_the_first_image_every_so_often(runner, samples):
    hook = SegVisualizationHook(draw=True, interval=20)
    for batch in range(50):
        hook.after_val_iter(runner, batch, {}, samples)
    assert [(name, options['step']) for name, _, options in runner.visualizer.calls] == [
        ('val_a.png', 100), ('val_a.png', 120), ('val_a.png', 140)]


def test_a_test_draws_every_image_in_rgb(runner, samples):
    hook = SegVisualizationHook(draw=True, wait_time=1.5)
    hook.after_test_iter(runner, 0, {}, samples[:2])
    hook.after_test_iter(runner, 1, {}, samples[2:])
    calls = runner.visualizer.calls
    assert [(name, options['step']) for name, _, options in calls] == [
        ('test_a.png', 1), ('test_b.png', 2), ('test_c.png', 3)]
    assert calls[0][1][0, 0].tolist() == [3, 2, 1]
    assert calls[1][2]['data_sample'] is samples[1] and calls[0][2]['wait_time'] == 1.5 and not calls[0][2]['show']


def test_show_stores_nothing(runner, samples):
    SegVisualizationHook(draw=True, show=True).after_test_iter(runner, 0, {}, samples[:1])
    assert runner.visualizer._vis_backends == {} and runner.visualizer.calls[0][2]['show']


def test_an_image_that_cannot_be_read_is_named(runner, samples, tmp_path):
    (tmp_path / 'a.png').write_bytes(b'no picture')
    with pytest.raises(DataError, match='a.png'):
        SegVisualizationHook(draw=True).after_test_iter(runner, 0, {}, samples[:1])


def test_each_process_draws_its_share_of_a_test_under_the_number_of_the_image(runner, samples, monkeypatch):
    from segkit.engine.hooks import seg_visualization_hook as module
    for rank, share in ((0, samples[::2]), (1, samples[1::2])):
        monkeypatch.setattr(module, 'get_dist_info', lambda rank=rank: (rank, 2))
        monkeypatch.setattr(module, 'is_main_process', lambda rank=rank: rank == 0)
        hook = SegVisualizationHook(draw=True, interval=1)
        for sample in share:
            hook.after_test_iter(runner, 0, {}, [sample])
        hook.after_val_iter(runner, 7, {}, share)
    assert sorted((name, options['step']) for name, _, options in runner.visualizer.calls) == [
        ('test_a.png', 1), ('test_b.png', 2), ('test_c.png', 3), ('val_a.png', 107)]
