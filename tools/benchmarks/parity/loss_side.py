"""Values and gradients of every loss class, and of a head whose pixels are sampled."""
import importlib
import os

import numpy as np
import torch
from mmengine.structures import PixelData

from parity import inputs as given

SIZE, CLASSES = (23, 31), 7
WEIGHTS = [0.5, 2.0, 1.0, 0.25, 1.5, 1.0, 3.0]
LOSSES = {
    'CrossEntropyLoss': dict(type='CrossEntropyLoss'),
    'CrossEntropyLoss, valid pixels': dict(type='CrossEntropyLoss', avg_non_ignore=True),
    'CrossEntropyLoss, class weights': dict(type='CrossEntropyLoss', class_weight=WEIGHTS, loss_weight=0.4),
    'CrossEntropyLoss, sigmoid': dict(type='CrossEntropyLoss', use_sigmoid=True),
    'OhemCrossEntropy': dict(type='OhemCrossEntropy', thres=0.5, min_kept=200),
    'OhemCrossEntropy, class weights': dict(type='OhemCrossEntropy', thres=0.1, min_kept=300, class_weight=WEIGHTS),
    'DiceLoss': dict(type='DiceLoss'),
    'DiceLoss, no void pixels': dict(type='DiceLoss'),
    'DiceLoss, softmax, no void pixels': dict(type='DiceLoss', use_sigmoid=False, loss_weight=3.0),
    'DiceLoss, a class left out, no void pixels': dict(type='DiceLoss', ignore_index=0, naive_dice=True),
    'LovaszLoss': dict(type='LovaszLoss', reduction='none'),
    'LovaszLoss, per image': dict(type='LovaszLoss', per_image=True, reduction='mean'),
    'LovaszLoss, all classes': dict(type='LovaszLoss', classes='all', reduction='none'),
    'FocalLoss': dict(type='FocalLoss'),
    'FocalLoss, class weights': dict(type='FocalLoss', gamma=1.5, alpha=0.3, class_weight=WEIGHTS),
    'TverskyLoss': dict(type='TverskyLoss'),
    'TverskyLoss, class weights': dict(type='TverskyLoss', alpha=0.6, beta=0.4, class_weight=WEIGHTS),
}
HEADS = {
    'OHEMPixelSampler, threshold': dict(type='OHEMPixelSampler', thresh=0.6, min_kept=50),
    'OHEMPixelSampler, hardest': dict(type='OHEMPixelSampler', min_kept=60),
}


def losses(package, request):
    """Value and gradient of each loss that this side has, on random scores at the labels' size.

    Args:
        package: 'mmseg' writes them into a file; 'segkit' reads that and compares.
        request: ``outputs``, a file; ``double``, whether in float64.

    Returns:
        For 'segkit' name -> [value there, value here, largest difference of the gradient over its largest value], or
        name -> what went wrong and where.
    """
    dtype = torch.float64 if request['double'] else torch.float32
    found = {name: _try(_loss, package, cfg, dtype, 'no void' not in name) for name, cfg in LOSSES.items()}
    found.update({name: _try(_head, package, cfg, dtype) for name, cfg in HEADS.items()})
    if package == 'mmseg':
        torch.save(found, request['outputs'])
        return {}
    wanted = torch.load(request['outputs'], weights_only=True)
    os.unlink(request['outputs'])
    return {name: _compared(wanted[name], found[name]) for name in found}


def _compared(theirs, ours):
    for side, one in (('there', theirs), ('here', ours)):
        if isinstance(one, str):
            return f'{side}: {one}'
    gap = (theirs[1] - ours[1]).abs().max().item() / max(theirs[1].abs().max().item(), 1e-30)
    return [theirs[0], ours[0], gap]


def _try(function, *args):
    try:
        return function(*args)
    except Exception as error:  # a loss that one side does not have, or refuses, is a finding
        return f'{type(error).__name__}: {" ".join(str(error).split())[:160]}'


def _loss(package, cfg, dtype, void):
    registry = importlib.import_module(f'{package}.registry')
    loss = (registry.LOSSES if package == 'segkit' else registry.MODELS).build(dict(cfg))
    logits = torch.from_numpy(np.random.RandomState(5).standard_normal((2, CLASSES, *SIZE)) * 2).to(dtype)
    logits.requires_grad_()
    labels = torch.cat([given.labels(i, *SIZE, CLASSES) for i in range(2)])
    if not void:
        labels = labels.where(labels != 255, 0 * labels)
    value = _call(package, cfg['type'], loss, logits, labels)
    value.backward()
    return value.item(), logits.grad


def _call(package, name, loss, logits, labels):
    """The loss. Two of MMSegmentation's classes need arguments of their own."""
    if package == 'mmseg' and name == 'OhemCrossEntropy':  # takes no ignore_index
        return loss(logits, labels)
    if package == 'mmseg' and name == 'FocalLoss':  # on a CPU it fails on labels, and takes one-hot maps
        valid = labels != 255
        maps = torch.nn.functional.one_hot(labels.where(valid, 0 * labels), CLASSES).permute(0, 3, 1, 2)
        return loss(logits, maps.to(logits), weight=valid.flatten().to(logits))
    return loss(logits, labels, ignore_index=255)


def _head(package, sampler, dtype):
    registry = importlib.import_module(f'{package}.registry')
    heads = registry.DECODE_HEADS if package == 'segkit' else registry.MODELS
    head = heads.build(dict(
        type='FCNHead', in_channels=6, in_index=0, channels=6, num_convs=1, concat_input=False, dropout_ratio=0,
        num_classes=CLASSES, norm_cfg=dict(type='BN'), align_corners=False, sampler=sampler,
        loss_decode=dict(type='CrossEntropyLoss')))
    given.fill(head)
    head.to(dtype)
    feat = torch.from_numpy(np.random.RandomState(6).standard_normal((2, 6, 8, 11))).to(dtype).requires_grad_()
    labels = [given.labels(i, *SIZE, CLASSES) for i in range(2)]
    if package == 'segkit':
        value = head.loss((feat,), torch.cat(labels))
    else:
        from mmseg.structures import SegDataSample
        samples = [SegDataSample() for _ in labels]
        for sample, label in zip(samples, labels):
            sample.gt_sem_seg = PixelData(data=label)
        value = head.loss((feat,), samples, None)
    value['loss_ce'].backward()
    return value['loss_ce'].item(), feat.grad
