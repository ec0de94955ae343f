"""Transforms of a sample on its way from the files to the collate; importing this registers them."""
from .crop import RandomCrop
from .flip import RandomFlip
from .loading import LoadAnnotations, LoadImageFromFile
from .pack import PackSegInputs
from .photometric import PhotoMetricDistortion
from .resize import RandomResize, Resize

__all__ = [
    'LoadAnnotations', 'LoadImageFromFile', 'PackSegInputs', 'PhotoMetricDistortion', 'RandomCrop', 'RandomFlip',
    'RandomResize', 'Resize'
]
