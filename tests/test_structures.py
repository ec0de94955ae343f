"""The fields of SegDataSample."""
import pytest
import torch
from mmengine.structures import PixelData

from segkit.structures import SegDataSample


def test_fields_are_pixel_data_and_can_be_taken_out():
    sample = SegDataSample(metainfo=dict(img_shape=(4, 6)))
    for name in ('gt_sem_seg', 'pred_sem_seg', 'seg_logits'):
        assert name not in sample
        setattr(sample, name, PixelData(data=torch.zeros(1, 4, 6)))
        assert getattr(sample, name).data.shape == (1, 4, 6)
        delattr(sample, name)
        assert name not in sample
    assert sample.img_shape == (4, 6)


def test_another_type_is_refused():
    with pytest.raises(AssertionError):
        SegDataSample().gt_sem_seg = torch.zeros(4, 6)
