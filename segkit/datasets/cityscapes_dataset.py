"""Cityscapes."""
from typing import Optional

from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.registry import DATASETS

# The label ids that are evaluated, in the order of their train ids 0 to 18; all others are void.
EVALUATED_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


@DATASETS.register_module()
class CityscapesDataset(BaseSegDataset):
    """Cityscapes, fine annotations: 19 classes, void 255, one folder per city.

    Reference: Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016. The masks are
    the ``labelTrainIds`` that its scripts make. Different from MMSegmentation, the archive's own ``labelIds`` can be
    read as they are: with ``seg_map_suffix='_gtFine_labelIds.png'`` they are mapped while loading.

    Args:
        img_suffix: What follows the name in an image's file name.
        seg_map_suffix: What follows the name in a mask's file name.
        label_map: Stored label to class; for masks of label ids it is known.
        **kwargs: As for :class:`BaseSegDataset`.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError, DataError: As :class:`BaseSegDataset` does.
    """

    METAINFO = dict(
        classes=('road', 'sidewalk', 'building', 'wall', 'fence', 'pole', 'traffic light', 'traffic sign', 'vegetation',
                 'terrain', 'sky', 'person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle'),
        palette=[[128, 64, 128], [244, 35, 232], [70, 70, 70], [102, 102, 156], [190, 153, 153], [153, 153, 153],
                 [250, 170, 30], [220, 220, 0], [107, 142, 35], [152, 251, 152], [70, 130, 180], [220, 20, 60],
                 [255, 0, 0], [0, 0, 142], [0, 0, 70], [0, 60, 100], [0, 80, 100], [0, 0, 230], [119, 11, 32]])

    def __init__(self, img_suffix: str = '_leftImg8bit.png', seg_map_suffix: str = '_gtFine_labelTrainIds.png',
                 label_map: Optional[dict] = None, **kwargs) -> None:
        if label_map is None and seg_map_suffix.endswith('_labelIds.png'):
            label_map = {old: EVALUATED_IDS.index(old) if old in EVALUATED_IDS else 255 for old in range(34)}
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, label_map=label_map, **kwargs)
