"""A batch of bytes to what the network takes."""
from typing import Optional, Sequence, Union

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from segkit.errors import ConfigError, DataError
from segkit.registry import MODELS
from segkit.structures import SegDataSample


@MODELS.register_module()
class SegDataPreProcessor(BaseDataPreprocessor):
    """Move a batch to the device, normalise it and pad it.

    Reference:
        The values are MMSegmentation's: the channels are reordered, normalised, and then the area outside each
        image is filled, so that ``pad_val`` counts in normalised units. Here the whole batch is one tensor and
        travels as bytes.

    Args:
        mean: Mean of each channel, in the order that the network sees, 0 to 255; None leaves the values.
        std: Standard deviation of each channel, 0 to 255.
        size: Smallest (h, w) of a training batch, in pixels.
        size_divisor: In training, (h, w) are padded up to multiples of this number of pixels.
        pad_val: Value outside the images, after normalising.
        seg_pad_val: Label outside the images.
        bgr_to_rgb: Whether the channels are turned from BGR to RGB.
        rgb_to_bgr: Whether the channels are turned from RGB to BGR.
        batch_augments: Only None.
        test_cfg: dict(size=(h, w)) or dict(size_divisor=n), to pad outside training; None pads only to the
            largest image of the batch.

    Shape:
        inputs (N, 3, H, W) uint8, or a list of (3, h, w) -> (N, 3, H', W') float32; labels (N, H, W) ->
        (N, H', W') int64.

    Raises:
        ConfigError: If values do not fit each other.
    """

    DICT_KEYS = dict(test_cfg=('size', 'size_divisor'))  # what load_config lets this dict hold

    def __init__(self,
                 mean: Optional[Sequence[float]] = None,
                 std: Optional[Sequence[float]] = None,
                 size: Optional[Sequence[int]] = None,
                 size_divisor: Optional[int] = None,
                 pad_val: float = 0,
                 seg_pad_val: int = 255,
                 bgr_to_rgb: bool = False,
                 rgb_to_bgr: bool = False,
                 batch_augments: Optional[list] = None,
                 test_cfg: Optional[dict] = None) -> None:
        super().__init__(non_blocking=True)
        name = 'data_preprocessor'
        if (mean is None) != (std is None) or mean is not None and not len(mean) == len(std) in (1, 3):
            raise ConfigError(f'{name}: mean and std must both be given, with 3 values (or 1) each; got mean={mean}, '
                              f'std={std}.')
        if bgr_to_rgb and rgb_to_bgr:
            raise ConfigError(f'{name}: only one of bgr_to_rgb and rgb_to_bgr can be True.')
        if batch_augments is not None:
            raise ConfigError(f'{name}.batch_augments is not supported; remove it from the config.')
        if size is not None and size_divisor is not None:
            raise ConfigError(f'{name}: only one of size and size_divisor can be given; got size={size}, '
                              f'size_divisor={size_divisor}.')
        self.test_cfg = dict(test_cfg or {})
        for key, value in ((f'{name}.size', size), (f'{name}.test_cfg.size', self.test_cfg.get('size'))):
            if value is not None and not (isinstance(value, (list, tuple)) and len(value) == 2):
                raise ConfigError(f'{key} must be (height, width) in pixels; got {value!r}.')
        if self.test_cfg and list(self.test_cfg) not in (['size'], ['size_divisor']):
            raise ConfigError(f'{name}.test_cfg takes one of size and size_divisor; got {self.test_cfg}.')
        self.size = size
        self.size_divisor = size_divisor
        self.pad_val = pad_val
        self.seg_pad_val = seg_pad_val
        self.swap_channels = bgr_to_rgb or rgb_to_bgr
        self.normalize = mean is not None
        if self.normalize:
            self.register_buffer('mean', torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)
            self.register_buffer('std', torch.tensor(std, dtype=torch.float32).view(-1, 1, 1), persistent=False)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a batch.

        Args:
            data: ``inputs``; ``labels`` (N, H, W) in training, else left out; ``data_samples``, a list of N, whose
                ``img_shape`` is the true (h, w) of an image in a padded batch.
            training: Whether labels are needed, and ``size`` and ``size_divisor`` are used.

        Returns:
            dict(inputs (N, 3, H', W') float32, labels (N, H', W') int64 or None, data_samples list or None).

        Raises:
            DataError: If there are no labels in training.
        """
        images, samples = data['inputs'], data.get('data_samples')
        if not isinstance(images, Tensor):
            samples = _with_shapes(images, samples)
            images = _stack(images)
        shapes = _true_shapes(images, samples)
        images = images.to(self.device, non_blocking=True)
        if self.swap_channels and images.shape[1] == 3:
            images = images[:, [2, 1, 0]]
        # A copy always: what follows writes into it.
        images = images.to(torch.float32, copy=True)
        if self.normalize:
            images.sub_(self.mean).div_(self.std)
        target = self.padded_size(images.shape[-2:], training)
        images = _fill(images, shapes, target, self.pad_val)
        if not training:
            if samples is not None and self.device.type != 'cpu':
                samples = self.cast_data(samples)
            return dict(inputs=images, labels=None, data_samples=samples)
        labels = data.get('labels')
        if labels is None:
            labels = _stacked_labels(samples, self.seg_pad_val)
        labels = labels.to(self.device, non_blocking=True).to(torch.int64, copy=True)
        return dict(inputs=images, labels=_fill(labels, shapes, target, self.seg_pad_val), data_samples=samples)

    def restore(self, inputs: Tensor) -> Tensor:
        """Colours of what :meth:`forward` gave, to look at; padding shows the colour the network takes it for.

        Args:
            inputs: (N, 3, H, W) float32.

        Returns:
            (N, H, W, 3) uint8 RGB on the CPU; pipelines load BGR, so channels that were not turned are turned here.
        """
        images = inputs * self.std + self.mean if self.normalize else inputs
        images = images.clamp(0, 255).round().to('cpu', torch.uint8)
        return (images if self.swap_channels else images.flip(1)).permute(0, 2, 3, 1).contiguous()

    def padded_size(self, size: tuple[int, int], training: bool) -> tuple[int, int]:
        """The (h, w) that a batch of (h, w) is padded to."""
        least, divisor = self.size, self.size_divisor
        if not training:
            least, divisor = self.test_cfg.get('size'), self.test_cfg.get('size_divisor')
        least, divisor = least or (0, 0), divisor or 1
        return tuple(-(-max(have, want) // divisor) * divisor for have, want in zip(size, least))


def _stack(images: Sequence[Tensor]) -> Tensor:
    """Images (3, h, w) to one (N, 3, H, W), filled with 0 at the bottom and on the right."""
    height, width = (max(image.shape[axis] for image in images) for axis in (-2, -1))
    if all(image.shape[-2:] == (height, width) for image in images):
        return torch.stack(list(images))
    return torch.stack([F.pad(image, (0, width - image.shape[-1], 0, height - image.shape[-2])) for image in images])


def _with_shapes(images: Sequence[Tensor], samples: Optional[list]) -> list:
    """The samples, or new ones, of images (3, h, w); each knows its image's size."""
    samples = [SegDataSample() for _ in images] if samples is None else samples
    for image, sample in zip(images, samples):
        shape = tuple(image.shape[-2:])
        sample.set_metainfo(dict(img_shape=shape, ori_shape=sample.metainfo.get('ori_shape', shape)))
    return samples


