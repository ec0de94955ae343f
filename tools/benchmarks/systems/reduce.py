"""A config made small enough for a processor: crops, batch and windows shrink, the network and the recipe do not."""
import copy
import math
from typing import Any

CROP = 96  # pixels; a crop of 8k + 1 keeps its 1
BATCH = 2
PHOTOS = 8
VIEWS = 0.25  # of the sides of the views of test-time augmentation


def reduced(cfg: Any, iterations: int, small_photos: bool) -> Any:
    """Change a config in place and return it.

    Args:
        cfg: A source system's config.
        iterations: Length of the training; the schedule shrinks with it.
        small_photos: Whether the photos are small already, so that scales relative to their size stay.
    """
    crop = cfg.model.data_preprocessor.size[0]
    small = CROP + crop % 8
    share = small / crop
    for step in cfg.train_dataloader.dataset.pipeline:
        if step.type == 'RandomCrop':
            step.crop_size = (small, small)
        elif step.type == 'Pad':
            step.size = (small, small)
        elif step.type == 'RandomScale' and not small_photos:
            step.ratio_range = tuple(share * ratio for ratio in step.ratio_range)
            step.step = share * step.get('step', 0)
        elif step.type == 'RandomResize':
            step.scale = _scaled(step.scale, share)
    cfg.model.data_preprocessor.size = (small, small)
    cfg.model.backbone.init_cfg = None  # no weights can be fetched
    _reduce_windows(cfg.model, small)
    _reduce_hard_pixels(cfg, small, crop)
    for name in ('train', 'val'):
        cfg[f'{name}_dataloader'].update(num_workers=0, persistent_workers=False)
        if cfg[f'{name}_dataloader'].dataset.type == 'COCOVOCDataset':
            cfg[f'{name}_dataloader'].dataset.update(cache_dir='coco_masks', processes=1)
    cfg.train_dataloader.batch_size = min(BATCH, cfg.train_dataloader.batch_size)
    cfg.val_dataloader.dataset.indices = PHOTOS
    cfg.test_dataloader = copy.deepcopy(cfg.val_dataloader)
    schedule, = cfg.param_scheduler
    if 'end' in schedule:
        schedule.end += iterations - cfg.train_cfg.max_iters
    cfg.train_cfg.max_iters = cfg.train_cfg.val_interval = iterations
    cfg.default_hooks.checkpoint.update(interval=iterations, save_best=None, max_keep_ckpts=1, save_optimizer=False)
    cfg.default_hooks.update(report=None, visualization=None)
    cfg.default_hooks.logger.interval = 5
    return cfg


def with_views(cfg: Any) -> Any:
    """Make a reduced config's test-time augmentation small, in place, and return it."""
    groups = next(step.transforms for step in cfg.tta_pipeline if step.type == 'TestTimeAug')
    for step in (one for group in groups for one in group if one.type == 'Resize'):
        if step.get('scale_factor') is not None:
            step.scale_factor *= VIEWS
        else:
            step.scale = _scaled(step.scale, VIEWS)
    padded = (cfg.model.data_preprocessor.get('test_cfg') or {}).get('size')
    if padded is not None:
        cfg.model.data_preprocessor.test_cfg.size = tuple(int((side - side % 8) * VIEWS) + side % 8 for side in padded)
    return cfg


def _scaled(scale: Any, share: float) -> Any:
    """A size, or a pair of sizes, times a factor."""
    if isinstance(scale, (list, tuple)):
        return type(scale)(_scaled(one, share) for one in scale)
    return round(scale * share)


def _reduce_windows(model: Any, small: int) -> None:
    if model.test_cfg.get('mode') == 'slide':
        step = math.ceil(small * model.test_cfg.stride[0] / model.test_cfg.crop_size[0])
        model.test_cfg.update(crop_size=(small, small), stride=(step, step))


def _reduce_hard_pixels(cfg: Any, small: int, crop: int) -> None:
    """OHEM keeps the same share of a batch's pixels."""
    loss = cfg.model.decode_head.get('loss_decode') or {}
    if loss.get('min_kept'):
        pixels = min(BATCH, cfg.train_dataloader.batch_size) * small**2
        loss.min_kept = round(loss.min_kept * pixels / (cfg.train_dataloader.batch_size * crop**2))
