"""Joining samples into a batch."""
from collections.abc import Sequence
from typing import Optional

import torch
from mmengine.registry import FUNCTIONS

from segkit.errors import ConfigError
from segkit.structures import SkippedSample

LABEL_PAD = 255


@FUNCTIONS.register_module()
def seg_collate(samples: Sequence[dict], stack_labels: bool = False) -> Optional[dict]:
    """Join packed samples into one batch, padded at the bottom and at the right to its largest image.

    Args:
        samples: What PackSegInputs or TestTimeAug returned for each image. A SkippedSample is left out.
        stack_labels: Join the labels too, for training, and take them out of the samples, so that a loader process
            sends them once. Otherwise each sample keeps its labels at the size they have.

    Returns:
        ``inputs`` (N, 3, H, W) uint8, the padding 0; ``data_samples``, a list of N; with ``stack_labels`` also
        ``labels`` (N, H, W) uint8 or int32, the padding 255. The true size of an image is its sample's
        ``img_shape``. For samples of TestTimeAug ``inputs`` and ``data_samples`` are lists with one such entry for
        each augmentation. None, if every sample was skipped.

    Shape:
        each sample: inputs (3, h, w), gt_sem_seg.data (1, h, w).

    Raises:
        ConfigError: If the samples were not packed, or have no labels to train on.
    """
    samples = [sample for sample in samples if not isinstance(sample, SkippedSample)]
    if not samples:
        return None
    if not isinstance(samples[0], dict) or not {'inputs', 'data_samples'} <= set(samples[0]):
        raise ConfigError("A dataset's pipeline gave samples that are not packed.\n"
                          "End dataset.pipeline with dict(type='PackSegInputs').")
    images = [sample['inputs'] for sample in samples]
    data_samples = [sample['data_samples'] for sample in samples]
    if isinstance(images[0], list):
        return dict(inputs=[_pad_and_stack(views, 0) for views in zip(*images)],
                    data_samples=[list(views) for views in zip(*data_samples)])
    batch = dict(inputs=_pad_and_stack(images, 0), data_samples=data_samples)
    if stack_labels:
        if not all('gt_sem_seg' in sample for sample in data_samples):
            raise ConfigError("train_dataloader.dataset.pipeline gives no labels to train on.\n"
                              "Put dict(type='LoadAnnotations') behind LoadImageFromFile.")
        batch['labels'] = _pad_and_stack([sample.gt_sem_seg.data[0] for sample in data_samples], LABEL_PAD)
        for sample in data_samples:
            del sample.gt_sem_seg
    return batch


def _pad_and_stack(tensors: Sequence[torch.Tensor], value: int) -> torch.Tensor:
    """Stack tensors of shape (..., h, w) with different sizes into (N, ..., H, W).

    In a loader process the result lies in shared memory from the start, so that sending it copies nothing.
    """
    height = max(tensor.shape[-2] for tensor in tensors)
    width = max(tensor.shape[-1] for tensor in tensors)
    first = tensors[0]
    shape = (len(tensors), *first.shape[:-2], height, width)
    if torch.utils.data.get_worker_info() is not None:
        count = first.numel() // max(first.shape[-2] * first.shape[-1], 1) * height * width * len(tensors)
        storage = first._typed_storage()._new_shared(count, device=first.device)
        batch = first.new(storage).resize_(*shape)
    else:
        batch = first.new_empty(shape)
    for row, tensor in zip(batch, tensors):
        h, w = tensor.shape[-2:]
        row[..., :h, :w] = tensor
        row[..., h:, :] = value
        row[..., :h, w:] = value
    return batch
