"""What the losses share: their place in the log, weights of classes, the checks of their values."""
from collections.abc import Sequence
from pathlib import Path
from typing import Optional, Union

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from segkit.errors import ConfigError

COUNTED = ('median_freq', 'inverse')  # weights that a run counts from the masks it trains on
ClassWeight = Union[None, str, Sequence[float]]


class BaseLoss(nn.Module):
    """Base of the losses: a subclass writes ``forward(logits, labels, ignore_index=255, align_corners=False)``.

    A loss over single pixels also takes ``weight`` (N, H, W), which a head's sampler makes, and may have
    ``pixel_losses(logits, labels, ignore_index, align_corners)``, which gives (N, H, W) to that sampler.

    Args:
        loss_weight: Factor of the result.
        loss_name: Key of the loss in the log; only names that contain 'loss' are part of the total.
        class_weight: One factor a class: numbers, or the path of a .npy, .json or .yaml file that holds them.
            'median_freq' and 'inverse' are counted from the masks of ``train_dataloader`` when a run starts, and
            its saved config has the numbers.

    Raises:
        ConfigError: If the weights cannot be read; when the loss is computed, if nobody counted them.
    """

    def __init__(self, loss_weight: float, loss_name: str, class_weight: ClassWeight = None) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        self.uncounted = class_weight if isinstance(class_weight, str) and class_weight in COUNTED else None
        weights = None if self.uncounted else read_class_weight(class_weight, type(self).__name__)
        self.register_buffer('class_weight', weights, persistent=False)

    def check_channels(self, num_channels: int) -> None:
        """Refuse a head whose scores have a number of channels that the loss cannot take.

        Raises:
            ConfigError: If so.
        """

    def weights_of_classes(self) -> Optional[Tensor]:
        """(K,), or None where every class counts as much.

        Raises:
            ConfigError: If they were to be counted, and this loss was built outside a run.
        """
        if self.uncounted:
            raise ConfigError(
                f"{type(self).__name__}.class_weight={self.uncounted!r} is counted from the masks of train_dataloader "
                'when a training starts,\nand this loss was built outside one. Give it the numbers: those that a '
                'training printed\nand wrote to config.py of its run folder, or your own, one for each class.')
        return self.class_weight

    def checked_reduction(self, reduction: str) -> str:
        """``reduction``, if it is one of a loss that gives a number for each image or pixel.

        Raises:
            ConfigError: If it is not.
        """
        if reduction not in ('mean', 'sum', 'none'):
            raise ConfigError(f"{type(self).__name__}.reduction must be 'mean', 'sum' or 'none', not {reduction!r}.")
        return reduction


def read_class_weight(value: ClassWeight, owner: str) -> Optional[Tensor]:
    """Weights of classes from numbers or a file.

    Args:
        value: Numbers, or the path of a .npy, .json or .yaml file.
        owner: The loss, for messages.

    Raises:
        ConfigError: If the file cannot be read, or holds no list of numbers.
    """
    if value is None:
        return None
    source = f'{owner}.class_weight'
    if isinstance(value, str):
        source = f'{source}: {value}'
        if not value.endswith(('.npy', '.json', '.yaml', '.yml')):
            raise ConfigError(f'{source} must be a .npy, .json or .yaml file with one number a class, or one of '
                              f'{", ".join(COUNTED)}.')
        try:
            # JSON is YAML too; neither safe_load nor numpy runs code that a file may contain, MMEngine's load does
            value = np.load(value).tolist() if value.endswith('.npy') else yaml.safe_load(Path(value).read_text())
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise ConfigError(f'{owner}.class_weight: cannot read {source.split(": ", 1)[1]}: {error}') from None
    try:
        return torch.tensor([float(w) for w in value])
    except (TypeError, ValueError):
        raise ConfigError(f'{source}: expected a list with one number a class, got {str(value)[:80]}.') from None
