"""Samples of a file's datasets, and batches of them through its preprocessor."""
import hashlib
import importlib
import os
import random

import numpy as np
import torch

from parity.model_side import config

META = ('ori_shape', 'img_shape', 'pad_shape', 'scale_factor', 'flip', 'flip_direction', 'reduce_zero_label')


def samples(package, request):
    """Digests of samples, each drawn with a random state of its own.

    Args:
        package: 'segkit' or 'mmseg'.
        request: ``file``; ``loader``; ``root``, the data_root; ``number``.

    Returns:
        A list of [name of the image, digest of image, labels and meta].
    """
    dataset = _dataset(package, request)
    found = []
    for seed in range(request['number']):
        packed = _sample(dataset, seed)
        sample = packed['data_samples']
        found.append([os.path.basename(sample.img_path), _digest(packed['inputs'], sample)])
    return found


def batch(package, request):
    """One batch of samples through the preprocessor: of different sizes in training, else of the commonest.

    Args:
        package: 'mmseg' writes it into a file; 'segkit' reads that and compares.
        request: As for :func:`samples`, and ``outputs``, a file; ``training``; ``preprocessor``, changes of the file's.

    Returns:
        For 'segkit' dict(images, sizes, shape, gap, labels): number and sizes of the images, the batch's shape, the
        largest difference of a value, and whether the labels are equal.
    """
    cfg = config(package, request['file'])
    dataset = _dataset(package, request)
    packed = [_sample(dataset, seed) for seed in range(request['number'])]
    preprocessor = importlib.import_module(f'{package}.registry').MODELS.build(
        dict(cfg.model.data_preprocessor, **request['preprocessor']))
    training = request['training']
    if not training:  # where MMSegmentation wants one size in a batch, and pads that
        shapes = [one['inputs'].shape for one in packed]
        packed = [one for one in packed if one['inputs'].shape == max(shapes, key=shapes.count)]
    sizes = sorted({tuple(one['inputs'].shape[-2:]) for one in packed})
    if package == 'mmseg':
        from mmengine.dataset import pseudo_collate
        data = preprocessor(pseudo_collate(packed), training)
        labels = [sample.gt_sem_seg.data for sample in data['data_samples']] if training else []
        torch.save(dict(inputs=data['inputs'], labels=labels), request['outputs'])
        return {}
    from segkit.datasets.collate import seg_collate
    wanted = torch.load(request['outputs'], weights_only=True)
    os.unlink(request['outputs'])
    data = preprocessor(seg_collate(packed, stack_labels=training), training)
    same = torch.equal(torch.cat(wanted['labels']).long(), data['labels']) if training else None
    return dict(images=len(packed), sizes=sizes, shape=list(data['inputs'].shape), labels=same,
                gap=(wanted['inputs'] - data['inputs']).abs().max().item())


def _dataset(package, request):
    """The dataset of a loader, below another root, with the pipeline of the file but for the steps left out."""
    cfg = config(package, request['file'])[request['loader']].dataset
    _move(cfg, request['root'], request.get('without', ()))
    return importlib.import_module(f'{package}.registry').DATASETS.build(cfg)


def _move(cfg, root, without):
    for inner in cfg.get('datasets', [cfg.dataset] if 'dataset' in cfg else []):
        _move(inner, root, without)
    if 'data_root' in cfg:
        cfg.data_root = root
        cfg.pipeline = [step for step in cfg.pipeline if step.type not in without]


def _sample(dataset, seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return dataset[seed % len(dataset)]


def _digest(img, sample):
    labels = sample.gt_sem_seg.data.numpy()
    told = [sample.get(key) for key in META]
    told = [tuple(map(float, value)) if isinstance(value, (tuple, list, np.ndarray)) else value for value in told]
    content = img.contiguous().numpy().tobytes() + labels.astype(np.uint8).tobytes()
    return hashlib.sha256(content + repr((tuple(img.shape), labels.shape, told)).encode()).hexdigest()[:24]
