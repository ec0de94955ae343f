"""From scores to probabilities, and by post-processing from these to classes."""
from collections.abc import Callable
from typing import Optional

import torch
from torch import Tensor

from segkit.errors import ConfigError, DataError
from segkit.structures import SegDataSample


def as_probabilities(logits: Tensor) -> Tensor:
    """Probabilities of the classes, summing to 1, of scores (K, H, W); (2, H, W) for one channel of a binary head."""
    return logits.float().softmax(dim=0) if len(logits) > 1 else with_background(logits.float().sigmoid())


def with_background(probabilities: Tensor) -> Tensor:
    """Put the probability of class 0 before that of class 1, where a binary head gives that alone: (2, H, W)."""
    if len(probabilities) > 1:
        return probabilities
    return torch.cat([1 - probabilities, probabilities])


def most_probable(probabilities: Tensor, threshold: Optional[float]) -> Tensor:
    """(H, W) int64 classes by probabilities (K, H, W); with a threshold, class 1 of two where it is above that."""
    if threshold is not None:
        return (probabilities[1] > threshold).long()
    return probabilities.max(dim=0)[1]  # several times as fast as argmax on a CPU


def refined_classes(refine: Callable[[Tensor, Tensor], Tensor], sample: SegDataSample, probabilities: Tensor,
                    threshold: Optional[float]) -> Tensor:
    """Classes by a post-processing step.

    Args:
        refine: Takes probabilities (K, H, W) and the photo (H, W, 3) uint8 RGB, gives probabilities (K, H, W).
        sample: Its ``photo`` is looked at.
        probabilities: (K, H, W) at the photo's size; a binary head's have two classes too.
        threshold: For a binary head, the probability above which a pixel is class 1; else None.

    Returns:
        (H, W) int64.

    Raises:
        ConfigError: If nothing kept the photo.
        DataError: If it has another size.
    """
    path = sample.metainfo.get('img_path')
    if 'photo' not in sample:
        raise ConfigError(f"model.test_cfg.crf looks at the photo itself, and the sample of {path or 'an image'} has "
                          "none.\nPut dict(type='KeepPhoto') behind the transform that loads the image: tests and "
                          'predictions do so where that one is called LoadImage...')
    photo = sample.photo.data
    if photo.shape[1:] != probabilities.shape[1:]:
        raise DataError(f'{path}: the photo that was kept is {tuple(photo.shape[1:])} (h, w), the prediction '
                        f"{tuple(probabilities.shape[1:])}.\nPut dict(type='KeepPhoto') right behind the transform "
                        'that loads the image.')
    return most_probable(refine(probabilities, photo[[2, 1, 0]].permute(1, 2, 0)), threshold)