def _true_shapes(images: Tensor, samples: Optional[list]) -> list[tuple[int, int]]:
    whole = tuple(images.shape[-2:])
    if samples is None:
        return [whole] * len(images)
    return [tuple(sample.metainfo.get('img_shape', whole)[:2]) for sample in samples]


def _stacked_labels(samples: Optional[list], fill: int) -> Tensor:
    """The label maps (1, h, w) that samples carry, as one (N, H, W)."""
    if samples is None or not all('gt_sem_seg' in sample for sample in samples):
        raise DataError('A training batch has no labels: expected `labels` (N, H, W), or gt_sem_seg in each sample.\n'
                        'Does train_dataloader.dataset.pipeline hold LoadAnnotations?')
    maps = [sample.gt_sem_seg.data for sample in samples]
    height, width = (max(label.shape[axis] for label in maps) for axis in (-2, -1))
    return torch.cat([F.pad(label, (0, width - label.shape[-1], 0, height - label.shape[-2]), value=fill)
                      for label in maps])


def _fill(batch: Tensor, shapes: Sequence[tuple[int, int]], target: tuple[int, int],
          value: Union[int, float]) -> Tensor:
    """Write ``value`` outside each image's (h, w) and pad (N, ..., H, W) to the target size."""
    height, width = batch.shape[-2:]
    for item, (h, w) in zip(batch, shapes):
        if h < height:
            item[..., h:, :] = value
        if w < width:
            item[..., w:] = value
    if (height, width) != target:
        batch = F.pad(batch, (0, target[1] - width, 0, target[0] - height), value=value)
    return batch
