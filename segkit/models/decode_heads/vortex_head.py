"""The head of Vortex pooling."""
from typing import Sequence

from torch import Tensor

from segkit.errors import ConfigError
from segkit.models.decode_heads.deeplab_v3_head import DeepLabV3Head
from segkit.models.layers.shared_averages import shared_averages
from segkit.registry import DECODE_HEADS


@DECODE_HEADS.register_module()
class VortexHead(DeepLabV3Head):
    """Atrous pyramid whose branches see averages that grow with their rates, a 1x1 projection and a classifier.

    Reference:
        Vortex Pooling (arXiv 1804.06242), module B. Beside the image pool and the branch of rate 1 stand three 3x3
        convolutions of rates 3, 9 and 27, of the map averaged over as many pixels; the rates do not follow the
        output stride. The repository Deeplab_V3 gluon has a 1x1 convolution as the branch of rate 1
        (``first_kernel=1``), biases and no activation: ``conv_bias=True``, ``act_cfg=None``, ``pool_first=True``.
        Averages near the border are those of a map surrounded by zeros, and exact
        (:func:`~segkit.models.layers.shared_averages.shared_averages`).

    Arguments and weights' names are those of :class:`DeepLabV3Head`: ``type`` alone says whether a config has ASPP or
    Vortex pooling, and with ``first_kernel`` alike the weights of one fit the other.

    Args:
        in_channels: Channels of the feature map.
        channels: Channels of the projection and in front of the classifier.
        dilations: Rates of the branches, which are the sides of their averages too: 1, 3, 9, ... in this order.
        first_kernel: Kernel of the branch of rate 1, which sees the map itself: 3, or 1 as in the repository.
        project_dropout: Share of the values set to 0 behind the projection, 0 to 1.
        block: Whether a 3x3 convolution follows the projection.
        **kwargs: As for :class:`DeepLabV3Head`.

    Shape:
        feats[in_index] (N, C, h, w) -> (N, out_channels, h, w).

    Raises:
        ConfigError: If values do not fit each other.
    """

    def __init__(self, in_channels: int, channels: int = 256, *, dilations: Sequence[int] = (1, 3, 9, 27),
                 first_kernel: int = 3, project_dropout: float = 0.0, block: bool = False, **kwargs) -> None:
        if len(dilations) < 2 or list(dilations) != [3**level for level in range(len(dilations))]:
            raise ConfigError(f'{type(self).__name__}.dilations: expected 1, 3, 9, ... in this order, since each rate '
                              f'is the side of an average too; got {tuple(dilations)}.\nLeave dilations out.')
        super().__init__(in_channels, channels, dilations=dilations, first_kernel=first_kernel,
                         project_dropout=project_dropout, block=block, **kwargs)

    @staticmethod
    def dilations_at(output_stride: int) -> tuple[int, ...]:
        """The rates 1, 3, 9 and 27 at any stride."""
        return 1, 3, 9, 27

    def check_dilations(self, dilations: Sequence[int]) -> None:
        """Refuse other rates than the head's own.

        Raises:
            ConfigError: If they differ.
        """
        if tuple(dilations) != self.dilations:
            raise ConfigError(f'{type(self).__name__}: its rates are {self.dilations} at any output stride; got '
                              f'{tuple(dilations)}.\nLeave dilations out.')

    def branch_inputs(self, x: Tensor) -> list[Tensor]:
        """The map (N, C, h, w) itself and its averages, of the same shape."""
        return [x, *shared_averages(x, len(self.dilations) - 1)]
