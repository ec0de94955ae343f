"""Transforms of a sample on its way from the files to the collate; importing this registers them."""
from segkit.datasets.transforms.blur import RandomGaussianBlur
from segkit.datasets.transforms.crop import RandomCrop
from segkit.datasets.transforms.flip import RandomFlip
from segkit.datasets.transforms.loading import LoadAnnotations, LoadImageFromFile, LoadImageFromNDArray
from segkit.datasets.transforms.pack import PackSegInputs
from segkit.datasets.transforms.pad import Pad
from segkit.datasets.transforms.photometric import PhotoMetricDistortion
from segkit.datasets.transforms.resize import RandomResize, Resize
from segkit.datasets.transforms.rotate import RandomRotate
from segkit.datasets.transforms.test_time_aug import TestTimeAug

__all__ = [
    'LoadAnnotations', 'LoadImageFromFile', 'LoadImageFromNDArray', 'PackSegInputs', 'Pad', 'PhotoMetricDistortion',
    'RandomCrop', 'RandomFlip', 'RandomGaussianBlur', 'RandomResize', 'RandomRotate', 'Resize', 'TestTimeAug'
]
