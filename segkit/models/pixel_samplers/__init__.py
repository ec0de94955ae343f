"""Pixel samplers: which pixels of a batch the losses of a head see."""
from segkit.models.pixel_samplers.ohem_pixel_sampler import OHEMPixelSampler

__all__ = ['OHEMPixelSampler']
