from functools import partial

import pytest
import torch
from mmengine.registry import FUNCTIONS
from mmengine.structures import PixelData
from torch.utils.data import DataLoader

from segkit.datasets.collate import seg_collate
from segkit.errors import ConfigError
from segkit.structures import SegDataSample, SkippedSample


def packed(value: int, h: int, w: int, dtype=torch.uint8, more: int = 1) -> dict:
    """An image filled with ``value`` and a label map filled with ``value + more``."""
    labels = torch.full((1, h, w), value + more, dtype=dtype)
    sample = SegDataSample(metainfo=dict(img_shape=(h, w)), gt_sem_seg=PixelData(data=labels))
    return dict(inputs=torch.full((3, h, w), value, dtype=torch.uint8), data_samples=sample)


def test_it_is_found_by_name():
    assert FUNCTIONS.get('seg_collate') is seg_collate


def test_training_batch_is_padded_at_the_bottom_and_right():
    batch = seg_collate([packed(1, 4, 6), packed(2, 5, 3)], stack_labels=True)
    assert batch['inputs'].shape == (2, 3, 5, 6) and batch['inputs'].dtype == torch.uint8
    assert batch['labels'].shape == (2, 5, 6) and batch['labels'].dtype == torch.uint8
    for k, (h, w) in enumerate([(4, 6), (5, 3)]):
        assert batch['data_samples'][k].img_shape == (h, w)
        assert (batch['inputs'][k, :, :h, :w] == k + 1).all() and (batch['labels'][k, :h, :w] == k + 2).all()
        assert batch['inputs'][k].sum() == 3 * h * w * (k + 1)
        assert (batch['labels'][k] == 255).sum() == 30 - h * w
    assert all('gt_sem_seg' not in sample for sample in batch['data_samples'])


def test_skipped_samples_are_left_out():
    skipped = SkippedSample('a.jpg', 'is empty')
    batch = seg_collate([skipped, packed(1, 4, 6), skipped])
    assert batch['inputs'].shape == (1, 3, 4, 6) and len(batch['data_samples']) == 1
    assert seg_collate([skipped, skipped]) is None


def test_labels_of_many_classes_stay_int32():
    batch = seg_collate([packed(1, 4, 4, torch.int32, more=299), packed(1, 2, 2, torch.int32)], stack_labels=True)
    assert batch['labels'].dtype == torch.int32 and batch['labels'].max() == 300 and batch['labels'][1, 3, 3] == 255


def test_evaluation_keeps_labels_at_their_own_size():
    samples = [packed(1, 4, 6), packed(2, 5, 3)]
    samples[0]['data_samples'].gt_sem_seg = PixelData(data=torch.ones(1, 40, 60, dtype=torch.uint8))
    batch = seg_collate(samples, stack_labels=False)
    assert 'labels' not in batch and batch['inputs'].shape == (2, 3, 5, 6)
    assert batch['data_samples'][0].gt_sem_seg.data.shape == (1, 40, 60)
    assert batch['data_samples'][1].gt_sem_seg.data.shape == (1, 5, 3)


def test_test_time_augmentation_gives_one_batch_per_augmentation():
    small, large = packed(1, 4, 6), packed(1, 8, 12)
    small2, large2 = packed(2, 5, 6), packed(2, 10, 12)
    samples = [dict(inputs=[a['inputs'], b['inputs']], data_samples=[a['data_samples'], b['data_samples']])
               for a, b in ((small, large), (small2, large2))]
    batch = seg_collate(samples, stack_labels=False)
    assert [tuple(inputs.shape) for inputs in batch['inputs']] == [(2, 3, 5, 6), (2, 3, 10, 12)]
    assert batch['data_samples'][1] == [large['data_samples'], large2['data_samples']]
    assert (batch['inputs'][1][1, :, :10] == 2).all()


@pytest.mark.parametrize('num_workers', [0, 1])
def test_through_a_loader(num_workers):
    samples = [packed(k, 3 + k, 7 - k) for k in range(4)]
    loader = DataLoader(samples, batch_size=2, num_workers=num_workers,
                        collate_fn=partial(seg_collate, stack_labels=True))
    for got, expected in zip(loader, (samples[:2], samples[2:]), strict=True):
        expected = seg_collate([dict(inputs=s['inputs'], data_samples=s['data_samples'].clone()) for s in expected],
                               stack_labels=num_workers > 0)
        assert torch.equal(got['inputs'], expected['inputs'])
        assert got['inputs'].is_shared() == (num_workers > 0)  # copied once, into memory both processes see


def test_samples_that_are_not_packed_or_have_no_labels_are_refused():
    with pytest.raises(ConfigError, match="End dataset.pipeline with dict.type='PackSegInputs'"):
        seg_collate([dict(img=1, seg_fields=[])])
    sample = dict(inputs=torch.zeros(3, 4, 4, dtype=torch.uint8), data_samples=SegDataSample())
    with pytest.raises(ConfigError, match="(?s)gives no labels to train on.*LoadAnnotations"):
        seg_collate([sample], stack_labels=True)
    assert seg_collate([sample])['inputs'].shape == (1, 3, 4, 4)
