"""IoUMetric on random label maps."""
import importlib
import logging
import re

import numpy as np
import torch
from mmengine.structures import PixelData

KINDS = ('mIoU', 'mDice', 'mFscore')
NUMBER = re.compile(r'-?\d+\.?\d*|nan')


def metric(package, request):
    """The table of IoUMetric and its means, both to two digits.

    Args:
        package: 'segkit' or 'mmseg'.
        request: ``seed``; ``num_classes``; ``images``; ``absent``, classes that are in no label and no prediction;
            ``unfound``, classes that are labelled and never predicted.

    Returns:
        dict(table, means): class -> column -> per cent as printed, and name -> per cent as printed.
    """
    rng = np.random.RandomState(request['seed'])
    count = request['num_classes']
    sample_class = importlib.import_module(f'{package}.structures').SegDataSample
    made = importlib.import_module(f'{package}.registry').METRICS.build(dict(type='IoUMetric', iou_metrics=list(KINDS)))
    names = [f'class-{chr(97 + k // 26)}{chr(97 + k % 26)}' for k in range(count)]
    made.dataset_meta = dict(classes=names, palette=[[0, 0, 0]] * count)
    present = np.array([k for k in range(count) if k not in request['absent']])
    predicted = np.array([k for k in present if k not in request['unfound']])
    for i in range(request['images']):
        size = tuple(rng.randint(40, 90, 2))
        label = rng.choice(present, size)
        guess = np.where(rng.rand(*size) < 0.6, label, rng.choice(predicted, size))
        guess = np.where(np.isin(guess, predicted), guess, predicted[0])
        label = np.where(rng.rand(*size) < 0.15, 255, label)
        sample = sample_class(metainfo=dict(img_path=f'{i}.jpg', ori_shape=size, img_shape=size))
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(label[None].astype(np.uint8)))
        sample.pred_sem_seg = PixelData(data=torch.from_numpy(guess[None].astype(np.int64)))
        made.process({}, [sample.to_dict()])
    means, table = _printed(package, made, request['images'])
    return dict(table=table, means={name: f'{value:.2f}' for name, value in means.items()})


def _printed(package, made, images):
    """Evaluate; the scores, and the table that goes to the log."""
    from mmengine.logging import MMLogger
    logger = MMLogger.get_instance(f'metric-{package}', logger_name=package)
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    means = made.evaluate(images)
    logger.removeHandler(handler)
    rows = [[cell.strip() for cell in line.strip().strip('|').split('|')]
            for line in '\n'.join(lines).splitlines() if line.lstrip().startswith('|')]
    columns = rows[0][1:]
    return means, {row[0]: dict(zip(columns, row[1:])) for row in rows[1:] if row[0].startswith('class-')}
