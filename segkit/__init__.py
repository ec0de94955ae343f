"""segkit: a registry-driven semantic-segmentation toolbox on PyTorch and MMEngine."""

__version__ = '0.1.0'
