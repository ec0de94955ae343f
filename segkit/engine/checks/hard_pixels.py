"""Whether what keeps a batch's hard pixels would keep all of them."""
from typing import Optional

from segkit.engine.checks.config_parts import Part, datasets_of, part, size_of_crops
from segkit.registry import LOSSES, TASK_UTILS


def all_kept(given: dict, heads: list[Part]) -> list[str]:
    """Lines on losses and samplers that are to keep at least as many pixels as a batch of one process has.

    OhemCrossEntropy counts ``min_kept`` over the batch, OHEMPixelSampler for each image. Labels have the size of the
    crops; padding adds only void ones.

    Args:
        given: A runner's keyword arguments.
        heads: The model's.

    Returns:
        The lines; none where the size of the crops or of the batch is not known.
    """
    loader, crop = given.get('train_dataloader'), _largest_crop(given)
    size = loader.get('batch_size') if isinstance(loader, dict) else None
    if crop is None or not isinstance(size, int):
        return []
    area, shape, lines = crop[0] * crop[1], f'{crop[0]}x{crop[1]}', []
    for head in heads:
        for loss in _losses(head):
            if loss.name == 'OhemCrossEntropy':
                lines += _line(loss, 'thres', size * area, f'a batch ({size} x {shape})')
        sampler = head.cfg.get('sampler')
        if isinstance(sampler, dict):
            sampler = part(f'{head.place}.sampler', sampler, TASK_UTILS)
            if sampler.name == 'OHEMPixelSampler':
                lines += _line(sampler, 'thresh', area, f'an image ({shape})')
    return lines


def _line(chooser: Part, threshold: str, pixels: int, of: str) -> list[str]:
    kept = chooser.get('min_kept')
    if not isinstance(kept, (int, float)) or kept < pixels:  # building it refuses what is no number
        return []
    idle = 'no pixel is left out' if chooser.get(threshold) is None else f'{threshold} does nothing'
    return [f'{chooser.place}.min_kept={kept:,} is not below the {pixels:,} pixels of {of}: every pixel is kept and '
            f'{idle}; lower min_kept']


def _losses(head: Part) -> list[Part]:
    losses, place = head.cfg.get('loss_decode'), f'{head.place}.loss_decode'
    if isinstance(losses, dict):
        return [part(place, losses, LOSSES)]
    several = losses if isinstance(losses, (list, tuple)) else ()
    return [part(f'{place}.{i}', loss, LOSSES) for i, loss in enumerate(several) if isinstance(loss, dict)]


def _largest_crop(given: dict) -> Optional[tuple[int, int]]:
    """The largest (h, w) that training's datasets end with; None where one of them does not tell it."""
    crops = [size_of_crops(dataset) for dataset in datasets_of(given, 'train')]
    return None if None in crops else max(crops, key=lambda crop: crop[0] * crop[1], default=None)
