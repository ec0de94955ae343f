"""Transforms of a sample on its way from the files to the collate; importing this registers them."""
from .blur import RandomGaussianBlur
from .crop import RandomCrop
from .flip import RandomFlip
from .loading import LoadAnnotations, LoadImageFromFile, LoadImageFromNDArray
from .pack import PackSegInputs
from .pad import Pad
from .photometric import PhotoMetricDistortion
from .resize import RandomResize, Resize
from .rotate import RandomRotate
from .test_time_aug import TestTimeAug

__all__ = [
    'LoadAnnotations', 'LoadImageFromFile', 'LoadImageFromNDArray', 'PackSegInputs', 'Pad', 'PhotoMetricDistortion',
    'RandomCrop', 'RandomFlip', 'RandomGaussianBlur', 'RandomResize', 'RandomRotate', 'Resize', 'TestTimeAug'
]
