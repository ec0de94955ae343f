"""Dark Zurich."""
from segkit.datasets.cityscapes_dataset import CityscapesDataset
from segkit.registry import DATASETS


@DATASETS.register_module()
class DarkZurichDataset(CityscapesDataset):
    """Dark Zurich, streets at night: the 19 classes of Cityscapes, void 255; a set to test on.

    Reference: Sakaridis et al., Guided Curriculum Model Adaptation and Uncertainty-Aware Evaluation for Semantic
    Nighttime Image Segmentation, ICCV 2019.

    Args:
        img_suffix: What follows the name in an image's file name.
        seg_map_suffix: What follows the name in a mask's file name.
        **kwargs: As for :class:`CityscapesDataset`.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError, DataError: As :class:`BaseSegDataset` does.
    """

    def __init__(self, img_suffix: str = '_rgb_anon.png', seg_map_suffix: str = '_gt_labelTrainIds.png',
                 **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
