"""What is done to a network's probabilities before they become classes."""
from segkit.models.postprocess.dense_crf import DenseCRF

__all__ = ['DenseCRF']
