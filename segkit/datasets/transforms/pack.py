"""Packing what a pipeline made into the network's input and a data sample."""
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData

from segkit.registry import TRANSFORMS
from segkit.structures import SegDataSample


@TRANSFORMS.register_module()
class PackSegInputs(BaseTransform):
    """Turns ``img`` into a tensor and ``gt_seg_map`` and the metainfo into a :class:`SegDataSample`.

    Reference:
        MMSegmentation's transform of this name, with labels in their own dtype instead of int64.

    Args:
        meta_keys: Keys of the results that go into the sample's metainfo, where they exist.

    Shape:
        inputs: (C, H, W), dtype of ``img``; data_samples.gt_sem_seg.data: (1, H, W) uint8 or int32;
        data_samples.photo.data: (3, H, W) uint8, where KeepPhoto was there.
    """

    def __init__(self,
                 meta_keys: Sequence[str] = ('img_path', 'seg_map_path', 'ori_shape', 'img_shape', 'pad_shape',
                                             'scale_factor', 'flip', 'flip_direction', 'reduce_zero_label')) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Return ``dict(inputs=(C, H, W), data_samples=SegDataSample)``."""
        packed = {}
        if 'img' in results:
            packed['inputs'] = torch.from_numpy(_planes(results['img']))
        sample = SegDataSample(metainfo={key: results[key] for key in self.meta_keys if key in results})
        if 'gt_seg_map' in results:
            labels = np.ascontiguousarray(results['gt_seg_map'])
            sample.gt_sem_seg = PixelData(data=torch.from_numpy(labels)[None])
        if 'photo' in results:
            sample.photo = PixelData(data=torch.from_numpy(_planes(results['photo'])))
        packed['data_samples'] = sample
        return packed

    def __repr__(self) -> str:
        return f'PackSegInputs(meta_keys={self.meta_keys})'


def _planes(img: np.ndarray) -> np.ndarray:
    if img.ndim == 2:
        return np.ascontiguousarray(img)[None]
    planes = np.empty((img.shape[2], *img.shape[:2]), img.dtype)
    cv2.split(img, list(planes))  # several times as fast as transposing and copying
    return planes
