"""ISPRS Vaihingen."""
from segkit.datasets.base_seg_dataset import BaseSegDataset
from segkit.registry import DATASETS


@DATASETS.register_module()
class ISPRSDataset(BaseSegDataset):
    """ISPRS Vaihingen, a town from above: 6 classes, stored as 1 to 6, 0 is a border that does not count.

    Reference: the 2D Semantic Labeling Contest of the ISPRS, Vaihingen. The masks are grey PNGs that MMSegmentation's
    converter makes of the coloured ones, in tiles.

    Args:
        img_suffix: What follows the name in an image's file name.
        seg_map_suffix: What follows the name in a mask's file name.
        reduce_zero_label: Read 0 as void and k + 1 as class k, as the files are stored.
        **kwargs: As for :class:`BaseSegDataset`.

    Shape:
        - a sample: as :class:`BaseSegDataset` gives it.

    Raises:
        ConfigError, DataError: As :class:`BaseSegDataset` does.
    """

    METAINFO = dict(
        classes=('impervious_surface', 'building', 'low_vegetation', 'tree', 'car', 'clutter'),
        palette=[[255, 255, 255], [0, 0, 255], [0, 255, 255], [0, 255, 0], [255, 255, 0], [255, 0, 0]])

    def __init__(self, img_suffix: str = '.png', seg_map_suffix: str = '.png', reduce_zero_label: bool = True,
                 **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, reduce_zero_label=reduce_zero_label,
                         **kwargs)
