"""Transforms of a sample on its way from the files to the collate; importing this registers them."""
from segkit.datasets.transforms.blur import RandomGaussianBlur
from segkit.datasets.transforms.crop import RandomCrop
from segkit.datasets.transforms.cut_out import RandomCutOut
from segkit.datasets.transforms.flip import RandomFlip
from segkit.datasets.transforms.keep_photo import KeepPhoto
from segkit.datasets.transforms.loading import LoadAnnotations, LoadImageFromFile, LoadImageFromNDArray
from segkit.datasets.transforms.pack import PackSegInputs
from segkit.datasets.transforms.pad import Pad
from segkit.datasets.transforms.photometric import PhotoMetricDistortion
from segkit.datasets.transforms.random_scale import RandomScale
from segkit.datasets.transforms.resize import RandomResize, Resize, ResizeShortestEdge, ResizeToMultiple
from segkit.datasets.transforms.rotate import RandomRotate, RandomRotFlip
from segkit.datasets.transforms.several_pipelines import SeveralPipelines
from segkit.datasets.transforms.test_time_aug import TestTimeAug
from segkit.datasets.transforms.tone import CLAHE, AdjustGamma, Rerange, RGB2Gray

__all__ = [
    'AdjustGamma', 'CLAHE', 'KeepPhoto', 'LoadAnnotations', 'LoadImageFromFile', 'LoadImageFromNDArray',
    'PackSegInputs', 'Pad', 'PhotoMetricDistortion', 'RGB2Gray', 'RandomCrop', 'RandomCutOut', 'RandomFlip',
    'RandomGaussianBlur', 'RandomResize', 'RandomRotFlip', 'RandomRotate', 'RandomScale', 'Rerange', 'Resize',
    'ResizeShortestEdge', 'ResizeToMultiple', 'SeveralPipelines', 'TestTimeAug'
]
