"""Nighttime Driving."""
from segkit.datasets.cityscapes_dataset import CityscapesDataset
from segkit.registry import DATASETS


@DATASETS.register_module()
class NightDrivingDataset(CityscapesDataset):
    """Nighttime Driving, 50 frames of streets at night: the 19 classes of Cityscapes, void 255; a set to test on.

    Reference: Dai and Van Gool, Dark Model Adaptation: Semantic Image Segmentation from Daytime to Nighttime, ITSC
    2018.

    Args:
        img_suffix: What follows the name in an image's file name.
        seg_map_suffix: What follows the name in a mask's file name.
        **kwargs: As for :class:`CityscapesDataset`.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError, DataError: As :class:`BaseSegDataset` does.
    """

    def __init__(self, img_suffix: str = '_leftImg8bit.png', seg_map_suffix: str = '_gtCoarse_labelTrainIds.png',
                 **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
