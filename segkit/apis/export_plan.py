"""What a file for other runtimes is to hold, and what it cannot: decided before anything is exported."""
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from mmcv.cnn.bricks import Conv2dAdaptivePadding
from torch import nn

from segkit.errors import ConfigError
from segkit.models.data_preprocessor import SegDataPreProcessor
from segkit.models.segmentors.encoder_decoder import EncoderDecoder
from segkit.models.segmentors.multi_scale_encoder_decoder import MultiScaleEncoderDecoder, in_whole_numbers

ORDERS = ('rgb', 'bgr')
# What of test_cfg acts on the network or on how it is called. Anything else there acts on its scores.
OF_THE_NETWORK = ('mode', 'crop_size', 'stride', 'output_stride', 'dilations', 'keep_logits')
# Methods of a segmentor that come behind its network, and that no graph of the network holds.
BEHIND = ('predict', 'original_logits', 'classes_of', 'refined_classes', 'probabilities', 'write_prediction',
          'predict_logits')
LARGEST = 2_000_000_000  # bytes of weights: protobuf, the format of ONNX, ends at 2 GiB, and the file is to be one


@dataclass(frozen=True)
class Plan:
    """What a file holds.

    Attributes:
        size: (h, w) in pixels of the images it takes, one at a time; None takes any size and any number of them.
        smallest: Pixels that a side has at least where the size is open.
        channel_order: 'rgb' or 'bgr' of the bytes it takes, which it normalises and pads itself; None where it takes
            what the preprocessor gives.
        classes: Whether it also gives the class of each pixel of the image.
        probabilities: Whether it also gives their probabilities.
        resizes: Whether photos are resized to ``size`` instead of as the config says.
    """
    size: Optional[tuple[int, int]]
    smallest: int
    channel_order: Optional[str] = None
    classes: bool = False
    probabilities: bool = False
    resizes: bool = False

    @property
    def outputs(self) -> list[str]:
        """The names of what it gives, in order."""
        return ['logits', *['classes'] * self.classes, *['probabilities'] * self.probabilities]

    def facts(self, align_corners: bool) -> dict[str, Any]:
        """The image it takes, for the file; ``align_corners`` is how scores are resized."""
        layout = ['height', 'width', 3] if self.channel_order else [3, 'height', 'width']
        return dict(name='image', dtype='uint8' if self.channel_order else 'float32', shape=['batch', *layout],
                    channel_order=self.channel_order, size=self.size and list(self.size), smallest=self.smallest,
                    align_corners=align_corners)


