"""BDD100K."""
from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.datasets.cityscapes_dataset import CityscapesDataset
from segkit.registry import DATASETS


@DATASETS.register_module()
class BDD100KDataset(BaseSegDataset):
    """BDD100K, streets from a car's camera: the 19 classes of Cityscapes, void 255.

    Reference: Yu et al., BDD100K: A Diverse Driving Dataset for Heterogeneous Multitask Learning, CVPR 2020; its 10k
    frames with semantic labels.

    Args:
        img_suffix: What follows the name in an image's file name.
        seg_map_suffix: What follows the name in a mask's file name.
        reduce_zero_label: Read 0 as void and k + 1 as class k; the files are not stored so.
        **kwargs: As for :class:`BaseSegDataset`.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError, DataError: As :class:`BaseSegDataset` does.
    """

    METAINFO = CityscapesDataset.METAINFO

    def __init__(self, img_suffix: str = '.jpg', seg_map_suffix: str = '.png', reduce_zero_label: bool = False,
                 **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, reduce_zero_label=reduce_zero_label,
                         **kwargs)
