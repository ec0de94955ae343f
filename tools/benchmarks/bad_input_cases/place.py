"""The folder that every mistake is made in: a small data set, a config file, and a trained run."""
import os
import shutil
from pathlib import Path

import cv2
import numpy as np

CONFIGS = Path(__file__).parents[3] / 'configs'
PALETTE = [[40, 40, 40], [40, 200, 60], [220, 50, 70]]
CONFIG = """\
_base_ = ['CONFIGS/_base_/models/deeplabv3_r50-d8.py', 'CONFIGS/_base_/default_runtime.py',
          'CONFIGS/_base_/schedules/schedule_20k.py']
crop_size = (32, 32)
model = dict(
    num_classes=3, data_preprocessor=dict(size=crop_size),
    backbone=dict(depth=18, stem_channels=8, base_channels=8, init_cfg=None),
    decode_head=dict(channels=8), auxiliary_head=dict(channels=8))
_load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
_data = dict(type='BaseSegDataset', data_root='data', metainfo=dict(classes=['road', 'grass', 'car'], palette=PALETTE),
             data_prefix=dict(img_path='images', seg_map_path='masks'))
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(_data, ann_file='train.txt', pipeline=[
        *_load, dict(type='RandomCrop', crop_size=crop_size), dict(type='RandomFlip', prob=0.5),
        dict(type='PackSegInputs')]))
val_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(_data, ann_file='val.txt', pipeline=[*_load, dict(type='PackSegInputs')]))
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
train_cfg = dict(max_iters=4, val_interval=4)
default_hooks = dict(logger=dict(interval=2), checkpoint=dict(interval=2), report=None)
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0.0, 1.0)],
        [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]])]
"""


def make(place: Path) -> None:
    """Write data, config and a trained run below a folder."""
    from segkit.apis import train

    for folder in ('images', 'masks'):
        (place / 'data' / folder).mkdir(parents=True)
    draw = np.random.RandomState(0)
    for split, names in (('train', 'abcdef'), ('val', 'ghi')):
        for name in names:
            height, width = draw.randint(40, 70, 2)
            mask = np.zeros((height, width), np.uint8)
            for label in (1, 2):
                y, x = draw.randint(2, 20, 2)
                mask[y:y + 16, x:x + 16] = label
            mask[:2] = 255
            write_mask(place, name, mask)
            photo = np.array(PALETTE + [[0, 0, 0]] * 253, np.uint8)[mask]
            photo += draw.randint(0, 30, photo.shape).astype(np.uint8)
            cv2.imwrite(str(place / f'data/images/{name}.jpg'), photo)
        (place / f'data/{split}.txt').write_text(''.join(f'{name}\n' for name in names))
    write_config(place)
    before = os.getcwd()
    os.chdir(place)
    try:
        train.main(['config.py', '--work-dir', 'run'])
    finally:
        os.chdir(before)
    for path in (place / 'run').iterdir():  # each case gets a copy of the rest
        if not path.name.startswith(('iter_4.pth', 'last_checkpoint')):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_config(place: Path, more: str = '') -> None:
    """Write config.py, with lines added at its end."""
    text = CONFIG.replace('CONFIGS', str(CONFIGS)).replace('PALETTE', str(PALETTE))
    (place / 'config.py').write_text(text + more)


def read_mask(place: Path, name: str) -> np.ndarray:
    """A mask (H, W) uint8."""
    return cv2.imread(str(place / f'data/masks/{name}.png'), cv2.IMREAD_UNCHANGED)


def write_mask(place: Path, name: str, mask: np.ndarray) -> None:
    """Write a mask of any dtype and number of channels that PNG has."""
    cv2.imwrite(str(place / f'data/masks/{name}.png'), mask)