def plan_for(model: nn.Module, size: Optional[Sequence[int]] = None, dynamic: bool = False,
             channel_order: Optional[str] = None, classes: bool = False, probabilities: bool = False) -> Plan:
    """Decide what a file of a model is to hold.

    Args:
        model: A segmentor.
        size: (h, w) in pixels, or None for any size; in mode 'slide', None is the size of the windows.
        dynamic: Whether any size is wanted in mode 'slide' too.
        channel_order, classes, probabilities: As in :class:`Plan`.

    Raises:
        ConfigError: If a file cannot hold it, with the reason.
    """
    _refuse_own_code(model)
    mode, window = model.test_cfg['mode'], model.test_cfg['crop_size']
    prepare = model.data_preprocessor
    if channel_order and type(prepare) is not SegDataPreProcessor:
        raise ConfigError(f'--with-preprocess: the file could hold what SegDataPreProcessor does; this model has '
                          f'{type(prepare).__name__}.\nLeave it out, and prepare images outside of the file.')
    pads = bool(getattr(prepare, 'test_cfg', None))
    if mode == 'slide':
        if classes:
            raise ConfigError("--with-postprocess: in model.test_cfg.mode='slide' the scores of the windows are "
                              'averaged outside of the file, which holds one window.\nLeave it out, or set '
                              'model.test_cfg.mode=whole.')
        if channel_order and pads:
            raise ConfigError("--with-preprocess: in model.test_cfg.mode='slide' windows are cut after the photo was "
                              f'padded (data_preprocessor.test_cfg={dict(prepare.test_cfg)}), and the file holds one '
                              'window.\nLeave it out.')
        if size is None and not dynamic:
            size = window
        elif size is not None and tuple(size) != tuple(window):
            raise ConfigError(f"--size {size[0]} {size[1]}: in model.test_cfg.mode='slide' the network sees windows of "
                              f'crop_size={tuple(window)}.\nGive that, or --dynamic.')
    if size is not None and min(size) < 1:
        raise ConfigError(f'--size: expected height and width in pixels, got {size[0]} {size[1]}.')
    if isinstance(model, MultiScaleEncoderDecoder) and size is None and not all(map(in_whole_numbers, model.scales)):
        raise ConfigError(f'model.scales={model.scales}: the sizes of such copies cannot be computed in a file of any '
                          'size; factors like 0.5 and 0.75 can.\nGive --size H W.')
    if size is None and any(isinstance(module, Conv2dAdaptivePadding) for module in model.modules()):
        # Each such padding is a quotient of the one before it, and torch does not end to compare those of a network.
        raise ConfigError('model.backbone.adaptive_padding: how far such convolutions pad follows from the size of the '
                          'image, and a file of any size does not hold that.\nGive --size H W.')
    resizes = False
    if size is not None and mode == 'whole':
        resizes = bool(channel_order) or not pads or tuple(prepare.test_cfg.get('size') or ()) != tuple(size)
        padded = tuple(size) if channel_order or not pads else prepare.padded_size(size, training=False)
        if padded != tuple(size):
            raise ConfigError(f'--size {size[0]} {size[1]}: data_preprocessor.test_cfg={dict(prepare.test_cfg)} pads '
                              f'that to {padded[0]}x{padded[1]}, which the network sees.\n'
                              f'Give --size {padded[0]} {padded[1]}.')
    return Plan(None if size is None else tuple(size), _smallest(model), channel_order, classes, probabilities, resizes)


def outside_of(model: nn.Module) -> dict[str, Any]:
    """What ``model.test_cfg`` does to the scores behind the network, and no file holds: key and value."""
    return {key: value for key, value in model.test_cfg.items()
            if key not in OF_THE_NETWORK and value not in (None, False)}


def refuse_large(model: nn.Module) -> None:
    """Refuse a network whose weights no single file of ONNX holds.

    Raises:
        ConfigError: With their size.
    """
    total = sum(tensor.numel() * tensor.element_size() for tensor in (*model.parameters(), *model.buffers()))
    if total > LARGEST:
        raise ConfigError(f'--format onnx: the weights take {total / 1e9:.1f} GB, and one file of ONNX holds 2 GB.\n'
                          'Take --format torch-export.')


def _refuse_own_code(model: nn.Module) -> None:
    if not isinstance(model, EncoderDecoder):
        raise ConfigError(f'model.type: a file is made of the network of an EncoderDecoder or '
                          f'MultiScaleEncoderDecoder; got {type(model).__name__}.')
    for name in BEHIND:
        if getattr(type(model), name) is not getattr(EncoderDecoder, name):
            raise ConfigError(f'model.type: {type(model).__name__}.{name}() changes what comes out of the network, and '
                              'no file holds it.\nExport the network alone: model.type=EncoderDecoder.')


def _smallest(model: nn.Module) -> int:
    """Pixels of a side from which each map of each size of the image has two: smaller ones may be special cases."""
    stride = model.test_cfg['output_stride'] or getattr(model.backbone, 'output_stride', 32)
    scales = getattr(model, 'scales', ())
    return math.ceil((stride + 1) / min([1.0, *scales]))


def host_test_cfg(test_cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What of ``model.test_cfg`` is left to do for the program that runs the file."""
    return {key: value for key, value in test_cfg.items() if key not in ('output_stride', 'dilations', 'keep_logits')}
