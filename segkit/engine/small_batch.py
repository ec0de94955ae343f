"""Batches made small, so that a CPU takes a step of any network in seconds."""
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Optional, Union

import torch
from torch import Tensor, nn

SIDE = 129  # pixels; 16 x 8 + 1, which output strides of 8, 16 and 32 divide as they divide 513
IMAGES = 2  # batch norm behind an image pool needs two


def small_size(size: Sequence[int], stride: int = 32, side: int = SIDE) -> tuple[int, int]:
    """The size (h, w) of about ``side`` x ``side`` pixels with the shape of a larger one, a multiple of the stride + 1.

    Args:
        size: (h, w) in pixels; one that is not larger stays as it is.
        stride: The network's output stride, in pixels.
        side: Side of the square with as many pixels.
    """
    factor = side / math.sqrt(size[0] * size[1])
    if factor >= 1:
        return tuple(size)
    return tuple(min(max(round(length * factor / stride), 1) * stride + 1, length) for length in size)


def network_size(preprocessor: nn.Module, batch: dict, training: bool) -> tuple[int, int]:
    """The (h, w) that a batch has behind the preprocessor, which may pad."""
    images = batch['inputs']
    size = tuple(max(image.shape[axis] for image in images) for axis in (-2, -1))
    limits = vars(preprocessor) if training else getattr(preprocessor, 'test_cfg', None) or {}
    least, divisor = limits.get('size') or (0, 0), limits.get('size_divisor') or 1
    return tuple(-(-max(have, want) // divisor) * divisor for have, want in zip(size, least))


def thin(batch: dict, images: int, factors: tuple[float, float], training: bool) -> dict:
    """Keep some images of a batch, and of those every n-th row and column, so that all of the scene stays in sight.

    Args:
        batch: ``inputs`` (N, 3, H, W) or a list of (3, h, w); ``labels`` (N, H, W); ``data_samples``.
        images: How many images to keep.
        factors: New height / height and new width / width, at most 1.
        training: Whether labels inside the samples are thinned too; those of a validation keep their size.

    Returns:
        A new batch; the samples' ``img_shape`` and ``scale_factor`` follow.
    """
    small = dict(batch)
    for key in ('inputs', 'labels'):
        if key in batch:
            kept = batch[key][:images]
            small[key] = _thin(kept, factors) if isinstance(kept, Tensor) else [_thin(one, factors) for one in kept]
    if batch.get('data_samples') is not None:
        whole = [tuple(image.shape[-2:]) for image in batch['inputs']]
        small['data_samples'] = [_thin_sample(sample, size, factors, training)
                                 for sample, size in zip(batch['data_samples'][:images], whole)]
    return small


def _kept(length: int, factor: float) -> Tensor:
    """Which of ``length`` rows stay, int64, the first and the last among them."""
    return torch.linspace(0, length - 1, max(round(length * factor), 1)).round().long()


def _thin(data: Tensor, factors: tuple[float, float]) -> Tensor:
    """(..., H, W) to (..., h, w)."""
    rows, columns = (_kept(length, factor) for length, factor in zip(data.shape[-2:], factors))
    return data[..., rows, :][..., columns].contiguous()


def _thin_sample(sample: Any, size: tuple[int, int], factors: tuple[float, float], training: bool) -> Any:
    small = sample.new()
    true = tuple(sample.metainfo.get('img_shape', size)[:2])
    shape = tuple(max(int((_kept(length, factor) < inside).sum()), 1)
                  for length, factor, inside in zip(size, factors, true))
    meta = dict(img_shape=shape)
    if 'scale_factor' in sample.metainfo:
        scale = sample.metainfo['scale_factor']
        meta['scale_factor'] = (scale[0] * shape[1] / true[1], scale[1] * shape[0] / true[0])
    small.set_metainfo(meta)
    if training and 'gt_sem_seg' in sample:
        small.gt_sem_seg = type(sample.gt_sem_seg)(data=_thin(sample.gt_sem_seg.data, factors))
    return small


@contextmanager
def shrunk(model: nn.Module, batch: dict, training: bool, size: Optional[Sequence[int]] = None,
           images: int = IMAGES) -> Iterator[dict]:
    """A small form of a batch, and a model that takes it: what it pads to and its windows shrink too, inside.

    Args:
        model: The segmentor, not wrapped.
        batch: As the loader gives it; one of test-time augmentation (lists of views) stays as it is.
        training: Whether it is a training batch.
        size: (h, w) that the network is to see; None takes :func:`small_size` of the real one.
        images: How many images to keep.
    """
    preprocessor = getattr(model, 'data_preprocessor', None)
    if not all(isinstance(image, Tensor) and image.dim() == 3 for image in batch['inputs']):
        yield batch
        return
    real = network_size(preprocessor, batch, training)
    size = tuple(size or small_size(real, stride_of(model)))
    factors = tuple(new / old for new, old in zip(size, real))
    test_cfg = getattr(model, 'test_cfg', None)
    changes: list[tuple[Any, str, Any]] = []
    if training and getattr(preprocessor, 'size', None):
        changes.append((vars(preprocessor), 'size', size))
    if not training and (getattr(preprocessor, 'test_cfg', None) or {}).get('size'):
        changes.append((preprocessor.test_cfg, 'size', size))
    if not training and isinstance(test_cfg, dict) and test_cfg.get('mode') == 'slide':
        changes += [(test_cfg, key, _scaled(test_cfg[key], factors)) for key in ('crop_size', 'stride')]
    before = [(place, key, place[key]) for place, key, _ in changes]
    try:
        for place, key, value in changes:
            place[key] = value
        yield thin(batch, images, factors, training)
    finally:
        for place, key, value in before:
            place[key] = value


def _scaled(pair: Sequence[int], factors: tuple[float, float]) -> tuple[int, int]:
    return tuple(max(math.ceil(length * factor), 1) for length, factor in zip(pair, factors))


def stride_of(model: nn.Module) -> int:
    """The output stride of a segmentor's backbone; 32 where it does not say."""
    stride: Union[int, None] = getattr(getattr(model, 'backbone', None), 'output_stride', None)
    return stride if isinstance(stride, int) and stride > 0 else 32
