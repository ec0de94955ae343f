"""A short training by MMSegmentation from a file of its own form, and the table of the test behind it."""
import re
from pathlib import Path

# What a user of MMSegmentation would write: a small network and small images, from the recipe for VOC with SBD. The
# weights, rarer classes heavier, let several classes be predicted after so few iterations, so that the table tells
# something.
WEIGHTS = [0.25, 3, 2, 3, 3, 4, 2, 2, 1.5, 3, 2, 3, 2, 2, 3, 0.7, 4, 3, 2, 2, 3]
CHILD = """\
_base_ = {base!r}
crop_size = (97, 97)
model = dict(
    pretrained=None,
    data_preprocessor=dict(size=crop_size),
    backbone=dict(depth=18),
    decode_head=dict(in_channels=512, channels=64, loss_decode=dict(class_weight={weights})),
    auxiliary_head=dict(in_channels=256, channels=32))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(320, 100), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(320, 100), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs')]
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(datasets=[
    dict(type='PascalVOCDataset', data_root={root!r}, pipeline=train_pipeline,
         data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
         ann_file='ImageSets/Segmentation/train.txt'),
    dict(type='PascalVOCDataset', data_root={root!r}, pipeline=train_pipeline,
         data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
         ann_file='ImageSets/Segmentation/aug.txt')]))
val_dataloader = dict(num_workers=0, persistent_workers=False,
                      dataset=dict(data_root={root!r}, pipeline=test_pipeline, indices={images}))
test_dataloader = val_dataloader
train_cfg = dict(type='IterBasedTrainLoop', max_iters={iters}, val_interval={iters})
param_scheduler = [dict(type='PolyLR', eta_min=1e-4, power=0.9, begin=0, end={iters}, by_epoch=False)]
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval={iters}))
randomness = dict(seed=0)
"""


def checkpoint(package, request):
    """Train with MMSegmentation's Runner and test its checkpoint with another one.

    Args:
        package: 'mmseg'.
        request: ``base``, a file of MMSegmentation's; ``root``, a folder in VOC's layout; ``folder``, a new one for the
            run; ``iters``; ``images``, how many are tested.

    Returns:
        dict(config, checkpoint, table): two files, and the printed rows, {class: [IoU, Acc]}, with the means.
    """
    from mmengine.config import Config
    from mmengine.runner import Runner

    folder = Path(request['folder'])
    file = folder / 'r18_voc12aug.py'
    told = {key: request[key] for key in ('base', 'root', 'iters', 'images')}
    file.write_text(CHILD.format(weights=WEIGHTS, **told))
    weights = folder / 'run' / f'iter_{request["iters"]}.pth'
    for step, name in (('train', 'run'), ('test', 'test')):
        cfg = Config.fromfile(str(file))
        cfg.work_dir = str(folder / name)
        cfg.load_from = str(weights) if step == 'test' else None
        getattr(Runner.from_cfg(cfg), step)()
    log = next((folder / 'test').rglob('*.log')).read_text()
    return dict(config=str(file), checkpoint=str(weights), table=rows_of(log))


def rows_of(text):
    """The printed numbers of a table of classes, as text, with the means; 'n/a' where there is none."""
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip('|').split('|')]
        if line.startswith('|') and len(cells) >= 3 and re.fullmatch(r'[\d.]+|nan|n/a', cells[1]):
            rows[cells[0]] = [_number(cell) for cell in cells[1:3]]
    means = re.findall(r'\b(aAcc|mIoU|mAcc):? +([\d.]+)', text)
    rows['mean'] = [_number(dict(means)[key]) for key in ('mIoU', 'mAcc')]
    rows['all pixels'] = [_number(dict(means)['aAcc'])]
    return rows


def _number(cell):
    return 'n/a' if cell in ('nan', 'n/a') else f'{float(cell):.2f}'
