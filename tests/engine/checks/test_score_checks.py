"""Scores that the validation does not give are found before the first step."""
import pytest

from segkit.engine.checks.score_checks import check
from segkit.errors import ConfigError
from segkit.evaluation import IoUMetric


def given(best='mIoU', monitor='mIoU', metric=None, **val_cfg):
    return dict(val_dataloader=dict(), val_cfg=val_cfg, val_evaluator=metric or dict(type='IoUMetric'),
                default_hooks=dict(checkpoint=dict(type='CheckpointHook', save_best=best)),
                custom_hooks=[dict(type='EarlyStoppingHook', monitor=monitor)])


@pytest.mark.parametrize('one, words', [
    (given('miou'), ['default_hooks.checkpoint.save_best', "'miou'", 'aAcc, mIoU, mAcc, fwIoU', 'Nearest: mIoU']),
    (given('val/loss'), ['default_hooks.checkpoint.save_best', 'val_cfg.val_loss=True']),
    (given(monitor='mIOU'), ['custom_hooks.0.monitor', 'Nearest: mIoU']),
    (given(['mIoU', 'mDice']), ['save_best', "'mDice'"]),
    (given(metric=dict(type='IoUMetric', prefix='val')), ['save_best', "'mIoU'", 'val/mIoU']),
])
def test_a_score_that_will_be_missing_is_refused(one, words):
    with pytest.raises(ConfigError) as error:
        check(one)
    assert all(word in str(error.value) for word in words) and len(str(error.value).splitlines()) <= 4


@pytest.mark.parametrize('one', [
    given(), given('auto'), given(None), given(['mIoU', 'aAcc']), given('val/loss', val_loss=True),
    given('mDice', 'mFscore', dict(type='IoUMetric', iou_metrics=['mDice', 'mFscore'])),
    given('val/mIoU', 'val/aAcc', dict(type='IoUMetric', prefix='val')),
    given('own', 'own', dict(type='OwnMetric')), given('own', 'own', type='OwnLoop'),
    {**given('miou'), 'val_dataloader': None},
])
def test_what_will_be_there_or_is_not_known_is_let_through(one):
    check(one)


def test_the_names_are_those_that_the_metric_gives(trained_scores):
    assert IoUMetric.score_names(['mIoU', 'mFscore']) == trained_scores


@pytest.fixture
def trained_scores():
    import numpy as np
    import torch
    from mmengine.structures import PixelData

    from segkit.structures import SegDataSample
    metric = IoUMetric(iou_metrics=['mIoU', 'mFscore'])
    metric.dataset_meta = dict(classes=('a', 'b'))
    label = PixelData(data=torch.from_numpy(np.array([[[0, 1]]])))
    sample = SegDataSample(metainfo=dict(img_path='x.jpg'), pred_sem_seg=label, gt_sem_seg=label)
    metric.process({}, [sample])
    return list(metric.evaluate(1))
