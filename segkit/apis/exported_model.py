"""A segmentor whose network is a file of ONNX or torch.export, called like any other."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional, Union

import torch
from mmengine.config import Config
from torch import Tensor, nn

from segkit import ops
from segkit.apis.export_files import OnnxFile, ProgramFile, open_file
from segkit.checkpoint import trusting, trusts
from segkit.config import StoredConfig
from segkit.config.custom_imports import import_custom
from segkit.errors import CheckpointError, ConfigError, DataError
from segkit.models.decode_heads.base_decode_head import BaseDecodeHead
from segkit.models.segmentors.encoder_decoder import EncoderDecoder
from segkit.registry import MODELS


def init_exported(path: Union[str, Path], device: Optional[str] = None, unsafe: bool = False) -> nn.Module:
    """Build a segmentor for prediction from a file of tools/export.py alone.

    What stands behind the network (windows, resizing to the photo, what ``test_cfg`` does to the scores) is the same
    code as for a checkpoint.

    Args:
        path: The file: .onnx, or .pt2 of torch.export, which has to be trusted.
        device: 'cpu' or 'cuda:N'; None takes what the file and the machine can do.
        unsafe: As for :func:`segkit.apis.init_model`.

    Returns:
        The segmentor, with ``cfg`` (its test pipeline) and ``dataset_meta`` as attributes.

    Raises:
        ConfigError: If a package or the device is missing.
        CheckpointError: If the file cannot be used.
    """
    with trusting(unsafe or trusts()):
        return _segmentor(open_file(path, device), str(path))


def _segmentor(file: Union[OnnxFile, ProgramFile], path: str) -> nn.Module:
    own = file.facts['segkit']
    try:
        network, values = own['network'], own['config']
        if trusts():
            import_custom(values.get('custom_imports'))
        cfg = StoredConfig(values, path, trusts()).named()
        model = EncoderDecoder(
            backbone=dict(type=FileBackbone, channels=network['out_channels']),
            decode_head=dict(type=FileHead, channels=1, align_corners=network['align_corners'],
                             **{key: network[key] for key in ('num_classes', 'out_channels', 'threshold')},
                             loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=network['out_channels'] == 1)),
            test_cfg={**cfg['test_cfg'], 'keep_logits': True})  # the scores of one image are there to be looked at
        model.backbone.use(file, path, own['input'])
        model.data_preprocessor = MODELS.build(cfg['data_preprocessor'])
        if own['input']['channel_order']:  # bytes go as they are to a file that prepares them itself
            model.backbone.padded_by = model.data_preprocessor
            model.data_preprocessor = MODELS.build(dict(type='SegDataPreProcessor'))
        model.cfg = Config(dict(test_pipeline=cfg['test_pipeline']))
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f'{path}: what it says about itself is damaged, or of another version of segkit: '
                              f'{type(error).__name__} {error}.\nExport it again.') from error
    model.dataset_meta = dict(classes=tuple(file.facts['classes']), palette=file.facts['palette'])
    return model.eval()


class FileBackbone(nn.Module):
    """The network of a file, backbone and head, in the place of a backbone.

    Args:
        channels: K of the scores.

    Shape:
        (N, 3, H, W) -> one map: scores (N, K, h, w), or (N, K, H, W) of a file that pads.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = (channels,)
        self.padded_by: Optional[nn.Module] = None  # tells how the file itself pads images

    def use(self, file: Any, path: str, taken: dict) -> None:
        """Tell the file, its name and what images it takes."""
        self.file, self.path, self.taken = file, path, taken

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """See the class.

        Raises:
            ConfigError: If the file does not take images of that size.
            DataError: If it takes bytes, and they are none.
        """
        size, fixed, least = tuple(x.shape[-2:]), self.taken['size'], self.taken['smallest']
        if fixed is not None and size != tuple(fixed):
            raise ConfigError(f'{self.path} takes images of {fixed[0]}x{fixed[1]} pixels (h, w); here they are '
                            f'{size[0]}x{size[1]}.\nA file that was exported with --dynamic takes any size.')
        if fixed is None and min(size) < least:
            raise ConfigError(f'{self.path} takes images of {least} pixels a side and more; here they are '
                            f'{size[0]}x{size[1]}.')
        if self.taken['channel_order']:
            x = self._bytes(x).permute(0, 2, 3, 1)  # BGR, as pipelines load it
            x = x.flip(-1) if self.taken['channel_order'] == 'rgb' else x
        images = x.split(1) if fixed is not None else [x]
        return (torch.cat([self._scores(image.contiguous(), size) for image in images]),)

    def _bytes(self, x: Tensor) -> Tensor:
        found = x.to(torch.uint8)
        if not torch.equal(found.to(x.dtype), x):
            raise DataError(f'{self.path} takes bytes, whole numbers from 0 to 255; here the image has numbers from '
                            f'{float(x.min()):g} to {float(x.max()):g}{"" if (x == x.round()).all() else ", fractions"}'
                            '.\nA photo of 16 bits has to be brought to 8 first; a file that was exported without '
                            '--with-preprocess\ntakes any numbers.')
        return found

    def _scores(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """Scores of the part that is the image: the segmentor does not know of padding inside the file."""
        logits = self.file(image)['logits'].to(image.device)
        padded = size if self.padded_by is None else self.padded_by.padded_size(size, training=False)
        if padded == size:
            return logits
        return ops.resize_logits(logits, padded, self.taken['align_corners'])[..., :size[0], :size[1]]


class FileHead(BaseDecodeHead):
    """Hands on the scores of a file.

    Shape:
        one map (N, K, h, w) -> the same.
    """

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """See the class."""
        return feats[-1]
