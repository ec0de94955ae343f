"""One training iteration and one validation here, with the Runner, from an unmodified file on generated images."""
import math
import shutil
import tempfile
from pathlib import Path

from parity.digests import digest

CROP = (64, 64)  # (h, w)
TEST_SCALE = (96, 64)  # what a validation resizes to: the longer and the shorter side, in pixels


def train(package, request):
    """Train one iteration from a file and validate.

    Args:
        package: 'segkit'.
        request: ``file``, and ``folder``, which is written to below and left empty.

    Returns:
        dict(trained, validated, loss, mIoU), or also ``error`` where it ended early.
    """
    from segkit.config import load_config
    from segkit.datasets.mini_trees import write_mini_trees
    from segkit.engine import SegRunner

    plain = load_config(request['file'], say=_silent)
    folder = Path(tempfile.mkdtemp(dir=request['folder']))
    out, runner = dict(trained=False, validated=False), None
    try:
        roots = write_mini_trees(plain, str(folder / 'data'), images=2)
        cfg = load_config(request['file'], {**overrides(plain), **roots}, say=_silent)
        cfg.work_dir = str(folder / 'run')
        runner = SegRunner.from_cfg(cfg)
        runner.train()
        report = runner.val_loop.evaluator.metrics[0].last_report
        out.update(validated=report.images > 0 and not math.isnan(report.means['mIoU']), mIoU=report.means['mIoU'])
    except Exception as error:  # whatever stops it is a finding
        text = ' '.join(str(error).split()).replace(str(folder), '')
        out['error'] = f'{type(error).__name__}: {text[:300]}'
    finally:
        shutil.rmtree(folder)
    if runner is not None and runner.iter:
        loss = runner.message_hub.get_scalar('train/loss').current()
        out.update(trained=math.isfinite(loss), loss=loss)
    return out


def run_key(file, plain):
    """The digest of what decides such a run. Files that differ in how long or how often they do things share one."""
    from segkit.config import load_config

    cfg = load_config(file, overrides(plain), say=_silent)._cfg_dict.to_dict()
    cfg['default_hooks']['checkpoint'].pop('interval', None)
    cfg['default_hooks']['logger'].pop('interval', None)
    return digest(cfg)


def overrides(cfg):
    """What is changed of a file: sizes and numbers, and the first weights, which would be downloaded."""
    changed = {'crop_size': CROP, 'train_cfg.max_iters': 1, 'train_cfg.val_interval': 1,
               'train_dataloader.batch_size': 2}
    for loader in ('train_dataloader', 'val_dataloader'):
        changed.update({f'{loader}.num_workers': 0, f'{loader}.persistent_workers': False})
    for i, step in enumerate(cfg.val_dataloader.dataset.pipeline):
        if step.type == 'Resize':
            changed[f'val_dataloader.dataset.pipeline.{i}.scale'] = TEST_SCALE
    schedules = cfg.get('param_scheduler') or []
    for i, schedule in enumerate(schedules if isinstance(schedules, list) else []):
        if schedule.get('begin', 0) > 0:  # behind a warm-up, which is longer than this training
            changed[f'param_scheduler.{i}.begin'] = 0
    if cfg.model.get('pretrained') is not None:
        changed['model.pretrained'] = None
    if cfg.model.backbone.get('init_cfg') is not None:
        changed['model.backbone.init_cfg'] = None
    return changed


def _silent(line):
    pass
