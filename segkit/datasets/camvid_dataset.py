"""CamVid."""
from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.registry import DATASETS


@DATASETS.register_module()
class CamVidDataset(BaseSegDataset):
    """CamVid street scenes, 480 x 360, 11 classes, void 255.

    Reference: Brostow et al., Semantic object classes in video, Pattern Recognition Letters 2009; the classes and
    splits are those of the SegNet tutorial. There void is 11: such masks need ``label_map={11: 255}``.

    The files lie in ``{split}/images`` and ``{split}/masks``, named by ``data_prefix``.

    Args:
        img_suffix: What follows the name in an image's file name.
        seg_map_suffix: What follows the name in a mask's file name.
        **kwargs: As for :class:`BaseSegDataset`.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError, DataError: As :class:`BaseSegDataset` does.
    """

    METAINFO = dict(
        classes=('Sky', 'Building', 'Pole', 'Road', 'Pavement', 'Tree', 'SignSymbol', 'Fence', 'Car', 'Pedestrian',
                 'Bicyclist'),
        palette=[[128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128], [60, 40, 222], [128, 128, 0],
                 [192, 128, 128], [64, 64, 128], [64, 0, 128], [64, 64, 0], [0, 128, 192]])

    def __init__(self, img_suffix: str = '.jpg', seg_map_suffix: str = '.png', **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
