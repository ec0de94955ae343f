"""From scores at a network's size back to the photo."""
from torch import Tensor

from segkit import ops
from segkit.errors import ConfigError
from segkit.structures import SegDataSample

FLIPPED_AXES = {'horizontal': (-1,), 'vertical': (-2,), 'diagonal': (-2, -1)}


def at_original(logits: Tensor, size: tuple[int, int], sample: SegDataSample, align_corners: bool) -> Tensor:
    """Scores of an image at its original size, unflipped and without padding.

    Args:
        logits: (1, K, h, w).
        size: (H, W) of the network's input.
        sample: Its ``img_shape``, ``ori_shape`` and ``flip`` lead back to the photo.
        align_corners: How scores are resized.

    Returns:
        (1, K, *ori_shape).

    Raises:
        ConfigError: If the test pipeline pads, instead of the preprocessor.
    """
    # Two steps, first to the network's input and from there to the photo, as MMSegmentation does: one step
    # gives other classes in 0.07 % of the pixels. One image at a time, so that one full-size map exists.
    meta = sample.metainfo
    logits = ops.resize_logits(logits, tuple(size), align_corners)
    height, width = meta.get('img_shape', size)[:2]
    _refuse_pad(meta, (height, width))
    logits = logits[..., :height, :width]
    if meta.get('flip'):
        logits = logits.flip(FLIPPED_AXES[meta['flip_direction']])
    return ops.resize_logits(logits, meta.get('ori_shape', (height, width))[:2], align_corners)


def _refuse_pad(meta: dict, padded: tuple[int, int]) -> None:
    """Raise ConfigError where the transform Pad enlarged a photo, since its share would be squeezed into the photo."""
    if 'pad_shape' not in meta or 'ori_shape' not in meta:
        return
    scales = tuple(meta.get('scale_factor', (1, 1)))[::-1]  # (w, h) there
    if padded != tuple(round(side * scale) for side, scale in zip(meta['ori_shape'], scales)):
        raise ConfigError(
            f"Pad made {meta.get('img_path')} {padded[0]}x{padded[1]} (h, w) in a test pipeline, and nothing tells "
            'where the photo lies in it.\nTake Pad out of the pipeline. What pads and cuts it off again:\n'
            'model.data_preprocessor.test_cfg=dict(size=(h, w)) or dict(size_divisor=n)')
